"""Times, ids, fingerprints and case: what both databases must agree on before SQL comes in."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from mnemon_service.model.case_folding import fold, folding_pairs
from mnemon_service.model.ids import is_id, new_id
from mnemon_service.model.text_hash import duplicate_hash, text_hash
from mnemon_service.record.times import from_micros, to_micros


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_exact_to_the_microsecond(time: datetime) -> None:
    assert from_micros(to_micros(time)) == time


def test_a_time_without_a_zone_is_utc() -> None:
    noon = datetime(2026, 1, 1, 12)
    assert to_micros(noon) == to_micros(noon.replace(tzinfo=UTC))
    assert to_micros(noon.replace(tzinfo=timezone(timedelta(hours=2)))) == to_micros(noon) - 7_200_000_000


@settings(deadline=None)  # the first call makes the table of all characters
@given(st.text(), st.text(), st.text())
def test_folding_keeps_length_and_substrings(before: str, part: str, after: str) -> None:
    assert len(fold(part)) == len(part)
    assert fold(before) + fold(part) + fold(after) == fold(before + part + after)
    assert fold(fold(part)) == fold(part)


def test_folding_pairs_are_all_that_folding_changes() -> None:
    upper, lower = folding_pairs()
    assert len(upper) == len(lower) > 1000
    assert fold(upper) == lower
    changed = set(upper)
    unchanged = "".join(character for code in range(0x110000) if (character := chr(code)) not in changed)
    assert fold(unchanged) == unchanged


def test_ids_sort_by_their_making_and_are_recognised() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids) and all(map(is_id, ids))
    assert uuid.UUID(ids[0]).version == 7
    for wrong in ("", "x", ids[0].upper(), ids[0].replace("-", ""), "{" + ids[0][1:-1] + "}", ids[0] + "\n"):
        assert not is_id(wrong)


def test_fingerprints() -> None:
    assert text_hash("a") != text_hash("a ") and len(text_hash("")) == 32
    same = ["Ana eats fish", "ana  EATS\tfish.", " Ana eats ﬁsh! "]
    assert len({duplicate_hash(text) for text in same}) == 1
    assert duplicate_hash("Ana eats fish?") != duplicate_hash(same[0])
    assert duplicate_hash("...") != duplicate_hash("!")
    assert duplicate_hash("\ud800") == duplicate_hash("\ud800")
