"""Filters of requests, right and wrong ones, for property tests; and where a path of an error leads."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.message import Message
from hypothesis import strategies as st

from mnemon.v1 import filter_pb2
from mnemon_service.model.filter import KNOWN_FIELDS, FieldType

TIMES = ["2026-05-07T00:00:00Z", "2026-05-07T02:00:00+02:00", "2026-05-07", "9999-12-31T23:59:59.999999Z"]
TEXTS = ["", "a", "A", "ab", "Ünï", "100%", "_", "it's", '"', "日本", "a\x00b", "SEMANTIC", *TIMES]
NUMBERS = [0.0, -1.0, 1.5, 1e300, 2.0**53, float("nan"), float("inf")]

_scalars = st.sampled_from(TEXTS) | st.sampled_from(NUMBERS) | st.booleans() | st.none()
values = _scalars | st.lists(_scalars | st.lists(_scalars, max_size=2), max_size=3)
fields = st.sampled_from([*KNOWN_FIELDS, "owner", "text", ""]) | st.lists(
    st.sampled_from(["k", "n", "", "a b", "x\x00"]), min_size=0, max_size=3
).map(lambda keys: "metadata." + ".".join(keys))


def value_message(value: Any) -> struct_pb2.Value:
    """A JSON value; None is a null."""
    message = struct_pb2.Value()
    match value:
        case None:
            message.null_value = struct_pb2.NULL_VALUE
        case bool():
            message.bool_value = value
        case str():
            message.string_value = value
        case float() | int():
            message.number_value = value
        case _:
            message.list_value.values.extend(value_message(one) for one in value)
    return message


def comparison(field: str, operator: str, value: Any = ...) -> filter_pb2.Filter:
    """One comparison; without a value if none is given."""
    message = filter_pb2.Filter()
    message.comparison.field = field
    message.comparison.operator = filter_pb2.Operator.Value(f"OPERATOR_{operator}")
    if value is not ...:
        message.comparison.value.CopyFrom(value_message(value))
    return message


def all_of(*filters: filter_pb2.Filter) -> filter_pb2.Filter:
    """Their conjunction."""
    return filter_pb2.Filter(and_group=filter_pb2.FilterGroup(filters=filters))


def any_of(*filters: filter_pb2.Filter) -> filter_pb2.Filter:
    """Their disjunction."""
    return filter_pb2.Filter(or_group=filter_pb2.FilterGroup(filters=filters))


def negated(one: filter_pb2.Filter) -> filter_pb2.Filter:
    """Its negation."""
    return filter_pb2.Filter(not_filter=one)


_OPERATORS = [name.removeprefix("OPERATOR_") for name in filter_pb2.Operator.keys()[1:]]
comparisons = st.builds(comparison, fields, st.sampled_from(_OPERATORS), values | st.just(...))

_texts = st.sampled_from([text for text in TEXTS if "\x00" not in text])
_finite = st.sampled_from([number for number in NUMBERS if abs(number) < float("inf")])
_ORDERED = ["EQ", "NE", "GT", "GTE", "LT", "LTE"]
_TEXTUAL = [*_ORDERED, "CONTAINS", "ICONTAINS", "STARTS_WITH"]
_strings = st.sampled_from([name for name, kind in KNOWN_FIELDS.items() if kind is FieldType.STRING])
_times = st.sampled_from([name for name, kind in KNOWN_FIELDS.items() if kind is FieldType.TIME])
_metadata = st.sampled_from(["metadata.k", "metadata.n.k", "metadata.n.a b"])
_right = st.one_of(
    st.builds(comparison, _strings | _metadata, st.sampled_from(_TEXTUAL), _texts),
    st.builds(comparison, _times, st.sampled_from(_ORDERED), st.sampled_from(TIMES)),
    st.builds(comparison, st.just("categories"), st.sampled_from(["EQ", "NE", "CONTAINS"]), _texts),
    st.builds(comparison, _metadata, st.sampled_from([*_ORDERED, "CONTAINS"]), _finite),
    st.builds(comparison, _metadata, st.sampled_from(["EQ", "NE", "CONTAINS"]), st.booleans()),
    st.builds(
        comparison,
        _metadata,
        st.sampled_from(["IN", "NOT_IN"]),
        st.lists(_texts | _finite | st.booleans(), min_size=1, max_size=3),
    ),
    st.builds(comparison, _metadata | _strings | _times, st.just("EXISTS"), st.booleans() | st.just(...)),
)


def _joined(parts: st.SearchStrategy[filter_pb2.Filter]) -> st.SearchStrategy[filter_pb2.Filter]:
    return st.recursive(
        parts,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda found: all_of(*found))
            | st.lists(inner, min_size=1, max_size=3).map(lambda found: any_of(*found))
            | inner.map(negated)
        ),
        max_leaves=4,
    )


filters = _joined(comparisons)
"""Anything that the contract's rules let through, most of it wrong."""
right_filters = _joined(_right)
"""Filters that are to be accepted."""


def at(message: Message, path: str) -> Any:
    """What lies at an error's path within a message; raises if nothing can lie there."""
    found: Any = message
    for name, index in re.findall(r"([a-z_]+)|\[(\d+)\]", path):
        if index:
            items = found.list_value.values if isinstance(found, struct_pb2.Value) else found
            found = items[int(index)]
        else:
            found = getattr(found, name)
    return found
