"""Which fields an update sets, and to what: AIP-134, and single keys of the metadata."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from mnemon.v1 import memory_pb2, project_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.update_masks import UPDATABLE, sets_any, updated
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.memory import Entity, EventTime, Memory, MemoryType, Precision
from mnemon_service.model.scope import Scope
from mnemon_service.wire.update_masks import named_fields

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
BEFORE = Memory(
    id="0192f0c1-0000-7000-8000-000000000001",
    project_id="project",
    scope=Scope("ana"),
    text="Ana likes tea",
    type=MemoryType.EPISODIC,
    categories=("food",),
    metadata={"tier": "gold", "nested": {"a": 1, "b": 2}, "dotted.key": 1},
    attributed_to="Ana",
    event_time=EventTime(datetime(2026, 1, 1, tzinfo=UTC), Precision.DAY),
    expire_time=LATER,
    entities=(Entity("Ana"),),
    version=3,
)
NEW: dict[str, tuple[Any, Any]] = {
    "text": ("Ana likes coffee", "Ana likes coffee"),
    "metadata": ({"x": 1}, {"x": 1}),
    "categories": (["drinks"], ("drinks",)),
    "type": (memory_pb2.MEMORY_TYPE_PROCEDURAL, MemoryType.PROCEDURAL),
    "event_time": ({"time": {"seconds": 0}}, EventTime(datetime(1970, 1, 1, tzinfo=UTC))),
    "expire_time": ({"seconds": int(LATER.timestamp()) + 1}, LATER + timedelta(seconds=1)),
    "attributed_to": ("Bo", "Bo"),
    "entities": ([{"name": "Bo", "type": "PERSON"}], (Entity("Bo", "PERSON"),)),
}
CLEARED: dict[str, Any] = {
    "metadata": {},
    "categories": (),
    "type": MemoryType.SEMANTIC,
    "event_time": None,
    "expire_time": None,
    "attributed_to": "",
    "entities": (),
}


def update(*mask: str, **memory: Any) -> pb.UpdateMemoryRequest:
    named = FieldMask(paths=mask) if mask else None
    return pb.UpdateMemoryRequest(memory=memory_pb2.Memory(**memory), update_mask=named)


@pytest.mark.parametrize("field", UPDATABLE)
def test_a_named_field_alone_is_set(field: str) -> None:
    given, meant = NEW[field]
    everything = {name: value for name, (value, _) in NEW.items()} | {field: given}
    assert updated(BEFORE, update(field, **everything)) == replace(BEFORE, **{field: meant})


@pytest.mark.parametrize("field", UPDATABLE)
def test_without_a_mask_every_field_that_is_given_is_set(field: str) -> None:
    given, meant = NEW[field]
    assert updated(BEFORE, update(**{field: given})) == replace(BEFORE, **{field: meant})


@pytest.mark.parametrize("field", CLEARED)
def test_a_named_field_that_is_left_empty_is_cleared(field: str) -> None:
    assert updated(BEFORE, update(field)) == replace(BEFORE, **{field: CLEARED[field]})


@pytest.mark.parametrize("text", ["", " \n"])
def test_the_text_cannot_be_cleared(text: str) -> None:
    refuse(update("text", text=text), "memory.text")


@pytest.mark.parametrize(
    ("mask", "given", "after"),
    [
        (["metadata.tier"], {"tier": "silver", "other": 1}, {"tier": "silver"}),
        (["metadata.new"], {"new": [1]}, {"new": [1]}),
        (["metadata.tier"], {}, {"tier": None}),
        (["metadata.absent"], {}, {}),
        (["metadata.nested.a"], {"nested": {"a": 7, "b": 7}}, {"nested": {"a": 7, "b": 2}}),
        (["metadata.nested.a"], {}, {"nested": {"b": 2}}),
        (["metadata.tier.deep"], {"tier": {"deep": 1}}, {"tier": {"deep": 1}}),
        (["metadata.new.deep"], {"new": {"deep": 1}}, {"new": {"deep": 1}}),
        (["metadata.absent.deep"], {}, {}),
        (["metadata.dotted.key"], {"dotted.key": 2}, {"dotted.key": 2}),
        (["metadata.dotted.key"], {}, {"dotted.key": None}),
        (["metadata.a.b"], {"a.b": 2}, {"a.b": 2}),
        (["metadata.tier", "metadata.new"], {"tier": 1, "new": 2}, {"tier": 1, "new": 2}),
    ],
)
def test_one_key_of_the_metadata_is_set_or_taken_out_and_the_others_stay(
    mask: list[str], given: dict[str, Any], after: dict[str, Any]
) -> None:
    expected = {**BEFORE.metadata, **after}
    result = updated(BEFORE, update(*mask, metadata=given))
    assert result == replace(BEFORE, metadata={k: v for k, v in expected.items() if v is not None})


def test_a_key_beside_the_whole_is_set_in_the_new_whole() -> None:
    result = updated(BEFORE, update("metadata", "metadata.x", metadata={"x": 1}))
    assert result.metadata == {"x": 1}


def test_what_is_changed_is_not_the_memory_that_was_given() -> None:
    updated(BEFORE, update("metadata.nested.a", metadata={"nested": {"a": 7}}))
    assert BEFORE.metadata["nested"] == {"a": 1, "b": 2}


def test_keys_set_one_by_one_cannot_grow_past_the_bound() -> None:
    large = replace(BEFORE, metadata={"a": "x" * 60_000})
    request = update("metadata.b", metadata={"b": "y" * 10_000})
    with pytest.raises(InvalidArgument, match="65,536 bytes"):
        updated(large, request)


@pytest.mark.parametrize(
    "field", ["id", "scope", "state", "version", "metadata.", "metadataX", "sources", "*"]
)
def test_what_cannot_be_set_is_refused_by_name(field: str) -> None:
    refuse(update(field, text="x"), "update_mask")


def test_an_update_of_nothing_is_refused() -> None:
    refuse(update(id=BEFORE.id, etag='"3"'), "update_mask")


def test_an_expiry_in_the_past_is_refused() -> None:
    refuse(update(expire_time={"seconds": 1}), "memory.expire_time")


def test_errors_in_a_batch_name_the_request() -> None:
    with pytest.raises(InvalidArgument) as refused:
        updated(BEFORE, update("metadata.x", metadata={"x": float("nan")}), "requests[4].")
    assert refused.value.violations[0].field == "requests[4].memory.metadata"


def refuse(request: pb.UpdateMemoryRequest, path: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        updated(BEFORE, request)
    assert refused.value.violations[0].field == path


def test_whether_an_update_sets_a_field() -> None:
    assert sets_any(update(text="x"), ("text",))
    assert sets_any(update("text"), ("text",))
    assert not sets_any(update("metadata", text="x"), ("text",))
    assert not sets_any(update(metadata={"a": 1}), ("text",))


def test_named_fields_of_any_message() -> None:
    project = project_pb2.Project(display_name="x")
    updatable = ("display_name", "disabled")
    assert named_fields(project, FieldMask(), updatable) == ["display_name"]
    assert named_fields(project, FieldMask(paths=["disabled", "disabled"]), updatable) == ["disabled"]
    for mask in (FieldMask(paths=["id"]), FieldMask(paths=["display_name", ""])):
        with pytest.raises(InvalidArgument):
            named_fields(project, mask, updatable)
    with pytest.raises(InvalidArgument):
        named_fields(project_pb2.Project(), FieldMask(), updatable)
