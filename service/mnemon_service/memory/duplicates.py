"""Facts that are known already, found without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mnemon_service.memory.embedding import EmbeddedTexts
from mnemon_service.memory.extraction.duplicates import is_near_duplicate
from mnemon_service.memory.planned import AddPlan, AddRequest, ChangeEvent, PlannedFact
from mnemon_service.memory.ports import Recall
from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.memory import Memory
from mnemon_service.record.embeddings import Embeddings
from mnemon_service.record.selection import Access, Selection, Vector, holds
from mnemon_service.record.writing import Write

NEAREST = 5
"""Known memories that each new fact is compared with."""


async def without_known(
    plan: AddPlan, request: AddRequest, recall: Recall, access: Access, vectors: Mapping[str, Vector]
) -> AddPlan:
    """The plan with every new fact that a known memory says almost word for word turned into NONE.

    What is stored verbatim is compared by the exact text only (in the write itself).
    """
    new = _new(plan, request, vectors)
    if not new:
        return plan
    found = await recall.nearest(access, request.scope, [vector for _, vector in new], NEAREST)
    return _without(
        plan,
        {
            fact.text: memory
            for (fact, _), nears in zip(new, found, strict=True)
            if (memory := _same([(near.memory, near.cosine) for near in nears], fact)) is not None
        },
    )


async def without_just_said(
    plan: AddPlan,
    request: AddRequest,
    write: Write,
    embeddings: Embeddings,
    embedded: EmbeddedTexts,
    since: int,
) -> AddPlan:
    """As `without_known`, for what others stored after the position `since` of the log, up to this write.

    `without_known` saw everything up to `since`. Writers of one project take turns, on all replicas, so
    after this look nobody stores anything before this write does.
    """
    new = _new(plan, request, embedded.vectors) if write.sequence_before > since else []
    if not new:
        return plan
    selection = Selection(request.scope)
    said = [
        memory
        for memory in await write.changes_since(request.scope.owner, since)
        if holds(write.access, selection, memory, write.now)
    ]
    if not said:
        return plan
    vectors = await write.run(embeddings.of(write.access.project_id, embedded.space, said))
    known: dict[str, Memory] = {}
    for fact, vector in new:
        nears = [(one, _cosine(vector, own)) for one, own in zip(said, vectors, strict=True)]
        if (memory := _same(sorted(nears, key=lambda near: -near[1]), fact)) is not None:
            known[fact.text] = memory
    return _without(plan, known)


def _new(
    plan: AddPlan, request: AddRequest, vectors: Mapping[str, Vector]
) -> list[tuple[PlannedFact, Vector]]:
    """The facts to be added that are compared by meaning, with their vectors."""
    if not request.infer:
        return []
    return [
        (fact, vector)
        for fact in plan.facts
        if fact.event is ChangeEvent.ADD
        and (vector := vectors.get(indexed_text(fact.text, fact.attributed_to))) is not None
    ]


def _cosine(vector: Vector, others: Sequence[Vector]) -> float:
    """The nearest of several vectors, -1 if there is none; 0 for a vector of zeros."""
    lengths = [float(np.linalg.norm(vector) * np.linalg.norm(other)) for other in others]
    products = [float(vector @ other) for other in others]
    return max(
        (product / length if length else 0.0 for product, length in zip(products, lengths, strict=True)),
        default=-1.0,
    )


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


def _without(plan: AddPlan, known: Mapping[str, Memory]) -> AddPlan:
    return replace(plan, facts=tuple(_known(fact, known) for fact in plan.facts))


def _known(fact: PlannedFact, known: Mapping[str, Memory]) -> PlannedFact:
    if fact.event is not ChangeEvent.ADD or fact.text not in known:
        return fact
    return replace(fact, event=ChangeEvent.NONE, target=known[fact.text], reason="known already")
