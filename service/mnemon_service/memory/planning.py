"""What an add will do: extraction by a model or without one, given what is known nearby."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from mnemon_service.memory.embedding import TextEmbedding
from mnemon_service.memory.extraction.entities import names_that_may_be
from mnemon_service.memory.planned import AddPlan, AddRequest
from mnemon_service.memory.ports import LanguageModels, Recall
from mnemon_service.memory.refusal_count import count_refusals
from mnemon_service.memory.understanding.conversation import (
    DEFAULT_CATEGORIES,
    Conversation,
    Instructions,
    is_evidence,
)
from mnemon_service.memory.understanding.procedure import summarize_procedure
from mnemon_service.memory.understanding.understand import understand
from mnemon_service.memory.understood import plan_of_model, plan_of_procedure, plan_without_model
from mnemon_service.memory.verbatim import plan_verbatim
from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.memory import Entity, Memory, MemoryType, Role
from mnemon_service.model.message import Message
from mnemon_service.model.settings import ProjectSettings
from mnemon_service.model.stages import Stages
from mnemon_service.model.text_hash import duplicate_hash
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access

CONTEXT_MESSAGES: Final = 10
"""Messages of the scope before the new ones that a model sees."""
NEIGHBOURS_A_MESSAGE: Final = 5
NEIGHBOURS: Final = 20
"""Known memories that a model sees: about 600 tokens."""
INLINE_CHARACTERS: Final = 4_000
"""Characters that the deterministic extractor reads on the event loop, in about 10 ms; more in a thread."""
QUERIES: Final = 32
"""Messages whose neighbours are looked up, the newest; more would cost embeddings, not find more."""


class Planner:
    """Reads, asks and decides; writes nothing."""

    def __init__(
        self, record: Record, embedding: TextEmbedding, recall: Recall, models: LanguageModels
    ) -> None:
        self._record = record
        self._embedding = embedding
        self._recall = recall
        self._models = models

    async def plan(
        self, access: Access, request: AddRequest, settings: ProjectSettings, stages: Stages, now: datetime
    ) -> AddPlan:
        """The plan of an add. Raises what the model's provider raises; then nothing was changed."""
        if not request.infer:
            return plan_verbatim(request)
        model = self._models.get(settings.extraction_model)
        if model is not None and request.type is MemoryType.PROCEDURAL:
            return await self._procedure(model, request, settings, stages)
        context = await self._context(access, request, stages)
        if model is None:
            return await self._without_model(access, request, context, stages, now)
        neighbours, usage = await self._neighbours(access, request, stages)
        conversation = _conversation(request, settings, context, tuple(neighbours.values()), now)
        with stages.stage("extract"):
            plan = plan_of_model(await understand(model, conversation), request, neighbours)
        count_refusals(plan.refusals)
        return replace(plan, usage=(*usage, *plan.usage))

    async def _without_model(
        self,
        access: Access,
        request: AddRequest,
        context: tuple[Message, ...],
        stages: Stages,
        now: datetime,
    ) -> AddPlan:
        """What the deterministic extractor finds. Where an assistant repeats what is known and says more
        besides, the messages are read once more without what it repeats."""
        with stages.stage("recall"):
            names = names_that_may_be(message.content for message in request.messages if is_evidence(message))
            known = await self._record.entities.known_among(access, request.scope.owner, names)
        before = context[-1] if context else None
        with stages.stage("extract"):
            plan = await _extracted(request, known, before, now)
            recalled = await self._recalled_in_part(access, request, plan)
            return await _extracted(request, known, before, now, recalled) if recalled else plan

    async def _recalled_in_part(self, access: Access, request: AddRequest, plan: AddPlan) -> frozenset[str]:
        """Statements that the scope holds, by `duplicate_hash`, of passages that state others besides."""
        mixed = [
            {duplicate_hash(text) for text in fact.echoed}
            for fact in plan.facts
            if len(fact.echoed) > 1 and fact.sources[0].role is Role.ASSISTANT
        ]
        if not mixed:
            return frozenset()
        asked = {(request.scope, digest) for digest in frozenset().union(*mixed)}
        held = {digest for _, digest in await self._record.memories.said_already(access, asked)}
        return frozenset(digest for passage in mixed if not passage <= held for digest in passage & held)

    async def _procedure(
        self, model: LanguageModel, request: AddRequest, settings: ProjectSettings, stages: Stages
    ) -> AddPlan:
        with stages.stage("extract"):
            instructions = _instructions(request, settings).effective
            procedure = await summarize_procedure(model, request.messages, instructions=instructions)
        return plan_of_procedure(procedure, request)

    async def _context(self, access: Access, request: AddRequest, stages: Stages) -> tuple[Message, ...]:
        with stages.stage("recall"):
            return tuple(await self._record.messages.last(access, request.scope, CONTEXT_MESSAGES))

    async def _neighbours(
        self, access: Access, request: AddRequest, stages: Stages
    ) -> tuple[dict[str, Memory], tuple[ProviderUsage, ...]]:
        """Known memories near to the new messages, by id, the nearest first."""
        with stages.stage("recall"):
            evidence = [message for message in request.messages if is_evidence(message)][-QUERIES:]
            said = [indexed_text(message.content, message.name) for message in evidence]
            embedded = await self._embedding.embed(access.project_id, said)
            vectors = list(embedded.vectors.values())
            if not vectors:
                return {}, embedded.usage
            found = await self._recall.nearest(access, request.scope, vectors, NEIGHBOURS_A_MESSAGE)
            ranked = sorted((near for nears in found for near in nears), key=lambda near: -near.cosine)
            memories = {near.memory.id: near.memory for near in ranked}
            return dict(list(memories.items())[:NEIGHBOURS]), embedded.usage


async def _extracted(
    request: AddRequest,
    known: Collection[Entity],
    before: Message | None,
    now: datetime,
    recalled: Collection[str] = (),
) -> AddPlan:
    if sum(len(message.content) for message in request.messages) <= INLINE_CHARACTERS:
        return plan_without_model(request, known, before, now, recalled)
    return await asyncio.to_thread(plan_without_model, request, known, before, now, recalled)


def _instructions(request: AddRequest, settings: ProjectSettings) -> Instructions:
    return Instructions(
        project=settings.custom_instructions,
        agent=settings.agent_instructions.get(request.scope.agent_id, "") if request.scope.agent_id else "",
        request=request.custom_instructions,
    )


def _conversation(
    request: AddRequest,
    settings: ProjectSettings,
    context: tuple[Message, ...],
    neighbours: tuple[Memory, ...],
    now: datetime,
) -> Conversation:
    categories: Mapping[str, str] = settings.categories or DEFAULT_CATEGORIES
    return Conversation(
        messages=request.messages,
        scope=request.scope,
        context=context,
        neighbours=neighbours,
        instructions=_instructions(request, settings),
        categories=categories,
        includes="; ".join(request.includes or settings.includes),
        excludes="; ".join((*settings.excludes, *request.excludes)),
        reference_time=now,
    )
