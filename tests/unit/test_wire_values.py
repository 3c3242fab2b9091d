"""Times, spans, JSON values and scopes on the wire: round trips, bounds and who may use which scope."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from mnemon.v1 import memory_pb2, scope_pb2
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import InvalidArgument, MnemonError, PermissionDenied, Reason
from mnemon_service.model.scope import Scope
from mnemon_service.record.selection import Access, AsOf
from mnemon_service.wire.metadata import MAXIMUM_BYTES, from_struct, to_struct
from mnemon_service.wire.scopes import access_of, from_as_of, from_scope, read_scope, to_scope, write_scope
from mnemon_service.wire.times import from_duration, from_timestamp, set_timestamp

instants = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))


@given(instants)
def test_an_instant_comes_back_to_the_microsecond(instant: datetime) -> None:
    stamp = Timestamp()
    set_timestamp(stamp, instant)
    assert from_timestamp(stamp, "t") == instant


@pytest.mark.parametrize(
    ("stamp", "instant"),
    [
        (Timestamp(seconds=-62_135_596_800), datetime(1, 1, 1, tzinfo=UTC)),
        (
            Timestamp(seconds=253_402_300_799, nanos=999_999_999),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ),
        (Timestamp(seconds=-1, nanos=999_999_000), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_the_first_and_the_last_instant_can_be_said(stamp: Timestamp, instant: datetime) -> None:
    assert from_timestamp(stamp, "t") == instant


@pytest.mark.parametrize(
    "stamp",
    [
        Timestamp(seconds=-62_135_596_801),
        Timestamp(seconds=253_402_300_800),
        Timestamp(seconds=2**62),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
    ],
)
def test_no_instant_lies_outside_years_1_to_9999(stamp: Timestamp) -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_timestamp(stamp, "as_of.time")
    assert refused.value.violations[0].field == "as_of.time"


def test_none_leaves_a_time_absent() -> None:
    memory = memory_pb2.Memory()
    set_timestamp(memory.expire_time, None)
    assert not memory.HasField("expire_time")


def test_a_span_is_read_to_the_microsecond_and_bounded() -> None:
    assert from_duration(Duration(seconds=90, nanos=1_500), "ttl") == timedelta(seconds=90, microseconds=1)
    with pytest.raises(InvalidArgument) as refused:
        from_duration(Duration(seconds=2**62), "ttl")
    assert refused.value.violations[0].field == "ttl"


numbers = (
    st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.just(2**63 * 1.0)
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4))
def test_json_values_come_back_as_they_were(values: dict[str, Any]) -> None:
    struct = Struct()
    to_struct(values, struct)
    assert from_struct(struct, "metadata") == values


def test_whole_numbers_become_integers_as_far_as_doubles_are_exact() -> None:
    struct = Struct()
    struct.update({"small": 2020.0, "large": 2.0**53, "larger": 2.0**54, "part": 0.5})
    back = from_struct(struct, "metadata")
    assert {key: type(value) for key, value in back.items()} == {
        "small": int,
        "large": int,
        "larger": float,
        "part": float,
    }


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_number_is_refused(number: float) -> None:
    struct = Struct()
    struct.update({"deep": [{"x": number}]})
    with pytest.raises(InvalidArgument) as refused:
        from_struct(struct, "memory.metadata")
    assert refused.value.violations[0].field == "memory.metadata"


def nested(levels: int) -> Struct:
    """So many objects within each other; the innermost holds a number."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    struct = Struct()
    struct.update(value)
    return struct


def test_sixteen_levels_are_kept_and_seventeen_refused() -> None:
    from_struct(nested(16), "metadata")
    with pytest.raises(InvalidArgument, match="16 levels"):
        from_struct(nested(17), "metadata")


@pytest.mark.parametrize(
    "just_fits",
    [
        {"a": "x" * (MAXIMUM_BYTES - 8)},
        {"a": "é" * ((MAXIMUM_BYTES - 8) // 2)},
        {"a": [1] * ((MAXIMUM_BYTES - 7) // 2)},
        {"a": [[]] * ((MAXIMUM_BYTES - 7) // 3)},
    ],
    ids=["ascii", "two bytes a letter", "short numbers", "empty lists"],
)
def test_64_kib_as_json_are_kept_whatever_they_take_on_the_wire(just_fits: dict[str, Any]) -> None:
    struct = Struct()
    struct.update(just_fits)
    assert from_struct(struct, "metadata") == just_fits
    struct.update({"bbbb": "bb"})
    with pytest.raises(InvalidArgument, match="65,536 bytes"):
        from_struct(struct, "metadata")


def test_a_struct_far_too_large_is_refused_before_it_is_read() -> None:
    struct = Struct()
    struct.update({"a": "x" * (6 * MAXIMUM_BYTES)})
    with pytest.raises(InvalidArgument, match="65,536 bytes"):
        from_struct(struct, "metadata")


ANA, BO = scope_pb2.Scope(user_id="ana"), scope_pb2.Scope(user_id="bo")
NOBODY, COACH = scope_pb2.Scope(), scope_pb2.Scope(agent_id="coach")
BOUND, UNBOUND = Scope(user_id="ana"), Scope()
REFUSED = Reason.SCOPE_FORBIDDEN


def caller(bound: Scope, role: KeyRole = KeyRole.WRITER) -> Caller:
    return Caller("project", role, "key", bound)


@pytest.mark.parametrize(
    ("bound", "asked", "wide", "role", "expected"),
    [
        (UNBOUND, ANA, False, KeyRole.READER, Scope("ana")),
        (UNBOUND, NOBODY, False, KeyRole.ADMIN, Reason.SCOPE_REQUIRED),
        (UNBOUND, NOBODY, True, KeyRole.ADMIN, Scope()),
        (UNBOUND, NOBODY, True, KeyRole.WRITER, Reason.ROLE_REQUIRED),
        (UNBOUND, ANA, True, KeyRole.ADMIN, Reason.INVALID_FIELD),
        (BOUND, ANA, False, KeyRole.READER, Scope("ana")),
        (BOUND, NOBODY, False, KeyRole.READER, Scope("ana")),
        (BOUND, NOBODY, True, KeyRole.ADMIN, Scope("ana")),
        (BOUND, COACH, False, KeyRole.READER, Scope("ana", "coach")),
        (BOUND, BO, False, KeyRole.ADMIN, REFUSED),
        (Scope(agent_id="coach"), ANA, False, KeyRole.READER, Scope("ana", "coach")),
    ],
)
def test_a_read_selects_within_what_the_key_is_bound_to(
    bound: Scope, asked: scope_pb2.Scope, wide: bool, role: KeyRole, expected: Scope | Reason
) -> None:
    assert outcome(lambda: read_scope(asked, caller(bound, role), project_wide=wide)) == expected


@pytest.mark.parametrize(
    ("bound", "asked", "expected"),
    [
        (UNBOUND, ANA, Scope("ana")),
        (UNBOUND, NOBODY, Reason.SCOPE_REQUIRED),
        (BOUND, NOBODY, Scope("ana")),
        (BOUND, COACH, Scope("ana", "coach")),
        (BOUND, BO, REFUSED),
    ],
)
def test_a_write_stores_within_what_the_key_is_bound_to(
    bound: Scope, asked: scope_pb2.Scope, expected: Scope | Reason
) -> None:
    assert outcome(lambda: write_scope(asked, caller(bound))) == expected


def outcome(work: Any) -> Any:
    """What it answers, or the reason why not."""
    try:
        return work()
    except MnemonError as error:
        return error.reason


def test_a_project_wide_read_that_is_refused_says_which_role_may() -> None:
    with pytest.raises(PermissionDenied) as refused:
        read_scope(NOBODY, caller(UNBOUND), project_wide=True)
    assert refused.value.metadata == {"required_role": "ADMIN"}


def test_a_key_reaches_its_project_within_its_bound_and_a_root_key_no_memories() -> None:
    assert access_of(caller(BOUND)) == Access("project", BOUND)
    with pytest.raises(PermissionDenied) as refused:
        access_of(Caller("", KeyRole.ROOT))
    assert refused.value.reason is Reason.ROLE_REQUIRED


def test_a_scope_comes_back() -> None:
    message = scope_pb2.Scope()
    to_scope(Scope("u", "a", "p", "r"), message)
    assert from_scope(message) == Scope("u", "a", "p", "r")


def test_a_moment_is_a_time_or_a_place_in_the_log() -> None:
    assert from_as_of(memory_pb2.AsOf(sequence=7)) == AsOf(sequence=7)
    moment = memory_pb2.AsOf(time=Timestamp(seconds=0))
    assert from_as_of(moment) == AsOf(time=datetime(1970, 1, 1, tzinfo=UTC))
