"""What an erasure needs to know of a subject, and the key that signs its receipt."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.memory import VersionEvent
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.database import Database, Work
from mnemon_service.record.dialects import any_of
from mnemon_service.record.freshness import Freshness, move_revision
from mnemon_service.record.operation import OperationState
from mnemon_service.record.queries import ONE
from mnemon_service.record.schema import entities, messages, operations, versions
from mnemon_service.record.schema import secrets as secrets_table
from mnemon_service.record.usage import forget_owners

_RECEIPT_KEY: Final = "receipt_key"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An erased memory: what the index needs to find its row."""

    memory_id: str
    owner: str
    sequence: int


class Subjects:
    """Reads for erasures."""

    def __init__(self, database: Database, freshness: Freshness) -> None:
        self._database = database
        self._freshness = freshness

    async def tombstones(
        self, project_id: str, scope: Scope, after: int, *, limit: int = 1000
    ) -> list[Tombstone]:
        """Erased memories of a scope, in the order of their erasure, after a position of the log."""
        query = (
            sa.select(versions.c.id, versions.c.owner, versions.c.sequence)
            .where(
                versions.c.project_id == project_id,
                *_named(versions, scope),
                versions.c.event == VersionEvent.ERASED.value,
                versions.c.sequence > after,
            )
            .order_by(versions.c.sequence)
            .limit(limit)
        )

        def work(connection: Connection) -> list[Tombstone]:
            return [Tombstone(row.id, row.owner, row.sequence) for row in connection.execute(query)]

        return await self._database.read(work)

    async def erased_versions(self, project_id: str, scope: Scope) -> int:
        """Rows of the log that are tombstones now."""
        query = sa.select(sa.func.count()).where(
            versions.c.project_id == project_id, *_named(versions, scope), versions.c.erased == sa.true()
        )
        return await self._database.read(lambda connection: int(connection.scalar(query) or 0))

    async def messages(self, project_id: str, scope: Scope) -> int:
        """How many messages of a scope are kept."""
        query = sa.select(sa.func.count()).where(
            messages.c.project_id == project_id,
            *(messages.c[field] == value for field, value in scope.named().items()),
        )
        return await self._database.read(lambda connection: int(connection.scalar(query) or 0))

    async def has_running(self, project_id: str, scope: Scope, *, but: str) -> bool:
        """True while another operation works on the scope: it may still write."""
        query = sa.select(ONE).where(
            operations.c.project_id == project_id,
            *(operations.c[field] == value for field, value in scope.named().items()),
            operations.c.state == OperationState.RUNNING.value,
            operations.c.id != but,
        )
        found = await self._database.read(lambda connection: connection.execute(query.limit(1)).first())
        return found is not None

    def entities_going(self, project_id: str, named: Mapping[str, int]) -> Work[int]:
        """A part of a transaction: how many named entities no memory will name any more, once so many
        memories of each name (`entity_key`) are gone."""
        query = sa.select(entities.c.key, entities.c.memories).where(
            entities.c.project_id == project_id, any_of(entities.c.key, "keys")
        )

        def work(connection: Connection) -> int:
            rows = connection.execute(query, {"keys": sorted(named)})
            return sum(row.memories <= named[row.key] for row in rows)

        return work

    def forgetting_usage(self, project_id: str, scope: Scope) -> Work[None]:
        """A part of a transaction: takes the ids of a scope out of the accounts; the sums stay."""
        return lambda connection: forget_owners(connection, self._database.dialect, project_id, scope)

    async def receipt_key(self) -> bytes:
        """The installation's key for receipts, made when it is first asked for."""
        made = {"name": _RECEIPT_KEY, "value": secrets.token_bytes(_KEY_BYTES)}
        insert = self._database.dialect.insert(secrets_table).on_conflict_do_nothing()
        query = sa.select(secrets_table.c.value).where(secrets_table.c.name == _RECEIPT_KEY)

        def work(connection: Connection) -> bytes:
            connection.execute(insert, made)
            return bytes(connection.execute(query).scalar_one())

        return await self._database.write(work)

    async def project_gone(self) -> None:
        """A project's rows were deleted: every replica forgets its keys and settings within a second."""
        await self._database.write(move_revision)
        self._freshness.changed()


def _named(table: sa.Table, scope: Scope) -> Iterator[sa.ColumnElement[bool]]:
    """The ids of the scope; the second half of each pair lets the partial indexes serve."""
    for field in SCOPE_FIELDS:
        if value := getattr(scope, field):
            yield table.c[field] == value
            yield table.c[field] != sa.literal_column("''")
