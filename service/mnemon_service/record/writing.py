"""One transaction on a project: what may be done in it, and what it appends to the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from mnemon_service.model.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Reason,
    ResourceExhausted,
)
from mnemon_service.model.ids import is_id, new_id
from mnemon_service.model.memory import Actor, EventTime, Memory, MemoryState, Version, VersionEvent
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.model.text_hash import duplicate_hash, text_hash
from mnemon_service.record import present
from mnemon_service.record.conversations import conversation_of, last_position
from mnemon_service.record.database import Result, Transaction, Work
from mnemon_service.record.dialects import Dialect
from mnemon_service.record.erasing import ErasedBeside, erase_beside
from mnemon_service.record.operation import Claim, Operation, OperationState
from mnemon_service.record.pending import ClaimUpdate, Pending
from mnemon_service.record.rows import check_memory, checked_text
from mnemon_service.record.selection import Access, Selection, Vector
from mnemon_service.record.times import to_micros

_HERE = (MemoryState.ACTIVE, MemoryState.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a write begins: read under the project's lock."""

    sequence: int
    now: datetime
    stored_answer: bytes | None


class Write:
    """An open transaction (`Record.write`). Changes are gathered and written together at its end.

    The methods without `await` check and number at once, so the versions they return can go into the
    answer. Read the rows to change with `current`, `select` or `changes_since` first: only those, and what
    this write added, can be changed.
    """

    def __init__(
        self, transaction: Transaction, dialect: Dialect, access: Access, actor: Actor, start: Start
    ) -> None:
        self.access = access
        self.actor = actor
        self.now = start.now
        """The time of all changes of this write; not before that of an earlier one of the project."""
        self.stored_answer = start.stored_answer
        """The answer to this request from its first time; then change nothing and return it."""
        self.sequence_before = start.sequence
        """Where the project's log ended when this write began."""
        self._transaction = transaction
        self._dialect = dialect
        self._known: dict[str, Memory] = {}
        self._pending = Pending()

    @property
    def pending(self) -> Pending:
        """What is to be written at the end."""
        return self._pending

    @property
    def versions(self) -> tuple[Version, ...]:
        """What this write appends to the log, in order."""
        return tuple(self._pending.versions)

    @property
    def last_sequence(self) -> int:
        """Where the log ends after this write."""
        return self.sequence_before + len(self._pending.versions)

    async def run(self, work: Work[Result]) -> Result:
        """Do what another room of the record offers as a part of this transaction (`Audit.appending`)."""
        return await self._transaction.run(work)

    # Reading what may be changed

    async def current(
        self, memory_ids: Sequence[str], *, show_deleted: bool = False, missing_ok: bool = False
    ) -> dict[str, Memory]:
        """The present rows by id, superseded ones too. Raises `NotFound` naming the first id that is
        unknown, foreign, deleted or expired, unless `missing_ok`."""
        wanted = [memory_id for memory_id in dict.fromkeys(memory_ids) if memory_id not in self._known]
        if wanted:
            self._learn(await self._transaction.run(lambda c: present.by_ids(c, self.access, wanted)))
        found = {}
        for memory_id in memory_ids:
            memory = self._known.get(memory_id)
            if memory is not None and self._is_visible(memory, show_deleted=show_deleted):
                found[memory_id] = memory
            elif not missing_ok:
                raise no_such_memory(memory_id)
        return found

    async def load(self, memory_ids: Sequence[str]) -> list[Memory]:
        """The present rows in any state, deleted and expired ones too, of the ids that are there: for
        sweepers and erasures, never for an answer."""
        self._learn(await self._transaction.run(lambda c: present.by_ids(c, self.access, memory_ids)))
        return [self._known[memory_id] for memory_id in memory_ids if memory_id in self._known]

    async def load_scope(self, scope: Scope, *, limit: int) -> list[Memory]:
        """As `load`, memories of a scope in any state, those first that changed first: for erasures."""
        allowed = scope.narrowed_by(self.access.bound)
        if allowed is None or allowed.is_empty:
            return []
        query = present.in_scope(self.access, allowed, limit)
        found = await self._transaction.run(lambda c: present.fetch(c, query))
        self._learn(found)
        return [memory for memory in found if memory.id not in self._pending.after]

    async def erase_beside(self, scope: Scope, *, keep_operation: str = "") -> ErasedBeside:
        """Erase what is kept of a scope beside its memories: messages, conversations, stored answers, and
        the content of operations (waiting ones are cancelled, running ones asked to stop) but
        `keep_operation`. Erase the memories first, with `load_scope` and `erase`.

        The log's tombstones keep the ids of the scope: watchers and the index find by them what to drop.
        Raises `InvalidArgument` (SCOPE_REQUIRED) for an empty scope.
        """
        allowed = scope.narrowed_by(self.access.bound)
        if allowed is None or allowed.is_empty:
            raise InvalidArgument.of("scope", "must name at least one id", Reason.SCOPE_REQUIRED)
        now = to_micros(self.now)
        return await self._transaction.run(
            lambda c: erase_beside(c, self.access.project_id, allowed, keep_operation, now)
        )

    async def select(self, selection: Selection, *, limit: int) -> list[Memory]:
        """Memories to change, oldest first, at most `limit`. What this write changed is not in it."""
        query = present.selected(self.access, selection, self._dialect, to_micros(self.now), limit)
        found = await self._transaction.run(lambda c: present.fetch(c, query))
        self._learn(found)
        return [memory for memory in found if memory.id not in self._pending.after]

    async def duplicates(self, scope: Scope, texts: Sequence[str]) -> dict[str, Memory]:
        """Active memories of exactly this stored scope that say the same (`duplicate_hash`), by text,
        those added in this write included."""
        hashes = {text: duplicate_hash(text) for text in texts}
        if not hashes:
            return {}
        found = await self._transaction.run(
            lambda c: present.by_duplicate_hash(c, self.access, scope, set(hashes.values()))
        )
        self._learn(found)
        same = {
            duplicate_hash(memory.text): memory
            for memory in reversed([*self._pending_in(scope), *(self._known[m.id] for m in found)])
            if memory.state is MemoryState.ACTIVE and self._is_visible(memory, show_deleted=False)
        }
        return {text: same[digest] for text, digest in hashes.items() if digest in same}

    async def said_already(self, said: Collection[tuple[Scope, str]]) -> set[tuple[Scope, str]]:
        """Those pairs of a stored scope and a `duplicate_hash` for which `duplicates` would find a memory,
        in one query for any number of scopes. What this write added is not looked at."""
        now = to_micros(self.now)
        return await self._transaction.run(lambda c: present.said_by(c, self.access, said, now))

    async def changes_since(self, owner: str, sequence: int) -> list[Memory]:
        """Present rows of an owner that changed after a position, deleted ones included: look here
        whether a plan made at that position still holds."""
        found = await self._transaction.run(lambda c: present.changed(c, self.access, owner, sequence))
        self._learn(found)
        return [self._known[memory.id] for memory in found]

    # Changing memories

    def add(self, memory: Memory, *, reason: str = "") -> Version:
        """Append ADDED. Id, text and scope are the caller's; `create_time` is kept if it is set (imports);
        version, state, project and update time are given here.

        Raises `InvalidArgument` for an id that is no UUID, an empty scope or a text with NUL characters,
        `PermissionDenied` for a scope outside the bound one; at the end of the write `AlreadyExists` for
        an id that is taken.
        """
        self._check_new(memory)
        added = replace(
            memory,
            project_id=self.access.project_id,
            state=MemoryState.ACTIVE,
            version=1,
            create_time=memory.create_time or self.now,
            superseded_by="",
        )
        self._pending.before[memory.id] = None
        return self._append(VersionEvent.ADDED, added, "", reason)

    def _check_new(self, memory: Memory) -> None:
        if not is_id(memory.id):
            raise InvalidArgument.of("id", "must be a UUID in its canonical form")
        if memory.scope.is_empty:
            raise InvalidArgument.of("scope", "must name at least one id", Reason.SCOPE_REQUIRED)
        if not self.access.bound.selects(memory.scope):
            raise PermissionDenied("the key is bound to another scope", reason=Reason.SCOPE_FORBIDDEN)
        if memory.id in self._known:
            raise InvalidArgument.of("id", "is given twice")

    def update(self, memory: Memory, *, etag: str = "", reason: str = "") -> Version:
        """Append UPDATED with this content. Scope, state, creation and successor stay the record's.

        Raises `Aborted` (ETAG_MISMATCH, metadata `etag`), `NotFound` for one that is neither
        active nor superseded.
        """
        before = self._changeable(memory.id, etag, _HERE)
        after = replace(
            memory,
            project_id=before.project_id,
            scope=before.scope,
            state=before.state,
            create_time=before.create_time,
            superseded_by=before.superseded_by,
        )
        return self._change(VersionEvent.UPDATED, before, after, reason)

    def supersede(
        self, memory_id: str, by: str, *, ended: datetime | None = None, etag: str = "", reason: str = ""
    ) -> Version:
        """Append SUPERSEDED: the memory points to the one that replaced it, and its event time ends.

        `ended` is when it ceased to hold in the world. A memory whose event time is unknown gets one
        that begins when it was stored, if `ended` is later.
        """
        before = self._changeable(memory_id, etag, _HERE)
        after = replace(
            before,
            state=MemoryState.SUPERSEDED,
            superseded_by=by,
            event_time=_ended(before, ended),
        )
        return self._change(VersionEvent.SUPERSEDED, before, after, reason)

    def delete(self, memory_id: str, *, etag: str = "", reason: str = "") -> Version:
        """Append DELETED; it can be restored until its retention has passed."""
        before = self._changeable(memory_id, etag, _HERE)
        return self._change(VersionEvent.DELETED, before, replace(before, state=MemoryState.DELETED), reason)

    def restore(self, memory_id: str, *, etag: str = "", reason: str = "") -> Version:
        """Append RESTORED: back to ACTIVE, or SUPERSEDED if it was, without an expiry that has passed.
        Raises `FailedPrecondition` (MEMORY_NOT_DELETED). Read it with `load`, which sees expired ones, or
        with `current(..., show_deleted=True)`."""
        gone = (MemoryState.DELETED, MemoryState.EXPIRED)
        before = self._changeable(memory_id, etag, (*_HERE, *gone), expired_too=True)
        expired = before.expire_time is not None and before.expire_time <= self.now
        if before.state not in gone and not expired:
            raise FailedPrecondition(f"memory {memory_id} is not deleted", reason=Reason.MEMORY_NOT_DELETED)
        after = replace(
            before,
            state=MemoryState.SUPERSEDED if before.superseded_by else MemoryState.ACTIVE,
            expire_time=None if expired else before.expire_time,
        )
        return self._change(VersionEvent.RESTORED, before, after, reason)

    def expire(self, memory_id: str, *, reason: str = "") -> Version:
        """Append EXPIRED."""
        before = self._changeable(memory_id, "", _HERE, expired_too=True)
        return self._change(VersionEvent.EXPIRED, before, replace(before, state=MemoryState.EXPIRED), reason)

    def erase(self, memory_id: str, *, reason: str = "") -> Version:
        """Append ERASED and take all content of the memory out of projection and log."""
        before = self._changeable(memory_id, "", tuple(MemoryState), expired_too=True)
        blank = Memory(
            id=before.id,
            project_id=before.project_id,
            scope=before.scope,
            text="",
            state=MemoryState.DELETED,
            version=before.version,
            create_time=before.create_time,
        )
        version = self._change(VersionEvent.ERASED, before, blank, reason)
        self._pending.after[memory_id] = None
        del self._known[memory_id]
        return version

    async def revert(self, memory_id: str, version: int, *, etag: str = "", reason: str = "") -> Version:
        """Append UPDATED with the content of an earlier version. Raises `NotFound` for a version that never
        was, `OutOfRange` (HISTORY_ERASED) for one whose content is gone."""
        before = self._changeable(memory_id, etag, _HERE)
        if not 1 <= version < before.version:
            raise NotFound(f"memory {memory_id} has no earlier version {version}")
        earlier = next((v.memory for v in self._pending.versions if _is(v.memory, memory_id, version)), None)
        if earlier is None:
            earlier = await self._transaction.run(
                lambda c: present.version_content(c, self.access, memory_id, version)
            )
        after = replace(
            earlier, state=before.state, superseded_by=before.superseded_by, create_time=before.create_time
        )
        return self._change(VersionEvent.UPDATED, before, after, reason)

    # What belongs to them

    async def save_messages(self, scope: Scope, messages: Sequence[Message]) -> list[Message]:
        """Keep messages in the conversation of this exact scope; answers them with id, scope and
        position (1, 2, 3 …). An id that is set is kept. Pictures are not kept."""
        for message in messages:
            checked_text("messages", message.content)
            checked_text("messages", message.name)
        first = await self.allocate_positions(scope, len(messages))
        saved = [
            replace(message, id=message.id or new_id(), scope=scope, position=first + place)
            for place, message in enumerate(messages)
        ]
        self._pending.messages.extend(saved)
        self._pending.owners.add(scope.owner)
        return saved

    async def allocate_positions(self, scope: Scope, count: int) -> int:
        """The first of `count` places in this exact scope's conversation."""
        if not self.access.bound.selects(scope):
            raise PermissionDenied("the key is bound to another scope", reason=Reason.SCOPE_FORBIDDEN)
        name, project_id = conversation_of(scope), self.access.project_id
        last = self._pending.positions.get(scope)
        if last is None:
            last = await self._transaction.run(lambda c: last_position(c, project_id, name))
        self._pending.positions[scope] = last + count
        return last + 1

    def save_embeddings(self, space: str, vectors: Mapping[str, Vector]) -> None:
        """Keep the vectors of texts (by text) in a space, named after model and dimensions; known
        ones stay. The texts are those of `model.indexed_text`, not the bare ones of the memories: reads
        and erasures find them by these.

        Raises `InvalidArgument` for a vector with a component that is not finite.
        """
        for text, vector in vectors.items():
            self._pending.embeddings[space, text_hash(text)] = checked_vector(vector)

    # Operations and the answer

    async def enqueue(
        self,
        operation_type: str,
        payload: bytes,
        *,
        scope: Scope = Scope(),
        total: int = 0,
        queue_limit: int = 1000,
    ) -> Operation:
        """Put work into the queue. Raises `ResourceExhausted` (QUEUE_FULL) past `queue_limit` unfinished
        operations of the project."""
        waiting = await self._transaction.run(lambda c: present.unfinished(c, self.access.project_id))
        if waiting + len(self._pending.operations) >= queue_limit:
            raise ResourceExhausted(
                f"the project's queue is full: {queue_limit} operations wait or run",
                reason=Reason.QUEUE_FULL,
                retry_after=5.0,
            )
        operation = Operation(
            id=new_id(),
            project_id=self.access.project_id,
            type=operation_type,
            state=OperationState.PENDING,
            scope=scope.narrowed_by(self.access.bound) or self.access.bound,
            actor_key=self.actor.key_id,
            payload=payload,
            progress_total=total,
            create_time=self.now,
            update_time=self.now,
            available_time=self.now,
        )
        self._pending.operations.append(operation)
        return operation

    def checkpoint(
        self, claim: Claim, *, checkpoint: bytes = b"", done: int | None = None, total: int | None = None
    ) -> None:
        """Save how far an operation came together with its effect. If the claim is lost meanwhile, the
        whole write is undone with `Aborted` (CONCURRENT_CHANGE)."""
        values: dict[str, object] = {"checkpoint": checkpoint}
        if done is not None:
            values["progress_done"] = done
        if total is not None:
            values["progress_total"] = total
        self._hold(claim, values)

    def complete(self, claim: Claim, result: bytes = b"", *, done: int | None = None) -> None:
        """Finish an operation together with its last effect; as `checkpoint`."""
        state = OperationState.SUCCEEDED.value
        values: dict[str, object] = {"state": state, "result": result, "payload": b"", "checkpoint": b""}
        if done is not None:
            values["progress_done"] = done
        self._hold(claim, values)

    def _hold(self, claim: Claim, values: dict[str, object]) -> None:
        operation = claim.operation
        self._pending.claims.append(ClaimUpdate(claim.token, operation.project_id, operation.id, values))

    def answer(self, body: bytes, *, shows_memories: bool = True) -> None:
        """Keep the answer to this request with its effect. One that shows nothing of any memory (counts)
        outlives the erasure of those that the write changed."""
        self._pending.answer = body
        self._pending.answer_shows_memories = shows_memories

    # How it is done

    def _learn(self, memories: Iterable[Memory]) -> None:
        for memory in memories:
            if memory.id not in self._pending.after:
                self._known[memory.id] = memory
                self._pending.owners.add(memory.scope.owner)

    def _pending_in(self, scope: Scope) -> list[Memory]:
        return [
            memory for memory in self._pending.after.values() if memory is not None and memory.scope == scope
        ]

    def _is_visible(self, memory: Memory, *, show_deleted: bool) -> bool:
        if memory.expire_time is not None and memory.expire_time <= self.now:
            return False
        return memory.state in _HERE or (show_deleted and memory.state is MemoryState.DELETED)

    def _changeable(
        self, memory_id: str, etag: str, states: Sequence[MemoryState], *, expired_too: bool = False
    ) -> Memory:
        memory = self._known.get(memory_id)
        if memory is None or memory.state not in states:
            raise no_such_memory(memory_id)
        if not expired_too and memory.expire_time is not None and memory.expire_time <= self.now:
            raise no_such_memory(memory_id)
        if etag and etag != memory.etag:
            raise Aborted(
                f"memory {memory_id} was changed",
                reason=Reason.ETAG_MISMATCH,
                metadata={"memory_id": memory_id, "etag": memory.etag},
            )
        return memory

    def _change(self, event: VersionEvent, before: Memory, after: Memory, reason: str) -> Version:
        self._pending.before.setdefault(before.id, before)
        after = replace(after, version=before.version + 1)
        return self._append(event, after, before.text if event is not VersionEvent.ERASED else "", reason)

    def _append(self, event: VersionEvent, memory: Memory, previous_text: str, reason: str) -> Version:
        check_memory(memory)
        memory = replace(memory, update_time=self.now, sequence=self.last_sequence + 1)
        version = Version(
            sequence=memory.sequence,
            event=event,
            memory=memory,
            previous_text=previous_text,
            actor=self.actor,
            reason=checked_text("reason", reason),
            record_time=self.now,
        )
        self._known[memory.id] = memory
        self._pending.after[memory.id] = memory
        self._pending.versions.append(version)
        self._pending.owners.add(memory.scope.owner)
        return version


def no_such_memory(memory_id: str) -> NotFound:
    """The one error for ids that are unknown, foreign, deleted, expired or erased."""
    return NotFound(f"there is no memory {memory_id}", metadata={"memory_id": memory_id})


def checked_vector(vector: Vector) -> Vector:
    """The vector as float32. Raises `InvalidArgument` for one that is empty or not finite."""
    checked = np.ascontiguousarray(vector, dtype=np.float32)
    if checked.ndim != 1 or not checked.size or not bool(np.isfinite(checked).all()):
        raise InvalidArgument.of("vector", "must be one list of finite numbers")
    return checked


def _is(memory: Memory, memory_id: str, version: int) -> bool:
    return memory.id == memory_id and memory.version == version


def _ended(memory: Memory, ended: datetime | None) -> EventTime | None:
    """The interval of a fact that ceased to hold; it never ends before it begins.

    A fact of unknown beginning held at the latest when it was first said, or else when it was stored.
    """
    if ended is None:
        return memory.event_time
    if memory.event_time is not None:
        return dataclasses.replace(memory.event_time, end_time=max(ended, memory.event_time.time))
    said = [source.observed_time for source in memory.sources if source.observed_time is not None]
    begun = min(said, default=memory.create_time)
    if begun is None:
        return None
    return EventTime(begun, end_time=max(ended, begun))
