"""Erases a subject: everything stored under its ids, in the record, the index and memory.

The steps can each be done again, so a crash anywhere is followed by the same erasure from where it stood:

1. the memories with their versions, embeddings and sources, piece by piece;
2. what lies beside them: messages, stored answers, the content of operations; running ones are asked to
   stop and waited for, and then both steps are done once more, until nothing is left;
3. the rows of the index, in its files too;
4. caches, and the bytes that the database's files still hold;
5. the receipt.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from mnemon.v1 import operation_pb2
from mnemon_service.admin.ports import Applier, Forgetting
from mnemon_service.admin.receipts import sign
from mnemon_service.index.follower import Follower
from mnemon_service.index.protocol import IndexKey
from mnemon_service.model.errors import Unavailable
from mnemon_service.model.memory import Actor, Memory, MemoryState
from mnemon_service.model.scope import Scope
from mnemon_service.record.accounts import entity_key
from mnemon_service.record.operation import Claim
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.record.worker import Progress
from mnemon_service.wire.scopes import to_scope
from mnemon_service.wire.times import set_timestamp

PIECE: Final = 500
"""Memories erased in one transaction."""
INDEX_PIECE: Final = 10_000
"""Rows erased from the index at a time: on Milvus Lite each time writes a shard anew."""
OTHERS_SECONDS: Final = 30.0
"""How long another operation on the subject may take to stop before this one is tried again later."""


@dataclass(slots=True)
class _Counts:
    """How far it is; saved with each piece."""

    memories: int = 0
    messages: int = 0
    """Counted before anything was erased: some go with the memories that were drawn from them."""
    entities: int = 0
    tombstones_before: int = -1
    """Erased rows of the log that there were already; -1 until it is known."""

    @classmethod
    def of(cls, checkpoint: bytes) -> _Counts:
        return cls(**json.loads(checkpoint)) if checkpoint else cls()

    def saved(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class SubjectEraser:
    """Does EraseSubject."""

    def __init__(self, record: Record, follower: Follower, applier: Applier, caches: Forgetting) -> None:
        self._record = record
        self._follower = follower
        self._applier = applier
        self._caches = caches

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Erases, and completes the operation with its receipt."""
        operation = claim.operation
        access, subject = Access(operation.project_id), operation.scope
        counts = _Counts.of(operation.checkpoint)
        if counts.tombstones_before < 0:
            counts.tombstones_before = await self._tombstones(access, subject)
            counts.messages = await self._record.subjects.messages(access.project_id, subject)
        actor = Actor(operation.actor_key, f"operations/{operation.id}")
        while True:
            await self._erase_memories(access, actor, claim, counts, progress)
            await self._erase_beside(access, actor, claim, counts)
            if not await self._others_run(claim):
                break
            await self._wait_for_others(claim)
        await self._erase_from_index(access, subject)
        self._caches.content_erased(access.project_id)
        await self._record.retention.scrub()
        await self._complete(access, actor, claim, counts)
        return None

    async def _tombstones(self, access: Access, subject: Scope) -> int:
        return await self._record.subjects.erased_versions(access.project_id, subject)

    async def _erase_memories(
        self, access: Access, actor: Actor, claim: Claim, counts: _Counts, progress: Progress
    ) -> None:
        subject = claim.operation.scope
        while True:
            async with self._record.write(access, actor) as write:
                found = await write.load_scope(subject, limit=PIECE)
                named = _named_by(found)
                going = self._record.subjects.entities_going(access.project_id, named)
                counts.entities += await write.run(going) if named else 0
                for memory in found:
                    write.erase(memory.id, reason="EraseSubject")
                counts.memories += len(found)
                write.checkpoint(claim, checkpoint=counts.saved(), done=counts.memories)
            await self._applier.apply(access.project_id, write.versions, {})
            progress.done = counts.memories
            if len(found) < PIECE:
                return

    async def _erase_beside(self, access: Access, actor: Actor, claim: Claim, counts: _Counts) -> None:
        subject = claim.operation.scope
        async with self._record.write(access, actor) as write:
            await write.erase_beside(subject, keep_operation=claim.operation.id)
            await write.run(self._record.subjects.forgetting_usage(access.project_id, subject))
            write.checkpoint(claim, checkpoint=counts.saved())

    async def _others_run(self, claim: Claim) -> bool:
        operation = claim.operation
        return await self._record.subjects.has_running(
            operation.project_id, operation.scope, but=operation.id
        )

    async def _wait_for_others(self, claim: Claim) -> None:
        """Waits until no other operation works on the subject. Raises `Unavailable` if that takes long."""
        left = OTHERS_SECONDS
        while await self._others_run(claim):
            if left <= 0:
                raise Unavailable("another operation still works on the subject", retry_after=5.0)
            await self._record.operations.wait_for_work(1.0)
            left -= 1.0

    async def _erase_from_index(self, access: Access, subject: Scope) -> None:
        """Every memory of the subject that was ever erased: what an earlier run had begun is in it."""
        place = 0
        while found := await self._record.subjects.tombstones(
            access.project_id, subject, place, limit=INDEX_PIECE
        ):
            place = found[-1].sequence
            await self._follower.erase(
                access.project_id,
                [IndexKey(access.project_id, tombstone.memory_id, tombstone.owner) for tombstone in found],
            )

    async def _complete(self, access: Access, actor: Actor, claim: Claim, counts: _Counts) -> None:
        subject = claim.operation.scope
        receipt = operation_pb2.ErasureReceipt(
            memory_count=counts.memories,
            version_count=await self._tombstones(access, subject) - counts.tombstones_before,
            message_count=counts.messages,
            entity_count=counts.entities,
        )
        to_scope(subject, receipt.subject)
        set_timestamp(receipt.erase_time, datetime.now(UTC))
        key = await self._record.subjects.receipt_key()
        async with self._record.write(access, actor) as write:
            receipt.sequence = write.last_sequence
            sign(receipt, key)
            write.complete(claim, receipt.SerializeToString())


def _named_by(memories: list[Memory]) -> Counter[str]:
    """How many of the memories name each entity, as the record counts them."""
    return Counter(
        key
        for memory in memories
        if memory.state is MemoryState.ACTIVE
        for key in {entity_key(entity.name) for entity in memory.entities}
        if key
    )
