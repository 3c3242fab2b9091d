"""What was used: calls, tokens, memories and searches, by day, owner and model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.memory import VersionEvent
from mnemon_service.model.scope import Scope
from mnemon_service.record.database import Database
from mnemon_service.record.dialects import Dialect, any_of
from mnemon_service.record.pending import Pending
from mnemon_service.record.times import from_micros
from mnemon_service.record.usage_schema import COUNTED, usage_days

_KEY: Final = ("project_id", "day", "owner", "model")


@dataclass(frozen=True, slots=True)
class UsageKey:
    """For whom and what something is counted."""

    project_id: str
    day: str
    """UTC, as `2026-05-07`."""
    owner: str = ""
    """As `Scope.owner`; empty for what belongs to no scope."""
    model: str = ""
    """As `openai/gpt-5-mini`; empty for calls of Mnemon itself."""


@dataclass(frozen=True, slots=True)
class Used:
    """How much was used."""

    calls: int = 0
    failed_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    memories_added: int = 0
    searches: int = 0

    def plus(self, other: Used) -> Used:
        """The sum of both."""
        return Used(
            self.calls + other.calls,
            self.failed_calls + other.failed_calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.memories_added + other.memories_added,
            self.searches + other.searches,
        )


class UsageAccounts:
    """The accounts of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, amounts: Mapping[UsageKey, Used]) -> None:
        """Adds to the accounts."""
        rows = [
            _named(key) | {name: getattr(used, name) for name in COUNTED}
            for key, used in sorted(amounts.items(), key=lambda item: tuple(_named(item[0]).values()))
        ]
        if rows:
            statement = _adding(self._database.dialect)
            await self._database.write(lambda connection: connection.execute(statement, rows))

    async def read(
        self, project_id: str, first_day: str, last_day: str, *, by_owner: bool, by_model: bool
    ) -> list[tuple[UsageKey, Used]]:
        """What a project used from a day to another, both included, by day, then owner, then model."""
        owner = usage_days.c.owner if by_owner else sa.literal("")
        model = usage_days.c.model if by_model else sa.literal("")
        sums = [sa.cast(sa.func.sum(usage_days.c[name]), sa.BigInteger).label(name) for name in COUNTED]
        groups = [usage_days.c.day]
        groups += [usage_days.c.owner] if by_owner else []
        groups += [usage_days.c.model] if by_model else []
        query = (
            sa.select(usage_days.c.day, owner.label("owner"), model.label("model"), *sums)
            .where(
                usage_days.c.project_id == project_id,
                usage_days.c.day >= first_day,
                usage_days.c.day <= last_day,
            )
            .group_by(*groups)
            .order_by(*groups)
        )

        def work(connection: Connection) -> list[tuple[UsageKey, Used]]:
            return [
                (
                    UsageKey(project_id, row.day, row.owner, row.model),
                    Used(*(getattr(row, name) for name in COUNTED)),
                )
                for row in connection.execute(query)
            ]

        return await self._database.read(work)


def count_added(
    connection: Connection, dialect: Dialect, project_id: str, pending: Pending, now: int
) -> None:
    """Counts the memories that a write adds, in its own transaction: none is counted twice or lost."""
    added = Counter(
        version.memory.scope.owner for version in pending.versions if version.event is VersionEvent.ADDED
    )
    if not added:
        return
    day = day_of(now)
    rows = [
        {"project_id": project_id, "day": day, "owner": owner, "model": "", "memories_added": count}
        for owner, count in sorted(added.items())
    ]
    connection.execute(_counting_added(dialect), rows)


def forget_owners(connection: Connection, dialect: Dialect, project_id: str, scope: Scope) -> None:
    """Lets the account of an erased user, agent, app or run go on under no owner: the sums stay, the id
    goes. A scope of several ids is a part of somebody, whose account stays."""
    owners = [scope.owner] if len(scope.named()) == 1 else []
    ours = (usage_days.c.project_id == project_id, any_of(usage_days.c.owner, "owners"))
    query = sa.select(usage_days).where(*ours)
    found = connection.execute(query, {"owners": owners}).mappings().all()
    for row in found:
        connection.execute(_adding(dialect), dict(row) | {"owner": ""})
    connection.execute(sa.delete(usage_days).where(*ours), {"owners": owners})


def day_of(micros: int) -> str:
    """The day of a time, UTC."""
    return from_micros(micros).date().isoformat()


def _adding(dialect: Dialect) -> Any:  # noqa: ANN401 (an insert of either dialect)
    statement = dialect.insert(usage_days)
    return statement.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={name: usage_days.c[name] + statement.excluded[name] for name in COUNTED},
    )


def _counting_added(dialect: Dialect) -> Any:  # noqa: ANN401 (an insert of either dialect)
    statement = dialect.insert(usage_days)
    added = usage_days.c.memories_added + statement.excluded.memories_added
    return statement.on_conflict_do_update(index_elements=list(_KEY), set_={"memories_added": added})


def _named(key: UsageKey) -> dict[str, str]:
    return {name: getattr(key, name) for name in _KEY}
