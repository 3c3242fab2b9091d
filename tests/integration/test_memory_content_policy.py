"""A project's content policy reaches every text that is stored, wherever a request carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from mnemon.v1 import memory_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.content_screen import PolicyScreen
from mnemon_service.memory.screened_texts import stored_texts
from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.model.settings import ContentPolicy
from support.memory_world import ANA, MemoryWorld, memory_world

EMAIL = "carla.planted@example.com"
REDACTED = "[redacted email address]"
METADATA = {"note": EMAIL, "deep": {"list": [1, None, {"to": f"write {EMAIL}"}]}, EMAIL: True}

Send = Callable[[MemoryWorld, str], Awaitable[Any]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryWorld]:
    async with memory_world(tmp_path, screen=PolicyScreen()) as made:
        yield made


def struct(values: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(values)
    return made


async def add(world: MemoryWorld, _: str, **fields: Any) -> Any:
    return await world.add(scope=ANA, **fields)


async def enqueue(world: MemoryWorld, _: str) -> Any:
    wanted = pb.AddMemoriesRequest(
        scope=ANA, texts=[EMAIL], custom_instructions=EMAIL, excludes=[EMAIL], metadata=struct(METADATA)
    )
    request = pb.EnqueueMemoriesRequest(add=wanted)
    return await world.servicer.EnqueueMemories(request, world.call("EnqueueMemories"))


async def update(world: MemoryWorld, memory_id: str, *mask: str, **fields: Any) -> Any:
    reason = fields.pop("reason", "")
    memory = memory_pb2.Memory(id=memory_id, **fields)
    request = pb.UpdateMemoryRequest(memory=memory, update_mask=FieldMask(paths=mask), reason=reason)
    return await world.servicer.UpdateMemory(request, world.call("UpdateMemory"))


async def delete(world: MemoryWorld, memory_id: str) -> Any:
    request = pb.DeleteMemoryRequest(id=memory_id, reason=f"asked by {EMAIL}")
    return await world.servicer.DeleteMemory(request, world.call("DeleteMemory"))


async def delete_batch(world: MemoryWorld, memory_id: str) -> Any:
    request = pb.BatchDeleteMemoriesRequest(ids=[memory_id], reason=EMAIL)
    return await world.servicer.BatchDeleteMemories(request, world.call("BatchDeleteMemories"))


async def delete_all(world: MemoryWorld, _: str) -> Any:
    request = pb.DeleteMemoriesRequest(scope=ANA, reason=EMAIL)
    return await world.servicer.DeleteMemories(request, world.call("DeleteMemories"))


async def judge(world: MemoryWorld, memory_id: str) -> Any:
    request = pb.SubmitFeedbackRequest(memory_id=memory_id, rating=pb.FEEDBACK_RATING_NEGATIVE, reason=EMAIL)
    return await world.servicer.SubmitFeedback(request, world.call("SubmitFeedback"))


WAYS: dict[str, Send] = {
    "a text": lambda world, one: add(world, one, texts=[EMAIL], infer=False),
    "metadata": lambda world, one: add(world, one, texts=["x"], infer=False, metadata=struct(METADATA)),
    "a category": lambda world, one: add(world, one, texts=["x"], infer=False, categories=[EMAIL]),
    "a speaker": lambda world, one: add(world, one, messages=[{"content": "I sing.", "name": EMAIL}]),
    "the queue": enqueue,
    "an update's text": lambda world, one: update(world, one, text=EMAIL),
    "an update's metadata": lambda world, one: update(world, one, metadata=struct(METADATA)),
    "one key of metadata": lambda world, one: update(
        world, one, "metadata.note", metadata=struct({"note": EMAIL})
    ),
    "an update's entity": lambda world, one: update(
        world, one, entities=[memory_pb2.Entity(name=EMAIL, type="PERSON")]
    ),
    "an update's speaker": lambda world, one: update(world, one, attributed_to=EMAIL),
    "an update's reason": lambda world, one: update(world, one, text="y", reason=EMAIL),
    "a deletion's reason": delete,
    "the reason of several": delete_batch,
    "the reason of all": delete_all,
    "feedback": judge,
}


def database(tmp_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)
async def test_what_is_redacted_reaches_no_table(world: MemoryWorld, tmp_path: Path, send: Send) -> None:
    (stored,) = await world.store("The gate is closed")
    world.set(content_policy=ContentPolicy.REDACT)
    await send(world, stored)
    held = database(tmp_path)
    assert b"The gate is closed" in held
    assert EMAIL.encode() not in held
    assert REDACTED.encode() in held


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)
async def test_what_is_refused_changes_nothing(world: MemoryWorld, send: Send) -> None:
    (stored,) = await world.store("The gate is closed")
    world.set(content_policy=ContentPolicy.REFUSE)
    end = await world.end()
    with pytest.raises(FailedPrecondition) as refused:
        await send(world, stored)
    assert refused.value.reason is Reason.CONTENT_REFUSED
    assert EMAIL not in refused.value.message
    assert await world.end() == end


async def test_without_a_policy_everything_is_stored_as_it_is(world: MemoryWorld) -> None:
    (stored,) = await world.store("x", metadata=struct(METADATA))
    (memory,) = await world.known()
    assert (memory.id, memory.metadata) == (stored, METADATA)


async def test_a_field_that_the_mask_leaves_out_is_not_looked_at(world: MemoryWorld) -> None:
    (stored,) = await world.store("The gate is closed")
    world.set(content_policy=ContentPolicy.REFUSE)
    await update(world, stored, "categories", text=EMAIL, categories=["home"])


def test_rows_of_an_import_are_looked_at_whole() -> None:
    row = pb.ImportRow(
        text="a",
        categories=["b"],
        metadata=struct({"c": ["d", {"e": "f"}]}),
        attributed_to="g",
        entities=[memory_pb2.Entity(name="h")],
        scope=ANA,
    )
    assert sorted(found.text for found in stored_texts(row)) == list("abcdefgh")
