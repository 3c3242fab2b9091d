"""Facts that are known already, found without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mnemon_service.memory.extraction.duplicates import is_near_duplicate
from mnemon_service.memory.planned import AddPlan, AddRequest, ChangeEvent, PlannedFact
from mnemon_service.memory.ports import Recall
from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.memory import Memory
from mnemon_service.record.selection import Access, Vector

NEAREST = 5
"""Known memories that each new fact is compared with."""


async def without_known(
    plan: AddPlan, request: AddRequest, recall: Recall, access: Access, vectors: Mapping[str, Vector]
) -> AddPlan:
    """The plan with every new fact that a known memory says almost word for word turned into NONE.

    What is stored verbatim is compared by the exact text only (in the write itself).
    """
    new = [
        (fact, vector)
        for fact in plan.facts
        if fact.event is ChangeEvent.ADD
        and (vector := vectors.get(indexed_text(fact.text, fact.attributed_to))) is not None
    ]
    if not request.infer or not new:
        return plan
    found = await recall.nearest(access, request.scope, [vector for _, vector in new], NEAREST)
    known = {
        fact.text: memory
        for (fact, _), nears in zip(new, found, strict=True)
        if (memory := _same([(near.memory, near.cosine) for near in nears], fact)) is not None
    }
    return replace(plan, facts=tuple(_known(fact, known) for fact in plan.facts))


def _same(nears: Sequence[tuple[Memory, float]], fact: PlannedFact) -> Memory | None:
    for memory, cosine in nears:
        if is_near_duplicate(memory.text, fact.text, cosine) and _same_moment(memory, fact):
            return memory
    return None


def _same_moment(memory: Memory, fact: PlannedFact) -> bool:
    """What happened on another day is another event, however alike the words are."""
    if memory.event_time is None or fact.event_time is None:
        return True
    return memory.event_time.time == fact.event_time.time


def _known(fact: PlannedFact, known: Mapping[str, Memory]) -> PlannedFact:
    if fact.event is not ChangeEvent.ADD or fact.text not in known:
        return fact
    return replace(fact, event=ChangeEvent.NONE, target=known[fact.text], reason="known already")
