"""Adding: from what was said to rows of the log."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from mnemon_service.memory.carrying_out import carry_out
from mnemon_service.memory.duplicates import without_just_said, without_known
from mnemon_service.memory.embedding import EmbeddedTexts, TextEmbedding
from mnemon_service.memory.owner_locks import OwnerLocks
from mnemon_service.memory.planned import (
    AddOutcome,
    AddPlan,
    AddRequest,
    Change,
    ChangeEvent,
)
from mnemon_service.memory.planning import Planner
from mnemon_service.memory.ports import Applier, ContentScreen, EndlessRoom, Recall, Room
from mnemon_service.model.errors import MnemonError
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Actor, VersionEvent
from mnemon_service.model.message import Message
from mnemon_service.model.settings import ProjectSettings, SettingsSource
from mnemon_service.model.stages import Stages
from mnemon_service.model.usage import NoMeter, UsageMeter, spent_in_vain
from mnemon_service.record.operation import Claim
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, RequestKey
from mnemon_service.record.writing import Write

Encode = Callable[[AddOutcome], bytes]
"""Makes the answer that is kept for repeated requests."""


class Adder:
    """The write path of `AddMemories`: plan, embed, commit, apply."""

    def __init__(
        self,
        record: Record,
        embedding: TextEmbedding,
        planner: Planner,
        recall: Recall,
        applier: Applier,
        settings: SettingsSource,
        screen: ContentScreen,
        *,
        room: Room | None = None,
        meter: UsageMeter | None = None,
    ) -> None:
        self._record = record
        self._embedding = embedding
        self._planner = planner
        self._recall = recall
        self._applier = applier
        self._settings = settings
        self._screen = screen
        self._room = room or EndlessRoom()
        self._meter = meter or NoMeter()
        self._locks = OwnerLocks()

    async def add(
        self,
        access: Access,
        actor: Actor,
        request: AddRequest,
        stages: Stages,
        *,
        key: RequestKey | None = None,
        encode: Encode | None = None,
        claim: Claim | None = None,
    ) -> AddOutcome | bytes:
        """Remembers; or, for a request that took effect before, the answer that was given then.

        On an error nothing was stored. `encode` makes the answer to keep under `key`, or the result of
        the operation that `claim` stands for: both are committed together with the effect.
        """
        if key is not None and (answer := await self._record.stored_answer(access, key)) is not None:
            return answer
        settings = await self._settings.of(access.project_id)
        request = self._screened(request, settings)
        plan = await self._planned(access, actor, request, settings, stages)
        if request.dry_run:
            tried = await self._tried(access, actor, request, plan, stages)
            self._meter.spent(access.project_id, actor.key_id, tried.usage, request.scope.owner)
            return tried
        async with self._locks.held(access.project_id, request.scope.owner):
            since = self._record.signal.announced(access.project_id)
            plan, embedded = await self._compared(access, request, plan, stages)
            self._meter.spent(access.project_id, actor.key_id, plan.usage, request.scope.owner)
            await self._room.require_room(access.project_id, _new_memories(plan))
            with stages.stage("commit"):
                async with self._record.write(access, actor, key) as write:
                    if write.stored_answer is not None:
                        return write.stored_answer
                    plan = await without_just_said(
                        plan, request, write, self._record.embeddings, embedded, since
                    )
                    outcome = await self._store(write, request, plan, embedded, settings)
                    _keep(write, outcome, encode, key, claim)
        with stages.stage("apply"):
            await self._applier.apply(access.project_id, write.versions, embedded.vectors)
        return outcome

    async def _planned(
        self, access: Access, actor: Actor, request: AddRequest, settings: ProjectSettings, stages: Stages
    ) -> AddPlan:
        """What is to be done. What a model cost is counted also where it was in vain."""
        try:
            return await self._planner.plan(access, request, settings, stages, datetime.now(UTC))
        except MnemonError as error:
            owner = request.scope.owner
            self._meter.spent(access.project_id, actor.key_id, spent_in_vain(error), owner)
            raise

    def _screened(self, request: AddRequest, settings: ProjectSettings) -> AddRequest:
        said = [message.content for message in request.messages]
        screened = self._screen.screen(settings, [*said, *request.texts])
        messages = tuple(
            replace(message, content=content)
            for message, content in zip(request.messages, screened, strict=False)
        )
        return replace(request, messages=messages, texts=tuple(screened[len(said) :]))

    async def _compared(
        self, access: Access, request: AddRequest, plan: AddPlan, stages: Stages
    ) -> tuple[AddPlan, EmbeddedTexts]:
        """The plan without what is known, and the vectors of all that it may store."""
        with stages.stage("embed"):
            texts = [text for fact in plan.facts for text in fact.embedded_texts]
            embedded = await self._embedding.embed(access.project_id, texts)
        with stages.stage("reconcile"):
            plan = await without_known(plan, request, self._recall, access, embedded.vectors)
        return replace(plan, usage=(*plan.usage, *embedded.usage)), embedded

    async def _store(
        self,
        write: Write,
        request: AddRequest,
        plan: AddPlan,
        embedded: EmbeddedTexts,
        settings: ProjectSettings,
    ) -> AddOutcome:
        described = replace(request, messages=_described(request.messages, plan.image_descriptions))
        messages = await self._log_messages(write, described, settings)
        by_id = {message.id: message for message in messages}
        session = request.scope.run_id or (new_id() if messages else "")
        changes = await carry_out(write, plan, request, by_id, session)
        stored = [change.memory for change in changes if change.event is not ChangeEvent.NONE]
        if fresh := embedded.fresh_of(stored):
            write.save_embeddings(embedded.space, fresh)
        kept = () if settings.message_log_disabled else tuple(message.id for message in messages)
        return AddOutcome(tuple(changes), kept, plan.refusals, plan.usage, write.last_sequence)

    async def _log_messages(
        self, write: Write, request: AddRequest, settings: ProjectSettings
    ) -> list[Message]:
        """The messages with their places in the conversation; stored unless the log is off."""
        if not settings.message_log_disabled:
            return await write.save_messages(request.scope, request.messages)
        first = await write.allocate_positions(request.scope, len(request.messages))
        return [replace(message, position=first + place) for place, message in enumerate(request.messages)]

    async def _tried(
        self, access: Access, actor: Actor, request: AddRequest, plan: AddPlan, stages: Stages
    ) -> AddOutcome:
        """What the add would do now: it is carried out, looked at, and undone."""
        plan, _ = await self._compared(access, request, plan, stages)
        by_id = {message.id: message for message in request.messages}
        with contextlib.suppress(_OnlyTried):
            async with self._record.write(access, actor) as write:
                changes = await carry_out(write, plan, request, by_id, "")
                raise _OnlyTried
        added = {version.memory.id for version in write.versions if version.event is VersionEvent.ADDED}
        shown = tuple(_as_tried(change, added) for change in changes)
        return AddOutcome(shown, (), plan.refusals, plan.usage, write.sequence_before)


class _OnlyTried(Exception):
    """Undoes a write."""


def _new_memories(plan: AddPlan) -> int:
    """How many memories the plan adds."""
    return sum(fact.event in (ChangeEvent.ADD, ChangeEvent.SUPERSEDE) for fact in plan.facts)


def _described(messages: tuple[Message, ...], descriptions: Mapping[str, str]) -> tuple[Message, ...]:
    """The messages with what was seen in their pictures; the pictures themselves are not kept."""
    return tuple(
        replace(message, content=f"{message.content}\n[picture: {descriptions[message.id]}]".strip())
        if message.id in descriptions
        else message
        for message in messages
    )


def _keep(
    write: Write, outcome: AddOutcome, encode: Encode | None, key: RequestKey | None, claim: Claim | None
) -> None:
    if encode is None:
        return
    answer = encode(outcome)
    if key is not None:
        write.answer(answer)
    if claim is not None:
        write.complete(claim, answer, done=claim.operation.progress_total)


def _as_tried(change: Change, added: Collection[str]) -> Change:
    """A change as a dry run shows it: what would be new has no id yet, nothing has a place in the log."""
    memory = replace(change.memory, sequence=0)
    if memory.id in added:
        memory = replace(memory, id="", create_time=None, update_time=None)
    superseded = change.superseded
    if superseded is not None and superseded.superseded_by in added:
        superseded = replace(superseded, superseded_by="", sequence=0)
    return replace(change, memory=memory, superseded=superseded)
