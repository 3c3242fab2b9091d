"""From what an extractor or a model understood to facts with their evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from mnemon_service.memory.extraction import deterministic
from mnemon_service.memory.extraction.facts import Evidence, ExtractedFact
from mnemon_service.memory.planned import AddPlan, AddRequest, ChangeEvent, PlannedFact, RefusedFact
from mnemon_service.memory.recalled import echoed_texts
from mnemon_service.memory.understanding.plan import Action, Decision, Plan, Refusal
from mnemon_service.memory.understanding.procedure import Procedure
from mnemon_service.model.memory import Entity, Memory, MemoryType, Source
from mnemon_service.model.message import Message


def plan_without_model(
    request: AddRequest,
    known: Collection[Entity],
    before: Message | None,
    now: datetime,
    recalled: Collection[str] = (),
) -> AddPlan:
    """What the deterministic extractor finds; it adds and never guesses an update or a deletion."""
    extraction = deterministic.extract(
        request.messages, known=known, before=before, now=now, recalled=recalled
    )
    messages = {message.id: message for message in request.messages}
    facts = tuple(_extracted(fact, messages, request) for fact in extraction.facts)
    return AddPlan(facts, deterministic.VERSION)


def _extracted(fact: ExtractedFact, messages: Mapping[str, Message], request: AddRequest) -> PlannedFact:
    evidence = [Evidence(fact.message_id, fact.quote), *fact.repeats]
    if fact.asked is not None and fact.asked.message_id in messages:
        evidence.append(fact.asked)
    return PlannedFact(
        text=fact.text,
        sources=tuple(quoted(messages[place.message_id], place.quote) for place in evidence),
        type=request.type or fact.type,
        categories=fact.categories,
        entities=fact.entities,
        attributed_to=fact.attributed_to,
        event_time=fact.event_time or request.event_time,
        confidence=fact.confidence,
        reason="stated",
        echoed=echoed_texts(fact),
    )


def plan_of_model(plan: Plan, request: AddRequest, neighbours: Mapping[str, Memory]) -> AddPlan:
    """What a model decided, with the memories that it spoke of."""
    messages = {message.id: message for message in request.messages}
    return AddPlan(
        facts=tuple(_decided(decision, messages, neighbours, request) for decision in plan.decisions),
        extractor=plan.extractor,
        refusals=tuple(_refused(refusal, messages) for refusal in plan.refusals),
        usage=(plan.usage,),
        image_descriptions={image.message_id: image.text for image in plan.images},
    )


def _refused(refusal: Refusal, messages: Mapping[str, Message]) -> RefusedFact:
    """A refusal, with the message it came from where its detail names one of them."""
    named = refusal.detail.removeprefix("message ")
    return RefusedFact(refusal.code.value, refusal.detail, named if named in messages else "")


_EVENTS = {
    Action.ADD: ChangeEvent.ADD,
    Action.UPDATE: ChangeEvent.UPDATE,
    Action.SUPERSEDE: ChangeEvent.SUPERSEDE,
    Action.DELETE: ChangeEvent.DELETE,
    Action.NONE: ChangeEvent.NONE,
}


def _decided(
    decision: Decision,
    messages: Mapping[str, Message],
    neighbours: Mapping[str, Memory],
    request: AddRequest,
) -> PlannedFact:
    fact = decision.fact
    return PlannedFact(
        text=fact.text,
        event=_EVENTS[decision.action],
        target=neighbours.get(decision.target_memory_id or ""),
        reason=decision.reason,
        sources=(quoted(messages[fact.message_id], fact.quote),),
        type=request.type or fact.type,
        categories=fact.categories,
        entities=fact.entities,
        attributed_to=fact.attributed_to,
        event_time=fact.event_time or request.event_time,
        confidence=fact.confidence,
    )


def plan_of_procedure(procedure: Procedure, request: AddRequest) -> AddPlan:
    """One memory that says step by step what an agent did; every message is its evidence."""
    fact = PlannedFact(
        text=procedure.text,
        sources=tuple(quoted(message, "") for message in request.messages),
        type=MemoryType.PROCEDURAL,
        event_time=request.event_time,
        reason="summary of what was done",
    )
    return AddPlan((fact,), procedure.extractor, usage=(procedure.usage,))


def quoted(message: Message, quote: str) -> Source:
    """A message and the words in it as evidence."""
    return Source(
        message_id=message.id,
        role=message.role,
        quote=quote,
        name=message.name,
        observed_time=message.observed_time,
    )
