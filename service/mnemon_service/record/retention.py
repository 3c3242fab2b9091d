"""What goes with time: expiry, retention of deleted memories, old answers, messages and operations."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

DEFAULT_RETENTION: Final = timedelta(days=30)
"""How long a deleted or expired memory is kept before its content is erased."""
IDEMPOTENCY_RETENTION: Final = timedelta(hours=24)
"""How long the answer to a request id is kept."""


class Retention:
    """Called by a sweeper from time to time; each call does at most `limit` rows and says how many."""

    async def log_expired(self, project_id: str, *, limit: int = 500) -> int:
        """Append EXPIRED for memories whose time has passed (reads hide them from that instant)."""
        raise NotImplementedError

    async def erase_due(
        self, project_id: str, retention: timedelta = DEFAULT_RETENTION, *, limit: int = 500
    ) -> int:
        """Erase memories that were deleted or expired longer ago than `retention`, their embeddings and
        the messages that no memory needs any more."""
        raise NotImplementedError

    async def drop_old_answers(self, *, limit: int = 5000) -> int:
        """Forget idempotent answers older than 24 hours."""
        raise NotImplementedError

    async def drop_old_messages(
        self, project_id: str, *, keep: timedelta | None, keep_last: int | None = None, limit: int = 5000
    ) -> int:
        """Forget messages older than `keep`, and all but the last `keep_last` of each conversation."""
        raise NotImplementedError

    async def drop_old_operations(self, keep: timedelta, *, limit: int = 5000) -> int:
        """Forget operations that ended longer ago than `keep`."""
        raise NotImplementedError

    async def scrub(self) -> None:
        """Take erased bytes out of the database's files: empties the write-ahead log on SQLite, vacuums
        the tables on PostgreSQL."""
        raise NotImplementedError
