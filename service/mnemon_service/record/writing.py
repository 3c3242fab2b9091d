"""One transaction on a project: what may be done in it, and what it appends to the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mnemon_service.model.memory import Actor, Memory, Version
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.operation import Claim, Operation
from mnemon_service.record.selection import Access, Selection, Vector


class Write:
    """An open transaction (`Record.write`). Changes are gathered and written together at its end.

    The methods without `await` check and number at once, so the versions they return can go into the
    answer. Read the rows to change with `current`, `select` or `changes_since` first: only those, and what
    this write added, can be changed.
    """

    access: Access
    actor: Actor
    now: datetime
    """The time of all changes of this write; not before that of an earlier one of the project."""
    stored_answer: bytes | None
    """The answer to this request from its first time; then change nothing and return it."""
    sequence_before: int
    """Where the project's log ended when this write began."""

    @property
    def versions(self) -> tuple[Version, ...]:
        """What this write appends to the log, in order."""
        raise NotImplementedError

    @property
    def last_sequence(self) -> int:
        """Where the log ends after this write."""
        raise NotImplementedError

    async def current(
        self, memory_ids: Sequence[str], *, show_deleted: bool = False, missing_ok: bool = False
    ) -> dict[str, Memory]:
        """The present rows by id, superseded ones too. Raises `NotFound` naming the first id that is
        unknown, foreign, deleted or expired, unless `missing_ok`."""
        raise NotImplementedError

    async def select(self, selection: Selection, *, limit: int) -> list[Memory]:
        """Memories to change, oldest first, at most `limit`."""
        raise NotImplementedError

    async def duplicates(self, scope: Scope, texts: Sequence[str]) -> dict[str, Memory]:
        """Active memories of exactly this stored scope that say the same (`duplicate_hash`), by text,
        those added in this write included."""
        raise NotImplementedError

    async def changes_since(self, owner: str, sequence: int) -> list[Memory]:
        """Present rows of an owner that changed after a position, deleted ones included: look here
        whether a plan made at that position still holds."""
        raise NotImplementedError

    def add(self, memory: Memory, *, reason: str = "") -> Version:
        """Append ADDED. Id, text and scope are the caller's; `create_time` is kept if it is set (imports);
        version, state, project and update time are given here.

        Raises `InvalidArgument` for an id that is no UUID, an empty scope, one outside the bound scope or
        a text with NUL characters; at the end of the write `AlreadyExists` for an id that is taken.
        """
        raise NotImplementedError

    def update(self, memory: Memory, *, etag: str = "", reason: str = "") -> Version:
        """Append UPDATED with this content. Scope, state, version and times stay the record's.

        Raises `Aborted` (ETAG_MISMATCH, metadata `current_etag`), `NotFound` for one not active or superseded.
        """
        raise NotImplementedError

    def supersede(
        self, memory_id: str, by: str, *, ended: datetime | None = None, etag: str = "", reason: str = ""
    ) -> Version:
        """Append SUPERSEDED: the memory points to the one that replaced it, and its event time ends."""
        raise NotImplementedError

    def delete(self, memory_id: str, *, etag: str = "", reason: str = "") -> Version:
        """Append DELETED; it can be restored until its retention has passed."""
        raise NotImplementedError

    def restore(self, memory_id: str, *, etag: str = "", reason: str = "") -> Version:
        """Append RESTORED: back to ACTIVE, or SUPERSEDED if it was. Raises `FailedPrecondition`
        (MEMORY_NOT_DELETED). Read it with `current(..., show_deleted=True)`."""
        raise NotImplementedError

    def expire(self, memory_id: str, *, reason: str = "") -> Version:
        """Append EXPIRED."""
        raise NotImplementedError

    def erase(self, memory_id: str, *, reason: str = "") -> Version:
        """Append ERASED and take all content of the memory out of projection and log."""
        raise NotImplementedError

    async def revert(self, memory_id: str, version: int, *, etag: str = "", reason: str = "") -> Version:
        """Append UPDATED with the content of an earlier version. Raises `NotFound` for a version that never
        was, `OutOfRange` (HISTORY_ERASED) for one whose content is gone."""
        raise NotImplementedError

    async def save_messages(self, scope: Scope, messages: Sequence[Message]) -> list[Message]:
        """Keep messages in the conversation of this exact scope; answers them with id, scope and
        position (1, 2, 3 …). An id that is set is kept."""
        raise NotImplementedError

    async def allocate_positions(self, scope: Scope, count: int) -> int:
        """The first of `count` places in this exact scope's conversation."""
        raise NotImplementedError

    def save_embeddings(self, space: str, vectors: Mapping[str, Vector]) -> None:
        """Keep the vectors of texts (by text) in a space, named after model and dimensions; known
        ones stay."""
        raise NotImplementedError

    async def enqueue(
        self, type: str, payload: bytes, *, scope: Scope = Scope(), total: int = 0, queue_limit: int = 1000
    ) -> Operation:
        """Put work into the queue. Raises `ResourceExhausted` (QUEUE_FULL) past `queue_limit` unfinished
        operations of the project."""
        raise NotImplementedError

    def checkpoint(
        self, claim: Claim, *, checkpoint: bytes = b"", done: int | None = None, total: int | None = None
    ) -> None:
        """Save how far an operation came together with its effect. If the claim is lost meanwhile, the
        whole write is undone with `Aborted` (CONCURRENT_CHANGE)."""
        raise NotImplementedError

    def complete(self, claim: Claim, result: bytes = b"") -> None:
        """Finish an operation together with its last effect; as `checkpoint`."""
        raise NotImplementedError

    def answer(self, body: bytes) -> None:
        """Keep the answer to this request with its effect."""
        raise NotImplementedError
