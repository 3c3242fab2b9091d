"""Filters of requests: what is accepted means something everywhere, what is refused says where and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from mnemon.v1 import filter_pb2
from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.model.filter import MAXIMUM_LIST, Comparison, Not, Op
from mnemon_service.model.filter_matching import check
from mnemon_service.wire.filters import from_filter
from support.wire_filters import all_of, any_of, at, comparison, filters, negated, value_message

MISMATCH, INVALID = Reason.FILTER_TYPE_MISMATCH, Reason.INVALID_FIELD


@given(filters)
def test_what_is_accepted_passes_the_domains_own_check_and_what_is_refused_is_named(
    message: filter_pb2.Filter,
) -> None:
    try:
        accepted = from_filter(message)
    except InvalidArgument as error:
        assert error.reason in (MISMATCH, INVALID)
        (violation,) = error.violations
        root, _, rest = violation.field.partition(".")
        assert root == "filter"
        at(message, rest)
        assert violation.description in error.message
    else:
        check(accepted)


@pytest.mark.parametrize(
    ("message", "path", "reason"),
    [
        (comparison("owner", "EQ", "x"), "filter.comparison.field", INVALID),
        (comparison("metadata.", "EQ", "x"), "filter.comparison.field", INVALID),
        (comparison("metadata.a..b", "EQ", "x"), "filter.comparison.field", INVALID),
        (comparison("metadata.a\x00", "EQ", "x"), "filter.comparison.field", INVALID),
        (comparison("user_id", "EQ", 1), "filter.comparison.value", MISMATCH),
        (comparison("user_id", "CONTAINS", True), "filter.comparison.value", MISMATCH),
        (comparison("user_id", "EQ", "a\x00b"), "filter.comparison.value", INVALID),
        (comparison("user_id", "EQ"), "filter.comparison.value", MISMATCH),
        (comparison("user_id", "EQ", None), "filter.comparison.value", MISMATCH),
        (comparison("user_id", "EQ", ["a"]), "filter.comparison.value", MISMATCH),
        (comparison("user_id", "IN", "a"), "filter.comparison.value", MISMATCH),
        (comparison("user_id", "IN", []), "filter.comparison.value", INVALID),
        (comparison("user_id", "NOT_IN", ["a"] * 1001), "filter.comparison.value", INVALID),
        (comparison("user_id", "IN", ["a", 1]), "filter.comparison.value[1]", MISMATCH),
        (comparison("metadata.k", "IN", ["a", ["b"]]), "filter.comparison.value[1]", MISMATCH),
        (comparison("metadata.k", "IN", [1, float("nan")]), "filter.comparison.value[1]", MISMATCH),
        (comparison("metadata.k", "EQ", float("inf")), "filter.comparison.value", MISMATCH),
        (comparison("metadata.k", "GT", True), "filter.comparison.value", MISMATCH),
        (comparison("metadata.k", "ICONTAINS", 1), "filter.comparison.value", MISMATCH),
        (comparison("metadata.k", "EXISTS", "yes"), "filter.comparison.value", MISMATCH),
        (comparison("event_time", "GT", 1), "filter.comparison.value", MISMATCH),
        (comparison("event_time", "GT", "yesterday"), "filter.comparison.value", MISMATCH),
        (comparison("event_time", "CONTAINS", "2026"), "filter.comparison.value", MISMATCH),
        (comparison("event_time", "EQ", "0001-01-01T00:00:00+12:00"), "filter.comparison.value", MISMATCH),
        (comparison("categories", "GT", "a"), "filter.comparison.value", MISMATCH),
        (comparison("categories", "CONTAINS", 1), "filter.comparison.value", MISMATCH),
        (
            all_of(comparison("type", "EQ", "SEMANTIC"), negated(any_of(comparison("x", "EQ", 1)))),
            "filter.and_group.filters[1].not_filter.or_group.filters[0].comparison.field",
            INVALID,
        ),
    ],
)
def test_a_wrong_part_is_named_by_its_path(message: filter_pb2.Filter, path: str, reason: Reason) -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_filter(message)
    assert (refused.value.violations[0].field, refused.value.reason) == (path, reason)


def test_the_error_is_named_after_the_requests_own_field() -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_filter(comparison("x", "EQ", 1), "export.filter")
    assert refused.value.violations[0].field == "export.filter.comparison.field"


@pytest.mark.parametrize(
    "written", ["2026-05-07T00:00:00Z", "2026-05-07T02:00:00+02:00", "2026-05-07T00:00:00", "2026-05-07"]
)
def test_times_are_instants_in_utc(written: str) -> None:
    instant = datetime(2026, 5, 7, tzinfo=UTC)
    assert from_filter(comparison("create_time", "GTE", written)) == Comparison(
        "create_time", Op.GTE, (instant,)
    )


def test_text_in_metadata_that_looks_like_a_time_stays_text() -> None:
    written = "2026-05-07T00:00:00Z"
    assert from_filter(comparison("metadata.seen", "LT", written)) == Comparison(
        "metadata.seen", Op.LT, (written,)
    )


@pytest.mark.parametrize(("value", "meant"), [(..., True), (True, True), (False, False)])
def test_exists_without_a_value_asks_for_presence(value: Any, meant: bool) -> None:
    expected = Comparison("metadata.k", Op.EXISTS, (meant,))
    assert from_filter(comparison("metadata.k", "EXISTS", value)) == expected


def test_sixteen_levels_are_accepted_and_seventeen_refused() -> None:
    deep = comparison("type", "EQ", "SEMANTIC")
    for _ in range(15):
        deep = negated(deep)
    innermost = from_filter(deep)
    while isinstance(innermost, Not):
        innermost = innermost.filter
    assert isinstance(innermost, Comparison)
    with pytest.raises(InvalidArgument, match="16 levels"):
        from_filter(negated(deep))


def test_256_nodes_are_accepted_and_257_refused() -> None:
    one = comparison("type", "EQ", "SEMANTIC")
    hundred = all_of(*[one] * 100)
    from_filter(any_of(hundred, hundred, *[one] * 53))
    with pytest.raises(InvalidArgument, match="256 nodes"):
        from_filter(any_of(hundred, hundred, *[one] * 54))


def test_a_list_of_a_thousand_values_is_accepted() -> None:
    accepted = from_filter(comparison("metadata.k", "IN", [float(one) for one in range(MAXIMUM_LIST)]))
    assert isinstance(accepted, Comparison)
    assert len(accepted.values) == MAXIMUM_LIST


def test_a_null_in_a_list_is_refused() -> None:
    message = comparison("metadata.k", "IN", ["a"])
    message.comparison.value.list_value.values.append(value_message(None))
    with pytest.raises(InvalidArgument) as refused:
        from_filter(message)
    assert refused.value.violations[0].field == "filter.comparison.value[1]"
