"""AddMemories on a real record: what is said becomes memories once, whole, and with its evidence."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mnemon.v1 import memory_pb2, message_pb2, scope_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.carrying_out import MAXIMUM_SOURCES
from mnemon_service.memory.planned import AddPlan, AddRequest, ChangeEvent, PlannedFact
from mnemon_service.model.errors import AlreadyExists, InvalidArgument, Reason, Unavailable
from mnemon_service.model.memory import (
    Actor,
    Entity,
    Memory,
    MemoryState,
    MemoryType,
    Role,
    Source,
    VersionEvent,
)
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import ContentPolicy
from mnemon_service.model.stages import Stages
from mnemon_service.providers.llm import StructuredRequest
from mnemon_service.record.selection import Access
from support.memory_world import MemoryWorld, events, memory_world
from support.records import ALL, PROJECT
from support.scripted_model import Said, ScriptedModel


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryWorld]:
    async with memory_world(tmp_path) as made:
        yield made


def fact(quote: str, text: str, action: str = "ADD", message: int = 1, **changes: Any) -> dict[str, Any]:
    """A fact as a model says it."""
    return {
        "message": message,
        "quote": quote,
        "text": text,
        "type": "SEMANTIC",
        "categories": [],
        "entities": [],
        "attributed_to": "Ana",
        "event_time": None,
        "event_end": None,
        "confidence": 0.9,
        "action": action,
        "target": None,
        "reason": "because",
        **changes,
    }


def answer(*facts: dict[str, Any], images: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"images": list(images), "facts": list(facts)}


def about(text: str, *facts: dict[str, Any]) -> Callable[[StructuredRequest], Said]:
    """The facts, aimed at the memory of this text by the number that the model was shown."""

    def said(request: StructuredRequest) -> Said:
        shown = re.search(rf"\((\d+)\) {re.escape(text)} \[", request.turns[0].text)
        assert shown is not None, "the memory was not offered"
        return answer(*(one | {"target": int(shown[1])} for one in facts))

    return said


def done(added: pb.AddMemoriesResponse) -> pb.AddMemoriesResponse:
    """An answer without its times: the answer is kept with its effect, before the last of them are known."""
    told = pb.AddMemoriesResponse()
    told.CopyFrom(added)
    told.ClearField("usage")
    return told


def recall_counts(world: MemoryWorld) -> tuple[int, int]:
    return len(world.index.told), world.space.calls


async def test_what_is_said_without_a_model_becomes_memories_with_quotes(world: MemoryWorld) -> None:
    added = await world.add("I live in Berlin. How are you?", "My dog is called Rex.")
    assert [event for event, _ in events(added)] == ["ADD", "ADD"]
    assert await world.texts() == ["Ana lives in Berlin.", "Ana's dog is called Rex."]
    assert len(added.message_ids) == 2
    first = added.changes[0].memory
    assert (first.sources[0].quote, first.sources[0].message_id) == (
        "I live in Berlin.",
        added.message_ids[0],
    )
    assert (first.attributed_to, first.extractor[:13], first.run_position) == ("Ana", "deterministic", 1)
    assert added.sequence == await world.end() == 2
    assert [version.memory.text for version in world.index.told] == await world.texts()
    logged = await world.record.messages.last(ALL, Scope(user_id="ana"), 10)
    assert [message.id for message in logged] == list(added.message_ids)


async def test_a_repeated_request_gets_the_same_answer_and_has_no_second_effect(world: MemoryWorld) -> None:
    first = await world.add("I live in Berlin.", request_id="r1")
    counts = recall_counts(world)
    second = await world.add("I live in Berlin.", request_id="r1")
    assert done(second) == done(first)
    assert (await world.end(), recall_counts(world)) == (1, counts)
    assert len(await world.record.messages.last(ALL, Scope(user_id="ana"), 10)) == 1


async def test_the_same_request_id_with_another_body_is_refused(world: MemoryWorld) -> None:
    await world.add("I live in Berlin.", request_id="r1")
    with pytest.raises(AlreadyExists) as refused:
        await world.add("I live in Lisbon.", request_id="r1")
    assert refused.value.reason is Reason.REQUEST_ID_REUSED
    assert await world.texts() == ["Ana lives in Berlin."]


async def test_a_request_whose_first_try_died_between_commit_and_answer_is_answered_from_the_record(
    world: MemoryWorld,
) -> None:
    reached, forever = asyncio.Event(), asyncio.Event()

    class Dying:
        async def apply(self, *_: Any) -> None:
            reached.set()
            await forever.wait()

    alive = world.adder._applier
    world.adder._applier = Dying()
    first = asyncio.create_task(world.add("I live in Berlin.", request_id="r1"))
    await reached.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    world.adder._applier = alive
    again = await world.add("I live in Berlin.", request_id="r1")
    assert events(again) == [("ADD", "Ana lives in Berlin.")]
    assert [memory.id for memory in await world.known()] == [again.changes[0].memory.id]


async def test_the_same_request_sent_twice_at_once_takes_effect_once(world: MemoryWorld) -> None:
    answers = await asyncio.gather(*(world.add("I live in Berlin.", request_id="r1") for _ in range(8)))
    assert all(done(one) == done(answers[0]) for one in answers)
    assert await world.end() == 1


async def test_concurrent_adds_of_one_fact_store_it_once_and_keep_every_source(world: MemoryWorld) -> None:
    answers = await asyncio.gather(*(world.add("I live in Berlin.") for _ in range(8)))
    assert sorted(event for one in answers for event, _ in events(one)) == ["ADD", *["NONE"] * 7]
    (memory,) = await world.known()
    assert len({source.message_id for source in memory.sources}) == 8


async def test_concurrent_adds_in_other_words_store_the_fact_once(world: MemoryWorld) -> None:
    car = "a small red electric car from Peter in Lisbon."
    await asyncio.gather(*(world.add(said + car) for said in ("I bought ", "I purchased ") * 4))
    assert len(await world.known()) == 1


async def test_two_owners_do_not_share_facts(world: MemoryWorld) -> None:
    bo = scope_pb2.Scope(user_id="bo")
    await world.store("The office is in Porto.")
    assert events(await world.add(texts=["The office is in Porto."], infer=False, scope=bo)) == [
        ("ADD", "The office is in Porto.")
    ]


async def test_what_is_stored_as_it_is_is_stored_once_whatever_case_and_stop(world: MemoryWorld) -> None:
    first = await world.add(texts=["Ana likes tea", "ANA LIKES TEA.", "Ana likes coffee"], infer=False)
    assert [event for event, _ in events(first)] == ["ADD", "NONE", "ADD"]
    assert first.changes[1].memory.id == first.changes[0].memory.id
    again = await world.add(texts=["ana likes  tea"], infer=False)
    assert events(again) == [("NONE", "Ana likes tea")]
    assert await world.end() == 2, "nothing is written for what is known"
    assert [memory.extractor for memory in await world.known()] == ["verbatim", "verbatim"]


async def test_each_message_is_stored_as_it_is_with_its_speaker(world: MemoryWorld) -> None:
    event = {"time": {"seconds": 0}, "precision": memory_pb2.EVENT_TIME_PRECISION_DAY}
    messages = [
        {"content": "I like tea, why?", "name": "Ana"},
        {"images": [{"uri": "https://example.com/a.png"}]},
    ]
    added = await world.add(messages=messages, texts=["A plain text"], infer=False, event_time=event)
    assert events(added) == [("ADD", "I like tea, why?"), ("ADD", "A plain text")]
    said, plain = await world.known()
    assert (said.attributed_to, len(said.sources), plain.sources) == ("Ana", 1, ())
    assert said.event_time == plain.event_time
    assert len(added.message_ids) == 2


async def test_what_is_said_forty_times_keeps_32_sources(world: MemoryWorld) -> None:
    for _ in range(MAXIMUM_SOURCES // 2 + 4):
        await world.add("I live in Berlin.", "I live in Berlin.")
    (memory,) = await world.known()
    assert len(memory.sources) == MAXIMUM_SOURCES
    end = await world.end()
    assert events(await world.add("I live in Berlin.")) == [("NONE", "Ana lives in Berlin.")]
    assert await world.end() == end, "no version is written when nothing changes"


async def everything(world: MemoryWorld) -> list[int]:
    """How many rows each table has."""
    import sqlalchemy as sa

    from mnemon_service.record import schema

    def count(connection: sa.Connection) -> list[int]:
        tables = schema.memories.metadata.sorted_tables
        return [connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]

    return await world.record.database.read(count)


async def test_a_dry_run_says_what_would_be_done_and_stores_nothing_anywhere(world: MemoryWorld) -> None:
    await world.store("Ana lives in Berlin.", "Ana likes tea.")
    before = await everything(world), await world.end(), len(world.index.told)
    tried = await world.add("I live in Berlin.", "My dog is called Rex.", dry_run=True, request_id="r1")
    assert events(tried) == [("NONE", "Ana lives in Berlin."), ("ADD", "Ana's dog is called Rex.")]
    known, new = tried.changes
    assert known.memory.id
    assert (new.memory.id, new.memory.etag, new.memory.sequence, list(tried.message_ids)) == ("", "", 0, [])
    assert tried.sequence == 2
    assert (await everything(world), await world.end(), len(world.index.told)) == before
    done = await world.add("I live in Berlin.", "My dog is called Rex.", request_id="r1")
    assert events(done) == events(tried), "the request id of a dry run names nothing"


async def test_a_dry_run_of_texts_as_they_are_finds_the_duplicates_too(world: MemoryWorld) -> None:
    await world.store("Ana likes tea")
    tried = await world.add(texts=["ana likes tea", "New", "new"], infer=False, dry_run=True)
    assert events(tried) == [("NONE", "Ana likes tea"), ("ADD", "New"), ("NONE", "New")]
    assert [bool(change.memory.id) for change in tried.changes] == [True, False, False]


async def test_a_dry_run_shows_a_supersession_without_ids_that_will_never_be(world: MemoryWorld) -> None:
    await world.store("Ana lives in Berlin")
    moved = fact("I moved to Lisbon", "Ana lives in Lisbon", "SUPERSEDE")
    world.models.model = ScriptedModel(about("Ana lives in Berlin", moved))
    (change,) = (await world.add("I moved to Lisbon.", dry_run=True)).changes
    assert (change.memory.id, change.superseded.superseded_by) == ("", "")
    assert change.superseded.id
    assert change.superseded.state == memory_pb2.MEMORY_STATE_SUPERSEDED
    assert await world.texts() == ["Ana lives in Berlin"]


async def test_a_new_fact_supersedes_and_the_old_one_keeps_its_interval(world: MemoryWorld) -> None:
    (berlin,) = await world.store("Ana lives in Berlin")
    moved = fact("I moved to Lisbon", "Ana lives in Lisbon", "SUPERSEDE", event_time="2026-01")
    world.models.model = ScriptedModel(about("Ana lives in Berlin", moved))
    (change,) = (await world.add("I moved to Lisbon.")).changes
    assert (change.superseded.id, change.superseded.superseded_by) == (berlin, change.memory.id)
    assert change.memory.extractor == "extract/1"
    assert await world.texts() == ["Ana lives in Lisbon"]
    old = await world.record.memories.get(ALL, berlin)
    assert (old.state, old.event_time is not None) == (MemoryState.SUPERSEDED, True)


async def test_a_supersession_by_what_is_known_ends_the_old_fact_all_the_same(world: MemoryWorld) -> None:
    berlin, lisbon = await world.store("Ana lives in Berlin", "Ana lives in Lisbon")
    moved = fact("I moved to Lisbon", "Ana lives in Lisbon", "SUPERSEDE")
    outcome = await carried_out(world, planned(moved["text"], ChangeEvent.SUPERSEDE, target=berlin))
    ((event, memory),) = outcome
    assert (event, memory.id) == (ChangeEvent.SUPERSEDE, lisbon)
    assert await world.texts() == ["Ana lives in Lisbon"]
    assert (await world.record.memories.get(ALL, berlin)).superseded_by == lisbon


async def test_an_update_keeps_history_and_takes_what_the_caller_gives(world: MemoryWorld) -> None:
    (old,) = await world.store("Ana has a dog", categories=["pets"], metadata={"a": 1, "b": 1})
    better = fact("My dog is called Rex", "Ana has a dog called Rex", "UPDATE")
    world.models.model = ScriptedModel(about("Ana has a dog", better))
    added = await world.add("My dog is called Rex.", categories=["animals"], metadata={"b": 2})
    (change,) = added.changes
    assert (change.memory.id, change.memory.version, change.previous_text) == (old, 2, "Ana has a dog")
    assert list(change.memory.categories) == ["pets", "animals"]
    assert dict(change.memory.metadata.items()) == {"a": 1, "b": 2}
    versions, _ = await world.record.log.versions_of(ALL, old, newest_first=False)
    assert [(version.event, version.memory.text) for version in versions] == [
        (VersionEvent.ADDED, "Ana has a dog"),
        (VersionEvent.UPDATED, "Ana has a dog called Rex"),
    ]
    assert versions[1].reason == "because"
    assert versions[1].actor == Actor("key-1", "AddMemories")


async def test_what_is_taken_back_is_deleted(world: MemoryWorld) -> None:
    (old,) = await world.store("Ana likes tea")
    back = fact("I never liked tea", "Ana likes tea", "DELETE")
    world.models.model = ScriptedModel(about("Ana likes tea", back))
    (change,) = (await world.add("I never liked tea.")).changes
    assert (change.memory.id, change.memory.state) == (old, memory_pb2.MEMORY_STATE_DELETED)
    assert change.previous_text == "Ana likes tea"
    assert await world.texts() == []


def planned(text: str, event: ChangeEvent = ChangeEvent.ADD, **fields: Any) -> PlannedFact:
    """A fact of a plan; a target by its id."""
    target = fields.pop("target", None)
    if isinstance(target, str):
        target = Memory(id=target, project_id=PROJECT, scope=Scope("ana"), text=fields.pop("was", ""))
    return PlannedFact(text, event, target, **fields)


async def carried_out(world: MemoryWorld, *facts: PlannedFact) -> list[tuple[ChangeEvent, Memory]]:
    """What becomes of a plan whose targets say what they say now, unless they say otherwise."""

    class Fixed:
        async def plan(self, *_: Any) -> AddPlan:
            present = {memory.id: memory for memory in await world.known(show_deleted=True)}
            aimed = [
                one
                if one.target is None or one.target.text
                else replace(one, target=present.get(one.target.id))
                for one in facts
            ]
            return AddPlan(tuple(aimed), "test/1")

    world.adder._planner = Fixed()  # type: ignore[assignment]
    request = AddRequest(Scope("ana"), ())
    outcome = await world.adder.add(Access(PROJECT), Actor("k"), request, Stages())
    assert not isinstance(outcome, bytes)
    return [(change.event, change.memory) for change in outcome.changes]


@pytest.mark.parametrize("event", [ChangeEvent.UPDATE, ChangeEvent.SUPERSEDE, ChangeEvent.NONE])
@pytest.mark.parametrize("fate", ["changed", "deleted"])
async def test_a_target_that_changed_since_the_plan_is_left_alone_and_the_fact_added(
    world: MemoryWorld, event: ChangeEvent, fate: str
) -> None:
    (old,) = await world.store("Ana lives in Berlin")
    async with world.record.write(ALL, Actor("else")) as write:
        now = (await write.current([old]))[old]
        if fate == "deleted":
            write.delete(old)
        else:
            write.update(replace(now, text="Ana lives in Bonn"))
    fact_ = planned("Ana lives in Lisbon", event, target=old, was="Ana lives in Berlin")
    assert [done for done, _ in await carried_out(world, fact_)] == [ChangeEvent.ADD]
    kept = [] if fate == "deleted" else ["Ana lives in Bonn"]
    assert await world.texts() == [*kept, "Ana lives in Lisbon"]


async def test_a_deletion_of_what_changed_since_the_plan_does_nothing(world: MemoryWorld) -> None:
    (old,) = await world.store("Ana lives in Bonn")
    gone = planned("Ana lives in Berlin", ChangeEvent.DELETE, target=old, was="Ana lives in Berlin")
    ((event, _),) = await carried_out(world, gone)
    assert event is ChangeEvent.NONE
    assert await world.texts() == ["Ana lives in Bonn"]


async def test_every_step_of_a_plan_sees_the_steps_before_it(world: MemoryWorld) -> None:
    (tea,) = await world.store("Ana likes tea")
    done = await carried_out(
        world,
        planned("Ana likes tea", ChangeEvent.DELETE, target=tea),
        planned("Ana likes tea"),
        planned("ana likes tea."),
        planned("Ana likes tea", ChangeEvent.DELETE, target=tea),
    )
    assert [event for event, _ in done] == ["DELETE", "ADD", "NONE", "NONE"]
    assert done[2][1].id == done[1][1].id != tea
    assert await world.texts() == ["Ana likes tea"]


async def test_two_facts_that_repeat_one_memory_in_two_spellings_both_leave_their_source(
    world: MemoryWorld,
) -> None:
    (tea,) = await world.store("Ana likes tea")
    first, second = (Source(f"m{number}", Role.USER) for number in (1, 2))
    await carried_out(
        world,
        planned("Ana likes tea.", sources=(first,)),
        planned("ANA LIKES TEA", sources=(second,)),
    )
    assert (await world.record.memories.get(ALL, tea)).sources == (first, second)


async def test_a_fact_in_the_old_words_of_a_memory_that_was_just_updated_is_new(world: MemoryWorld) -> None:
    (dog,) = await world.store("Ana has a dog")
    done = await carried_out(
        world,
        planned("Ana has a dog called Rex", ChangeEvent.UPDATE, target=dog),
        planned("Ana has a dog"),
    )
    assert [event for event, _ in done] == ["UPDATE", "ADD"]
    assert await world.texts() == ["Ana has a dog called Rex", "Ana has a dog"]


async def test_categories_and_entities_stay_within_the_contracts_bounds(world: MemoryWorld) -> None:

    tags = tuple(f"tag-{number}" for number in range(40))
    things = tuple(Entity(f"thing {number}") for number in range(80))
    await carried_out(world, planned("Ana owns a lot", categories=tags, entities=things))
    (memory,) = await world.known()
    assert (memory.categories, len(memory.entities)) == (tags[:32], 64)


async def test_metadata_that_would_grow_past_its_bound_stays_as_it_was(world: MemoryWorld) -> None:
    (dog,) = await world.store("Ana has a dog", metadata={"a": "x" * 40_000})
    better = fact("My dog is called Rex", "Ana has a dog called Rex", "UPDATE")
    world.models.model = ScriptedModel(about("Ana has a dog", better))
    await world.add("My dog is called Rex.", metadata={"b": "y" * 40_000})
    assert list((await world.record.memories.get(ALL, dog)).metadata) == ["a"]


ASSISTANT, TOOL, USER = memory_pb2.ROLE_ASSISTANT, memory_pb2.ROLE_TOOL, memory_pb2.ROLE_USER


async def test_text_marked_as_recalled_is_logged_and_not_extracted(world: MemoryWorld) -> None:
    recalled = message_pb2.Message(content="Ana lives in Berlin.", recalled=True)
    system = message_pb2.Message(content="Ana likes tea.", role=memory_pb2.ROLE_SYSTEM)
    added = await world.add(messages=[recalled, system])
    assert (len(added.message_ids), list(added.changes)) == (2, [])


@pytest.mark.parametrize(
    ("role", "content"),
    [
        (ASSISTANT, "Ana lives in Berlin. Ana's dog is called Rex."),
        (ASSISTANT, "- Ana lives in Berlin. [m1]\n- Ana's dog is called Rex. [m2]"),
        (USER, "Bo: Great weather in Porto."),
        (USER, "What I know of you:\n- Ana lives in Berlin.\n- Bo: Great weather in Porto."),
    ],
)
async def test_text_that_the_agent_recalled_is_recognised_by_its_words(
    world: MemoryWorld, role: int, content: str
) -> None:
    await world.store("Ana lives in Berlin.", "Ana's dog is called Rex.", "Bo: Great weather in Porto.")
    end = await world.end()
    added = await world.add(messages=[{"content": content, "role": role}])
    assert {
        (event, change.reason) for (event, _), change in zip(events(added), added.changes, strict=True)
    } == {("NONE", "recalled from memory")}
    assert await world.end() == end, "no memory, no source"


async def test_what_a_person_says_again_is_evidence_again(world: MemoryWorld) -> None:
    await world.add("I live in Berlin.")
    await world.add("I live in Berlin.")
    (memory,) = await world.known()
    assert [source.quote for source in memory.sources] == ["I live in Berlin."] * 2


async def test_what_an_assistant_adds_to_what_it_recalls_is_kept(world: MemoryWorld) -> None:
    await world.store("Ana lives in Berlin.")
    said = "What I know:\n- Ana lives in Berlin. [m1]\n- The zoo opens at nine.\n- It closes at six."
    added = await world.add(messages=[{"content": said, "role": ASSISTANT}])
    (new,) = [memory for memory in await world.known() if memory.id in {m.memory.id for m in added.changes}]
    assert "zoo" in new.text and "closes" in new.text
    assert "Berlin" not in new.text, "what it repeats is left out of what it adds"
    assert "Berlin" not in new.sources[0].quote


async def test_names_known_in_the_scope_are_found_also_in_german(world: MemoryWorld) -> None:
    await world.add("I moved to Lisbon with Anouk last week.")
    added = await world.add("Heute war ich mit Anouk im Kino.")
    assert "Anouk" in [entity.name for entity in added.changes[0].memory.entities]
    await world.store("Ana lives in Berlin.")
    other = await world.add("Heute war ich im Kino in der Stadt.")
    assert "Kino" not in [entity.name for entity in other.changes[0].memory.entities]


async def test_with_a_model_what_an_assistant_repeats_is_refused(world: MemoryWorld) -> None:
    await world.store("Ana lives in sunny Berlin")
    said = "Ana lives in sunny Berlin"
    world.models.model = ScriptedModel(answer(fact(said, said)))
    added = await world.add(messages=[{"content": said, "role": ASSISTANT}])
    told = [(refusal.reason, refusal.message_id) for refusal in added.refusals]
    assert (told, list(added.changes)) == ([("RECALLED", added.message_ids[0])], [])


async def test_what_a_model_reads_is_the_last_messages_and_the_nearest_memories(world: MemoryWorld) -> None:
    await world.add("I live in Berlin.")
    world.models.model = model = ScriptedModel(answer())
    world.set(custom_instructions="of the project", agent_instructions={"coach": "of the agent"})
    coach = scope_pb2.Scope(user_id="ana", agent_id="coach")
    await world.add("I moved away from Berlin.", custom_instructions="of the request", scope=coach)
    asked = model.requests[0].turns[0].text
    assert "of the request" in asked
    assert "of the agent" not in asked
    model._answers = [answer()]
    await world.add("I moved away from Berlin.", scope=coach)
    assert "of the agent" in model.requests[1].turns[0].text
    model._answers = [answer()]
    await world.add("I moved away from Berlin.")
    asked = model.requests[2].turns[0].text
    assert "of the project" in asked
    assert "(1) Ana lives in Berlin. [" in asked
    assert "I live in Berlin." in asked.partition("# New messages")[0]


async def test_a_picture_is_described_and_the_description_logged(world: MemoryWorld) -> None:
    seen = {"message": 1, "description": "a dog with a red collar"}
    rex = fact("a dog with a red collar", "Ana's dog wears a red collar")
    world.models.model = ScriptedModel(answer(rex, images=(seen,)), sees_images=True)
    picture = {"media_type": "image/png", "data": b"\x89PNG"}
    added = await world.add(messages=[{"content": "This is Rex!", "name": "Ana", "images": [picture]}])
    (logged,) = await world.record.messages.last(ALL, Scope(user_id="ana"), 10)
    assert logged.content == "This is Rex!\n[picture: a dog with a red collar]"
    assert added.changes[0].memory.sources[0].quote in logged.content


async def test_a_procedure_is_one_memory_of_what_was_done(world: MemoryWorld) -> None:
    step = {"action": "Ran the tests", "result": "3 failed"}
    summary = {"goal": "Fix the build", "steps": [step], "outcome": "Green", "open": []}
    world.models.model = ScriptedModel(summary)
    added = await world.add("Run the tests.", "Done.", type=memory_pb2.MEMORY_TYPE_PROCEDURAL)
    (memory,) = await world.known()
    assert memory.type is MemoryType.PROCEDURAL
    assert memory.text == "Goal: Fix the build\n1. Ran the tests → 3 failed\nOutcome: Green"
    assert [source.message_id for source in memory.sources] == list(added.message_ids)


async def test_a_type_that_the_caller_names_is_what_becomes_of_it(world: MemoryWorld) -> None:
    await world.add("I live in Berlin.", type=memory_pb2.MEMORY_TYPE_PROCEDURAL)
    assert [memory.type for memory in await world.known()] == [MemoryType.PROCEDURAL]


async def test_a_failed_model_leaves_nothing_behind(world: MemoryWorld) -> None:
    world.models.model = ScriptedModel(Unavailable("the provider is away"))
    before = await everything(world)
    with pytest.raises(Unavailable):
        await world.add("I live in Berlin.", request_id="r1")
    assert await everything(world) == before
    world.models.model = ScriptedModel(answer(fact("I live in Berlin", "Ana lives in Berlin")))
    assert events(await world.add("I live in Berlin.", request_id="r1")) == [("ADD", "Ana lives in Berlin")]


async def test_a_time_to_live_becomes_an_instant(world: MemoryWorld) -> None:
    before = datetime.now(UTC)
    await world.add("I live in Berlin.", ttl={"seconds": 3600})
    (memory,) = await world.known()
    assert memory.expire_time is not None
    assert timedelta(hours=1) <= memory.expire_time - before < timedelta(hours=1, minutes=1)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"texts": ["a"], "expire_time": {"seconds": 1}}, "expire_time"),
        ({"texts": ["a"], "ttl": {"seconds": 315_576_000_000}}, "ttl"),
        ({"texts": ["a", " "]}, "texts[1]"),
        ({"messages": [{"content": " "}]}, "messages[0].content"),
        ({"messages": [{"content": "x" * 32_769}], "infer": False}, "messages[0].content"),
        ({}, "messages"),
    ],
)
async def test_what_cannot_be_added_is_named(world: MemoryWorld, fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await world.add(**fields)
    assert refused.value.violations[0].field == path


async def test_with_the_message_log_off_no_message_is_kept_and_positions_go_on(world: MemoryWorld) -> None:
    world.set(message_log_disabled=True)
    added = await world.add("I live in Berlin.", "My dog is called Rex.")
    assert list(added.message_ids) == []
    assert await world.record.messages.last(ALL, Scope(user_id="ana"), 10) == []
    assert [memory.run_position for memory in await world.known()] == [1, 2]
    await world.add("I have a cat.")
    assert [memory.run_position for memory in await world.known()] == [1, 2, 3]


async def test_the_screen_sees_every_text_and_what_it_replaces_is_stored(tmp_path: Path) -> None:
    class Screen:
        def screen(self, settings: Any, texts: Any) -> list[str]:
            return [text.replace("4711", "[number]") for text in texts]

    async with memory_world(tmp_path, screen=Screen()) as world:
        world.set(content_policy=ContentPolicy.REDACT)
        await world.add("My code is 4711.", texts=["The gate opens with 4711."], infer=False)
        assert await world.texts() == ["My code is [number].", "The gate opens with [number]."]
        logged = await world.record.messages.last(ALL, Scope(user_id="ana"), 10)
        assert [message.content for message in logged] == ["My code is [number]."]


async def test_a_key_bound_to_a_scope_adds_within_it(world: MemoryWorld) -> None:
    bound = world.call("AddMemories", bound=Scope(user_id="bo"))
    await world.add(texts=["Bo likes tea."], infer=False, scope=scope_pb2.Scope(), caller=bound)
    assert [memory.text for memory in await world.known(Scope(user_id="bo"))] == ["Bo likes tea."]


async def test_usage_names_the_stages_and_what_the_model_cost(world: MemoryWorld) -> None:
    world.models.model = ScriptedModel(answer(fact("I live in Berlin", "Ana lives in Berlin")))
    usage = (await world.add("I live in Berlin.")).usage
    assert {stage.stage for stage in usage.stages} >= {"recall", "extract", "embed", "reconcile", "commit"}
    assert ("scripted", 100) in {(one.provider, one.input_tokens) for one in usage.providers}
