"""Carrying out a plan inside one write: every decision becomes rows of the log, all or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from mnemon_service.memory.planned import AddPlan, AddRequest, Change, ChangeEvent, PlannedFact
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Memory, MemoryState, Source
from mnemon_service.model.message import Message
from mnemon_service.record.writing import Write

T = TypeVar("T")

MAXIMUM_SOURCES: Final = 32
"""Sources that one memory keeps; what is said for the 33rd time adds no evidence."""


async def carry_out(
    write: Write, plan: AddPlan, request: AddRequest, messages: Mapping[str, Message], session: str
) -> list[Change]:
    """The plan's changes, in its order, as the write now holds them.

    What the plan assumed may have changed since it was made: a target that is gone or was changed by
    somebody else is left alone, and the new fact is added. A fact that the scope holds word for word is
    NONE, whatever the plan says.
    """
    targets = [fact.target.id for fact in plan.facts if fact.target is not None]
    present = await write.current(targets, missing_ok=True)
    texts = [fact.text for fact in plan.facts if fact.event is not ChangeEvent.DELETE]
    known = dict(await write.duplicates(request.scope, texts))
    step = _Step(write, plan, request, messages, session, known)
    changes = []
    for fact in plan.facts:
        change = step.take(_still_valid(fact, present))
        for memory in (change.memory, change.superseded):
            if memory is not None and memory.id in present:
                present[memory.id] = memory
        changes.append(change)
    return changes


def _still_valid(fact: PlannedFact, present: Mapping[str, Memory]) -> PlannedFact:
    """The fact with its target as it is now; without it if it no longer says what the plan was made for."""
    if fact.target is None:
        return fact
    now = present.get(fact.target.id)
    if now is not None and now.text == fact.target.text and now.state is MemoryState.ACTIVE:
        return replace(fact, target=now)
    if fact.event is ChangeEvent.DELETE:
        return replace(fact, event=ChangeEvent.NONE, target=None, reason="was gone already")
    return replace(fact, event=ChangeEvent.ADD, target=None)


class _Step:
    """One decision of a plan."""

    def __init__(
        self,
        write: Write,
        plan: AddPlan,
        request: AddRequest,
        messages: Mapping[str, Message],
        session: str,
        known: dict[str, Memory],
    ) -> None:
        self._write = write
        self._plan = plan
        self._request = request
        self._messages = messages
        self._session = session
        self._known = known
        """Memories of the scope by text, those of this plan included."""

    def take(self, fact: PlannedFact) -> Change:
        """Does it, and says what was done."""
        same = self._known.get(fact.text)
        if same is not None and fact.event in (ChangeEvent.ADD, ChangeEvent.UPDATE, ChangeEvent.SUPERSEDE):
            return self._none(replace(fact, target=same, reason="known already"))
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

    def _add(self, fact: PlannedFact) -> Memory:
        said = self._said(fact)
        memory = Memory(
            id=new_id(),
            project_id=self._write.access.project_id,
            scope=self._request.scope,
            text=fact.text,
            type=fact.type,
            categories=_joined(self._request.categories, fact.categories),
            metadata=self._request.metadata,
            attributed_to=fact.attributed_to,
            event_time=fact.event_time,
            expire_time=self._request.expire_time,
            sources=fact.sources[:MAXIMUM_SOURCES],
            entities=fact.entities,
            run_position=said.position if said else 0,
            session=self._session if said else "",
            confidence=fact.confidence,
            extractor=self._plan.extractor,
        )
        added = self._write.add(memory, reason=fact.reason).memory
        self._known[fact.text] = added
        return added

    def _update(self, fact: PlannedFact) -> Change:
        before = _target(fact)
        after = replace(
            before,
            text=fact.text,
            attributed_to=fact.attributed_to or before.attributed_to,
            categories=_joined(before.categories, fact.categories),
            entities=_joined(before.entities, fact.entities),
            event_time=fact.event_time or before.event_time,
            sources=_with(before.sources, fact.sources),
            confidence=max(before.confidence, fact.confidence),
            extractor=self._plan.extractor,
        )
        memory = self._write.update(after, reason=fact.reason).memory
        self._known[fact.text] = memory
        return Change(ChangeEvent.UPDATE, memory, fact.reason, previous_text=before.text)

    def _supersede(self, fact: PlannedFact) -> Change:
        added = self._add(fact)
        said = self._said(fact)
        ended = fact.event_time.time if fact.event_time else (said.observed_time if said else None)
        old = self._write.supersede(
            _target(fact).id, added.id, ended=ended or self._write.now, reason=fact.reason
        )
        return Change(ChangeEvent.SUPERSEDE, added, fact.reason, superseded=old.memory)

    def _delete(self, fact: PlannedFact) -> Change:
        deleted = self._write.delete(_target(fact).id, reason=fact.reason).memory
        return Change(ChangeEvent.DELETE, deleted, fact.reason, previous_text=deleted.text)

    def _none(self, fact: PlannedFact) -> Change:
        """What is said again is evidence again: the known memory keeps both sources."""
        if fact.target is None:
            shown = Memory(id="", project_id="", scope=self._request.scope, text=fact.text)
            return Change(ChangeEvent.NONE, shown, fact.reason)
        memory = fact.target
        sources = _with(memory.sources, fact.sources)
        if self._request.infer and sources != memory.sources:
            memory = self._write.update(replace(memory, sources=sources), reason="said again").memory
            self._known[memory.text] = memory
        return Change(ChangeEvent.NONE, memory, fact.reason)

    def _said(self, fact: PlannedFact) -> Message | None:
        """The stored message that the fact rests on."""
        return self._messages.get(fact.sources[0].message_id) if fact.sources else None


def _target(fact: PlannedFact) -> Memory:
    if fact.target is None:
        raise AssertionError("a change of a known memory names it")
    return fact.target


def _joined(first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _with(sources: tuple[Source, ...], more: tuple[Source, ...]) -> tuple[Source, ...]:
    return _joined(sources, more)[:MAXIMUM_SOURCES]
