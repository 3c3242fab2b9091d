"""Storing rows as they are, in bulk: fixed pieces, each stored once, whatever breaks between them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1 import operation_pb2
from mnemon_service.memory.embedding import TextEmbedding
from mnemon_service.memory.import_operation import ImportOperation
from mnemon_service.memory.import_rows import memory_of_row
from mnemon_service.memory.ports import Applier, ContentScreen, EndlessRoom, Room
from mnemon_service.memory.screened_texts import screen
from mnemon_service.model.call import Call
from mnemon_service.model.errors import AlreadyExists, FailedPrecondition, MnemonError, Reason
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Actor, Memory
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import ProjectSettings, SettingsSource
from mnemon_service.model.text_hash import duplicate_hash
from mnemon_service.model.usage import NoMeter, UsageMeter
from mnemon_service.record.record import Record
from mnemon_service.record.selection import RequestKey
from mnemon_service.wire.scopes import access_of

PIECE: Final = 500
"""Rows stored in one transaction: about 40 ms of writing, and what a stream holds in memory."""
MAXIMUM_ERRORS: Final = 1_000
"""Refused rows that the result names; the others are only counted."""
TRIED_TEXTS: Final = 1_000_000
"""Rows whose texts a dry run remembers to find duplicates in the file itself: about 100 MB."""

Said = tuple[Scope, str]
"""A stored scope and the `duplicate_hash` of a text."""


@dataclass(slots=True)
class Piece:
    """Some rows of the stream. Where a piece begins and ends depends on the rows' places alone, so that
    a stream that is sent again is cut in the same way."""

    first: int
    """Place of its first row in the stream, from 1."""
    rows: list[pb.ImportRow] = field(default_factory=list)


@dataclass(slots=True)
class _Checked:
    """A piece whose rows were looked at one by one."""

    memories: list[Memory]
    result: operation_pb2.ImportMemoriesResult
    """With the refused rows."""


async def in_pieces(requests: AsyncIterator[pb.ImportMemoriesRequest]) -> AsyncIterator[Piece]:
    """The rows of a stream in pieces of `PIECE`; the last one may be smaller."""
    piece = Piece(1)
    async for request in requests:
        for row in request.rows.rows:
            piece.rows.append(row)
            if len(piece.rows) == PIECE:
                yield piece
                piece = Piece(piece.first + PIECE)
    if piece.rows:
        yield piece


class Import:
    """One import: what its options say, and what came of it so far."""

    def __init__(self, call: Call, options: pb.ImportOptions, scope: Scope) -> None:
        self.call = call
        self.access = access_of(call.caller)
        self.options = options
        self.scope = scope
        """Of rows that name none; may be empty."""
        self.result = operation_pb2.ImportMemoriesResult()
        self.tried: set[Said] = set()
        """What a dry run would have stored."""

    def key(self, piece: Piece) -> RequestKey:
        """Names the piece. A blank cannot stand in a client's own request id, so the two never meet."""
        digest = hashlib.sha256(repr(self.scope).encode())
        for row in piece.rows:
            body = row.SerializeToString(deterministic=True)
            digest.update(len(body).to_bytes(4, "big") + body)
        name = f"import {self.options.request_id} {piece.first}"
        return RequestKey(name, self.call.method, digest.hexdigest())

    def count(self, result: operation_pb2.ImportMemoriesResult) -> None:
        """Adds what came of a piece."""
        self.result.imported_count += result.imported_count
        self.result.duplicate_count += result.duplicate_count
        self.result.refused_count += result.refused_count
        self.result.errors.extend(result.errors[: MAXIMUM_ERRORS - len(self.result.errors)])


class Importer:
    """The write path of `ImportMemories`."""

    def __init__(
        self,
        record: Record,
        embedding: TextEmbedding,
        applier: Applier,
        settings: SettingsSource,
        screen: ContentScreen,
        *,
        room: Room | None = None,
        meter: UsageMeter | None = None,
    ) -> None:
        self._record = record
        self._embedding = embedding
        self._applier = applier
        self._settings = settings
        self._screen = screen
        self._room = room or EndlessRoom()
        self._meter = meter or NoMeter()

    async def store(self, job: Import, piece: Piece, operation: ImportOperation) -> None:
        """Stores the rows of a piece, or counts what came of it the first time.

        Raises `AlreadyExists` (REQUEST_ID_REUSED) if other rows were sent in its place before.
        """
        key = job.key(piece)
        try:
            answer = await self._record.stored_answer(job.access, key)
            if answer is None:
                answer = await self._stored(job, piece, key, operation)
        except AlreadyExists as error:
            if error.reason is not Reason.REQUEST_ID_REUSED:
                raise
            raise AlreadyExists(
                f"the rows from {piece.first} on are not those that were sent before under this request_id",
                reason=Reason.REQUEST_ID_REUSED,
            ) from None
        job.count(operation_pb2.ImportMemoriesResult.FromString(answer))
        operation.progress.done = piece.first + len(piece.rows) - 1

    async def try_out(self, job: Import, piece: Piece) -> None:
        """Counts what storing would do."""
        checked = self._checked(job, piece, await self._settings.of(job.access.project_id))
        said = {_said(memory) for memory in checked.memories}
        known = await self._record.memories.said_already(job.access, said) | job.tried
        self._take_new(checked, known)
        if len(job.tried) < TRIED_TEXTS:
            job.tried |= said
        job.count(checked.result)

    async def _stored(self, job: Import, piece: Piece, key: RequestKey, operation: ImportOperation) -> bytes:
        stages = job.call.stages
        checked = self._checked(job, piece, await self._settings.of(job.access.project_id))
        texts = [text for one in checked.memories for text in embedded_texts(one.text, one.attributed_to)]
        with stages.stage("embed"):
            embedded = await self._embedding.embed(job.access.project_id, texts)
        self._meter.spent(job.access.project_id, job.call.caller.key_id, embedded.usage)
        await self._room.require_room(job.access.project_id, len(checked.memories))
        actor = Actor(job.call.caller.key_id, f"operations/{operation.id}")
        with stages.stage("commit"):
            async with self._record.write(job.access, actor, key) as write:
                if write.stored_answer is not None:
                    return write.stored_answer
                known = await write.said_already({_said(memory) for memory in checked.memories})
                new = self._take_new(checked, known)
                for memory in new:
                    write.add(memory)
                if fresh := embedded.fresh_of(new):
                    write.save_embeddings(embedded.space, fresh)
                answer = checked.result.SerializeToString()
                write.answer(answer, shows_memories=False)
                write.checkpoint(operation.claim, done=piece.first + len(piece.rows) - 1)
        with stages.stage("apply"):
            await self._applier.apply(job.access.project_id, write.versions, embedded.vectors)
        return answer

    def _take_new(self, checked: _Checked, known: set[Said]) -> list[Memory]:
        """The memories that their scopes do not hold yet, each text once; the others are counted."""
        new: dict[Said, Memory] = {}
        for memory in checked.memories:
            said = _said(memory)
            if said not in known:
                new.setdefault(said, memory)
        checked.result.imported_count = len(new)
        checked.result.duplicate_count = len(checked.memories) - len(new)
        return list(new.values())

    def _checked(self, job: Import, piece: Piece, settings: ProjectSettings) -> _Checked:
        checked = _Checked([], operation_pb2.ImportMemoriesResult())
        now = datetime.now(UTC)
        rows = self._screened(piece.rows, settings)
        for place, (row, refusal) in enumerate(rows, piece.first):
            try:
                if refusal is not None:
                    raise refusal
                checked.memories.append(memory_of_row(row, job.scope, job.call.caller, now))
            except MnemonError as error:
                _refuse(checked.result, row.row or place, error)
        return checked

    def _screened(
        self, rows: Sequence[pb.ImportRow], settings: ProjectSettings
    ) -> list[tuple[pb.ImportRow, FailedPrecondition | None]]:
        """The rows with their texts as they may be stored, or with why they may not: all at once, and
        one by one only if one of them is refused."""
        try:
            screen(self._screen, settings, rows)
        except FailedPrecondition as error:
            if len(rows) == 1:
                return [(rows[0], error)]
            return [self._screened([row], settings)[0] for row in rows]
        return [(row, None) for row in rows]


def _said(memory: Memory) -> Said:
    return memory.scope, duplicate_hash(memory.text)


def _refuse(result: operation_pb2.ImportMemoriesResult, row: int, error: MnemonError) -> None:
    result.refused_count += 1
    field_name, message = "", error.message
    if error.violations:
        field_name, message = error.violations[0].field, error.violations[0].description
    elif error.reason is Reason.SCOPE_FORBIDDEN:
        field_name = "scope"
    elif error.reason is Reason.CONTENT_REFUSED:
        field_name = "text"
    result.errors.add(row=row, field=field_name, message=message, reason=error.reason.value)
