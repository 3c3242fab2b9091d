"""What an operator may set about searching."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from mnemon_service.app.search_options import search_settings
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS
from mnemon_service.settings import SearchWeight, Settings


def test_weights_are_set_by_name_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNEMON_SEARCH_WEIGHTS", '{"keyword": 0.5, "time": 0}')
    weights = search_settings(Settings.model_validate({})).weights
    assert (weights.keyword, weights.time) == (0.5, 0.0)
    assert (weights.semantic, weights.neighbour) == (DEFAULT_WEIGHTS.semantic, DEFAULT_WEIGHTS.neighbour)


def test_every_part_of_a_score_has_a_weight_to_set() -> None:
    for name in get_args(SearchWeight):
        changed = Settings.model_validate({"search_weights": {name: 3.0}})
        assert getattr(search_settings(changed).weights, name) == 3.0


@pytest.mark.parametrize(
    "wrong", [{"no_such": 1.0}, {"keyword": -1.0}, {"keyword": float("nan")}, {"bm25_k1": 1.0}]
)
def test_other_weights_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"search_weights": wrong})
