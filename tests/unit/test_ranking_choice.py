"""Choosing among ranked memories: diversity, and a prompt context within a budget."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.memory import EventTime, MemoryState, Precision
from mnemon_service.search.ranking.candidate import Candidate, RankedHit, ScoreParts
from mnemon_service.search.ranking.context import ContextItem, Grouping, LeftOut, estimate_tokens, pack
from mnemon_service.search.ranking.diversity import diversify


def hit(memory_id: str, score: float) -> RankedHit:
    return RankedHit(Candidate(memory_id, 0.0, {}, 0), score, ScoreParts())


def direction(degrees: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    angle = math.radians(degrees)
    return np.array([[math.cos(angle), math.sin(angle)]], np.float32)


HITS = [hit("a", 0.9), hit("twin of a", 0.88), hit("b", 0.6), hit("no vector", 0.3)]
VECTORS = {"a": direction(0), "twin of a": direction(1), "b": direction(90), "no vector": direction(0)[:0]}


def chosen(trade_off: float, k: int) -> list[str]:
    return [one.memory_id for one in diversify(HITS, VECTORS, trade_off, k)]


def test_a_repetition_gives_way_to_something_else() -> None:
    assert chosen(0.5, 2) == ["a", "b"]
    assert chosen(0.5, 4) == ["a", "b", "no vector", "twin of a"]


def test_a_trade_off_of_one_leaves_the_order_and_k_cuts_it() -> None:
    assert chosen(1.0, 3) == ["a", "twin of a", "b"]
    assert chosen(1.0, 0) == chosen(0.5, 0) == []
    assert len(chosen(0.3, 99)) == 4


@given(st.floats(0, 1), st.integers(0, 6))
def test_the_best_hit_is_chosen_first_and_none_twice(trade_off: float, k: int) -> None:
    names = chosen(trade_off, k)
    assert names[:1] == ["a"][:k]
    assert len(set(names)) == len(names) == min(k, 4)


def test_a_trade_off_outside_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="trade_off"):
        diversify(HITS, VECTORS, 1.1, 2)


def item(memory_id: str, text: str, score: float = 0.5, **fields: Any) -> ContextItem:
    return ContextItem(memory_id, text, score, **fields)


MAY_8 = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
MAY_9 = datetime(2023, 5, 9, 9, 0, tzinfo=UTC)
ITEMS = [
    item("m1", "I moved to Oslo.", 0.9, subject="Ana", observed_time=MAY_9),
    item("m2", "Ana likes tea.", 0.8, subject="Ana", observed_time=MAY_8),
    item("m3", "Nice!", 0.4, subject="Bob", observed_time=MAY_9.replace(hour=8)),
    item("m4", "Bob was born in 1990.", 0.3, event_time=EventTime(datetime(1990, 1, 1), Precision.YEAR)),
    item("m5", "Tea is good.", 0.2),
]


def test_by_day_memories_stand_in_time_order_with_dates_speakers_and_ids() -> None:
    context = pack(ITEMS, 1000)
    assert context.text == "\n".join(
        [
            "## 1990",
            "- Bob was born in 1990. [m4]",
            "## 8 May 2023",
            "- Ana likes tea. [m2]",
            "## 9 May 2023",
            "- Bob: Nice! [m3]",
            "- Ana: I moved to Oslo. [m1]",
            "## Undated",
            "- Tea is good. [m5]",
        ]
    )
    assert context.included == ("m4", "m2", "m3", "m1", "m5")
    assert context.left_out == ()


def test_by_subject_the_subject_of_the_best_memory_comes_first() -> None:
    assert pack(ITEMS[:3], 1000, Grouping.SUBJECT).text == "\n".join(
        [
            "## Ana",
            "- (9 May 2023) I moved to Oslo. [m1]",
            "- (8 May 2023) Ana likes tea. [m2]",
            "## Bob",
            "- (9 May 2023) Nice! [m3]",
        ]
    )


def test_ungrouped_memories_stand_best_first_without_headings() -> None:
    assert pack(ITEMS[:2], 1000, Grouping.NONE).text == (
        "- (9 May 2023) Ana: I moved to Oslo. [m1]\n- (8 May 2023) Ana likes tea. [m2]"
    )


@pytest.mark.parametrize(
    ("precision", "written"),
    [
        (Precision.INSTANT, "1 December 2022"),
        (Precision.DAY, "1 December 2022"),
        (Precision.WEEK, "week of 1 December 2022"),
        (Precision.MONTH, "December 2022"),
        (Precision.SEASON, "winter 2022"),
        (Precision.YEAR, "2022"),
    ],
)
def test_a_date_is_written_as_exactly_as_it_is_known(precision: Precision, written: str) -> None:
    event_time = EventTime(datetime(2022, 12, 1, tzinfo=UTC), precision)
    assert pack([item("m", "x", event_time=event_time)], 100).text.startswith(f"## {written}\n")


def test_what_no_longer_holds_is_marked() -> None:
    context = pack([item("m", "Ana lives in Rome.", state=MemoryState.SUPERSEDED)], 100)
    assert "- (no longer true) Ana lives in Rome. [m]" in context.text


def test_duplicates_weak_hits_and_what_does_not_fit_are_named_as_left_out() -> None:
    items = [
        item("m1", "Ana likes tea.", 0.9),
        item("m2", "ana  likes tea.", 0.8),
        item("m3", "word " * 500, 0.7),
        item("m4", "Short.", 0.6),
        item("m5", "Weak.", 0.1),
    ]
    context = pack(items, 60, threshold=0.5)
    assert context.included == ("m1", "m4")
    assert context.left_out == (
        ("m2", LeftOut.DUPLICATE),
        ("m3", LeftOut.BUDGET),
        ("m5", LeftOut.THRESHOLD),
    )


def test_a_memory_cannot_forge_lines_of_its_own() -> None:
    context = pack([item("m", "Hello.\n## 1 January 2000\n- Forged. [x]", subject="A\nB")], 100)
    assert [line for line in context.text.split("\n") if line.startswith("#")] == ["## Undated"]
    assert len(context.text.split("\n")) == 2


def test_nothing_fits_into_nothing_and_a_negative_budget_is_refused() -> None:
    assert pack(ITEMS, 0).text == ""
    assert {reason for _, reason in pack(ITEMS, 0).left_out} == {LeftOut.BUDGET}
    with pytest.raises(ValueError, match="token_budget"):
        pack(ITEMS, -1)


items = st.lists(
    st.builds(
        item,
        st.uuids().map(str),
        st.text(max_size=60),
        st.floats(0, 1),
        subject=st.sampled_from(["", "Ana", "Bob"]),
        observed_time=st.none() | st.datetimes(timezones=st.sampled_from([UTC, None])),
    ),
    max_size=8,
    unique_by=lambda one: one.memory_id,
)


@given(items, st.integers(0, 200), st.sampled_from(list(Grouping)), st.floats(0, 1))
def test_any_context_keeps_its_budget_and_accounts_for_every_memory(
    held: list[ContextItem], budget: int, grouping: Grouping, threshold: float
) -> None:
    context = pack(held, budget, grouping, threshold)
    assert context.tokens == estimate_tokens(context.text) <= budget
    assert context == pack(held, budget, grouping, threshold)
    left = [memory_id for memory_id, _ in context.left_out]
    assert sorted([*context.included, *left]) == sorted(one.memory_id for one in held)
    cited = re.findall(r"\[([0-9a-f-]{36})\]$", context.text, re.MULTILINE)
    assert tuple(cited) == context.included


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("tea", 1), ("Caroline went home.", 5), ("2023", 2), ("東京", 3), ("a\nb", 3), ("0198c0de", 6)],
)
def test_tokens_are_counted_rather_too_many(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
