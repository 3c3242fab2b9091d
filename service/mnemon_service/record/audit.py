"""The audit log: who changed what, each entry chained to the one before by its hash.

An entry is written in the transaction of the change that it records, under the lock of one row, so the
sequence has no gaps and none is written for a change that did not take place.
"""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.caller import KeyRole
from mnemon_service.record.administration_schema import audit_head, audit_log
from mnemon_service.record.database import Database
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.times import Clock, from_micros, to_micros

SYSTEM: Final = "system"
"""Who changes what nobody asked for: the first start, sweepers."""
CHUNK: Final = 2000
"""Entries that a check reads at once."""

_FIELDS: Final = ("sequence", "record_time", "key_id", "role", "action", "resource", "detail", "project")
_HEAD: Final = sa.select(audit_head.c.sequence, audit_head.c.hash).where(audit_head.c.id == 1)
_LOCK_HEAD: Final = _HEAD.with_for_update()
_MOVE_HEAD: Final = sa.update(audit_head).where(audit_head.c.id == 1)
_AFTER: Final = (
    sa.select(audit_log)
    .where(audit_log.c.sequence > sa.bindparam("after", type_=sa.BigInteger))
    .order_by(audit_log.c.sequence)
    .limit(CHUNK)
)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What somebody does."""

    action: str
    """The RPC's name, as `CreateApiKey`."""
    resource: str
    """To what, as `apiKeys/abc`."""
    project_id: str = ""
    """Empty for the server itself."""
    detail: str = ""
    """Which fields, in words: no secret, no content."""
    key_id: str = SYSTEM
    role: KeyRole = KeyRole.ROOT


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did."""

    sequence: int
    record_time: datetime
    event: AuditEvent
    hash: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What a check of the chain found."""

    entry_count: int
    first_broken_sequence: int
    """0 if every entry fits."""


class Audit:
    """Writes, lists and checks the audit log."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens

    def appending(self, event: AuditEvent) -> Callable[[Connection], None]:
        """A part of a write transaction: appends the event."""

        def work(connection: Connection) -> None:
            self.append(connection, event)

        return work

    def lock(self, connection: Connection) -> None:
        """Nobody else appends before this transaction ends."""
        connection.execute(_LOCK_HEAD)

    def append(self, connection: Connection, event: AuditEvent) -> None:
        """Appends the event in this transaction. Do it last but for `move_revision`: it takes the lock."""
        head = connection.execute(_LOCK_HEAD).one()
        values = {
            "sequence": head.sequence + 1,
            "record_time": to_micros(self._clock()),
            "key_id": event.key_id or SYSTEM,
            "role": int(event.role),
            "action": event.action,
            "resource": event.resource,
            "detail": event.detail,
            "project": event.project_id,
        }
        values["hash"] = chained_hash(head.hash, values)
        connection.execute(sa.insert(audit_log), values)
        connection.execute(_MOVE_HEAD.values(sequence=values["sequence"], hash=values["hash"]))

    async def list(
        self, project_id: str | None, *, page_size: int = 50, page_token: str = ""
    ) -> tuple[builtins.list[AuditEntry], str]:
        """Entries of a project, or of the whole server for None, newest first, and the next page's token."""
        name = ["audit", project_id]
        query = sa.select(audit_log)
        if project_id is not None:
            query = query.where(audit_log.c.project == project_id)
        if page_token:
            query = query.where(audit_log.c.sequence < int(self._tokens.read(name, page_token)[0]))
        query = query.order_by(audit_log.c.sequence.desc()).limit(page_size + 1)

        def work(connection: Connection) -> builtins.list[AuditEntry]:
            return [_entry_of(row) for row in connection.execute(query)]

        found = await self._database.read(work)
        if len(found) <= page_size:
            return found, ""
        return found[:page_size], self._tokens.issue(name, [found[page_size - 1].sequence])

    async def verify(self) -> ChainCheck:
        """Reads the whole log and follows its chain to the head."""
        last, previous, count = 0, "", 0
        head = await self._database.read(lambda connection: connection.execute(_HEAD).one())
        while rows := await self._after(last):
            for row in rows:
                if row["sequence"] > head.sequence:
                    return _checked(count, last, previous, head)
                if row["sequence"] != last + 1 or row["hash"] != chained_hash(previous, row):
                    return ChainCheck(count + 1, last + 1)
                last, previous, count = row["sequence"], row["hash"], count + 1
        return _checked(count, last, previous, head)

    async def _after(self, sequence: int) -> Sequence[sa.RowMapping]:
        return await self._database.read(
            lambda connection: connection.execute(_AFTER, {"after": sequence}).mappings().all()
        )


def chained_hash(previous: str, values: Any) -> str:  # noqa: ANN401 (a row or what becomes one)
    """SHA-256, hexadecimal, over the hash before and the entry's fields as a JSON list, in the contract's
    order: anybody can compute it anew."""
    said = json.dumps([previous, *(values[name] for name in _FIELDS)], separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def _checked(count: int, last: int, previous: str, head: Any) -> ChainCheck:  # noqa: ANN401 (a row)
    whole = (last, previous) == (head.sequence, head.hash)
    return ChainCheck(count, 0 if whole else last + (last < head.sequence))


def _entry_of(row: Any) -> AuditEntry:  # noqa: ANN401 (a row)
    return AuditEntry(
        sequence=row.sequence,
        record_time=from_micros(row.record_time),
        event=AuditEvent(
            action=row.action,
            resource=row.resource,
            project_id=row.project,
            detail=row.detail,
            key_id=row.key_id,
            role=KeyRole(row.role),
        ),
        hash=row.hash,
    )
