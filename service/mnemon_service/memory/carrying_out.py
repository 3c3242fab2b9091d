"""Carrying out a plan inside one write: every decision becomes rows of the log, all or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from mnemon_service.memory.planned import AddPlan, AddRequest, Change, ChangeEvent, PlannedFact
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Memory, MemoryState, Source
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.model.text_hash import duplicate_hash
from mnemon_service.record.writing import Write
from mnemon_service.wire.metadata import fits

T = TypeVar("T")

MAXIMUM_SOURCES: Final = 32
"""Sources that one memory keeps; what is said for the 33rd time adds no evidence."""
MAXIMUM_CATEGORIES: Final = 32
"""Categories that one memory keeps, as the contract says; the caller's come first."""
MAXIMUM_ENTITIES: Final = 64
"""Entities that one memory keeps, as the contract says."""


async def carry_out(
    write: Write, plan: AddPlan, request: AddRequest, messages: Mapping[str, Message], session: str
) -> list[Change]:
    """The plan's changes, in its order, as the write now holds them.

    What the plan assumed may have changed since it was made: a target that is gone or was changed by
    somebody else is left alone, and the new fact is added. A fact that the scope holds word for word is
    not stored again, whatever the plan says, and text recalled from the scope changes nothing.
    """
    targets = [fact.target.id for fact in plan.facts if fact.target is not None]
    stated = [fact.text for fact in plan.facts if fact.event is not ChangeEvent.DELETE]
    echoed = [text for fact in plan.facts for text in fact.echoed]
    known = _Known(request.scope)
    for memory in (await write.duplicates(request.scope, [*stated, *echoed])).values():
        known.learn(memory)
    for memory in (await write.current(targets, missing_ok=True)).values():
        known.learn(memory)
    step = _Step(write, plan, request, messages, session, known)
    return [step.take(fact) for fact in plan.facts]


class _Known:
    """Memories as the write now holds them, by id and by what they say."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._by_id: dict[str, Memory] = {}
        self._ids: dict[str, str] = {}
        """Of those that say something, by `duplicate_hash`."""

    def learn(self, memory: Memory) -> None:
        """This is how the memory is now."""
        self._by_id[memory.id] = memory
        if memory.scope == self._scope and self.saying(memory.text) is None:
            self._ids[duplicate_hash(memory.text)] = memory.id

    def now(self, memory_id: str) -> Memory | None:
        """The memory; None if it is gone."""
        return self._by_id.get(memory_id)

    def saying(self, text: str) -> Memory | None:
        """The active memory of the scope that says this word for word."""
        digest = duplicate_hash(text)
        memory = self._by_id.get(self._ids.get(digest, ""))
        if memory is None or memory.state is not MemoryState.ACTIVE or duplicate_hash(memory.text) != digest:
            return None
        return memory


class _Step:
    """One decision of a plan after the other."""

    def __init__(
        self,
        write: Write,
        plan: AddPlan,
        request: AddRequest,
        messages: Mapping[str, Message],
        session: str,
        known: _Known,
    ) -> None:
        self._write = write
        self._plan = plan
        self._request = request
        self._messages = messages
        self._session = session
        self._known = known

    def take(self, planned: PlannedFact) -> Change:
        """Does it, and says what was done."""
        fact = self._not_known(self._still_valid(planned))
        match fact.event:
            case ChangeEvent.ADD:
                return Change(ChangeEvent.ADD, self._add(fact), fact.reason)
            case ChangeEvent.UPDATE:
                return self._update(fact)
            case ChangeEvent.SUPERSEDE:
                return self._supersede(fact)
            case ChangeEvent.DELETE:
                return self._delete(fact)
            case ChangeEvent.NONE:
                return self._none(fact)

    def _still_valid(self, fact: PlannedFact) -> PlannedFact:
        """The fact with its target as it is now; without it if that no longer says what the plan was made
        for."""
        if fact.target is None:
            return fact
        now = self._known.now(fact.target.id)
        if now is not None and now.text == fact.target.text and now.state is MemoryState.ACTIVE:
            return replace(fact, target=now)
        if fact.event is ChangeEvent.DELETE:
            return replace(fact, event=ChangeEvent.NONE, target=None, reason="was gone already")
        return replace(fact, event=ChangeEvent.ADD, target=None)

    def _not_known(self, fact: PlannedFact) -> PlannedFact:
        """The fact, as NONE if the scope holds it already."""
        if fact.event is ChangeEvent.ADD and (recalled := self._recalled(fact)) is not None:
            return _known_as(replace(fact, sources=()), recalled, "recalled from memory")
        if fact.event in (ChangeEvent.ADD, ChangeEvent.UPDATE):
            same = self._known.saying(fact.text)
            return fact if same is None else _known_as(fact, same, "known already")
        if fact.event is ChangeEvent.SUPERSEDE and duplicate_hash(fact.text) == duplicate_hash(
            _target(fact).text
        ):
            return replace(fact, event=ChangeEvent.NONE, reason="known already")
        return fact

    def _recalled(self, fact: PlannedFact) -> Memory | None:
        """The first of the memories that the fact only repeats; None if any of its words are new."""
        echoed = [self._known.saying(text) for text in fact.echoed]
        return echoed[0] if echoed and all(echoed) else None

    def _add(self, fact: PlannedFact) -> Memory:
        said = self._said(fact)
        memory = Memory(
            id=new_id(),
            project_id=self._write.access.project_id,
            scope=self._request.scope,
            text=fact.text,
            type=fact.type,
            categories=self._categories(fact),
            metadata=self._request.metadata,
            attributed_to=fact.attributed_to,
            event_time=fact.event_time,
            expire_time=self._request.expire_time,
            sources=fact.sources[:MAXIMUM_SOURCES],
            entities=fact.entities[:MAXIMUM_ENTITIES],
            run_position=said.position if said else 0,
            session=self._session if said else "",
            confidence=fact.confidence,
            extractor=self._plan.extractor,
        )
        return self._learned(self._write.add(memory, reason=fact.reason).memory)

    def _update(self, fact: PlannedFact) -> Change:
        before = _target(fact)
        after = replace(
            before,
            text=fact.text,
            attributed_to=fact.attributed_to or before.attributed_to,
            categories=self._categories(fact, before.categories),
            metadata=_merged(before.metadata, self._request.metadata),
            entities=_joined(before.entities, fact.entities)[:MAXIMUM_ENTITIES],
            event_time=fact.event_time or before.event_time,
            sources=_with(before.sources, fact.sources),
            confidence=max(before.confidence, fact.confidence),
            extractor=self._plan.extractor,
        )
        memory = self._learned(self._write.update(after, reason=fact.reason).memory)
        return Change(ChangeEvent.UPDATE, memory, fact.reason, previous_text=before.text)

    def _supersede(self, fact: PlannedFact) -> Change:
        same = self._known.saying(fact.text)
        successor = self._add(fact) if same is None else self._said_again(same, fact)
        said = self._said(fact)
        ended = fact.event_time.time if fact.event_time else (said.observed_time if said else None)
        old = self._write.supersede(
            _target(fact).id, successor.id, ended=ended or self._write.now, reason=fact.reason
        )
        return Change(ChangeEvent.SUPERSEDE, successor, fact.reason, superseded=self._learned(old.memory))

    def _delete(self, fact: PlannedFact) -> Change:
        deleted = self._learned(self._write.delete(_target(fact).id, reason=fact.reason).memory)
        return Change(ChangeEvent.DELETE, deleted, fact.reason, previous_text=deleted.text)

    def _none(self, fact: PlannedFact) -> Change:
        if fact.target is None:
            shown = Memory(id="", project_id="", scope=self._request.scope, text=fact.text)
            return Change(ChangeEvent.NONE, shown, fact.reason)
        return Change(ChangeEvent.NONE, self._said_again(fact.target, fact), fact.reason)

    def _said_again(self, memory: Memory, fact: PlannedFact) -> Memory:
        """What is said again is evidence again: the known memory keeps both sources."""
        sources = _with(memory.sources, fact.sources)
        if not self._request.infer or sources == memory.sources:
            return memory
        return self._learned(self._write.update(replace(memory, sources=sources), reason="said again").memory)

    def _learned(self, memory: Memory) -> Memory:
        self._known.learn(memory)
        return memory

    def _categories(self, fact: PlannedFact, known: tuple[str, ...] = ()) -> tuple[str, ...]:
        return _joined((*known, *self._request.categories), fact.categories)[:MAXIMUM_CATEGORIES]

    def _said(self, fact: PlannedFact) -> Message | None:
        """The stored message that the fact rests on."""
        return self._messages.get(fact.sources[0].message_id) if fact.sources else None


def _known_as(fact: PlannedFact, memory: Memory, reason: str) -> PlannedFact:
    return replace(fact, event=ChangeEvent.NONE, target=memory, reason=reason)


def _target(fact: PlannedFact) -> Memory:
    if fact.target is None:
        raise AssertionError("a change of a known memory names it")
    return fact.target


def _merged(known: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The caller's values over those that are there; the latter alone if both together are too many."""
    merged = {**known, **given}
    return merged if fits(merged) else known


def _joined(first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _with(sources: tuple[Source, ...], more: tuple[Source, ...]) -> tuple[Source, ...]:
    return _joined(sources, more)[:MAXIMUM_SOURCES]
