"""What is used of daily quotas, shared by all replicas."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.record.administration_schema import daily_use
from mnemon_service.record.database import Database

_KEY: Final = ("project_id", "day", "subject", "quota")
_AT: Final = sa.and_(*(daily_use.c[name] == sa.bindparam(name) for name in _KEY))
_USED: Final = sa.select(daily_use.c.used).where(_AT)
_TOTALS: Final = sa.select(daily_use.c.subject, daily_use.c.used).where(
    daily_use.c.project_id == sa.bindparam("project_id"),
    daily_use.c.day == sa.bindparam("day"),
    daily_use.c.quota == sa.bindparam("quota"),
)


class DailyUse:
    """Counters by project, day (UTC, `2026-05-07`), subject (a key's id, or empty for the whole project)
    and quota (`adds`, `tokens`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, at: tuple[str, str, str, str], amount: int, limit: int) -> int:
        """Counts up to `amount` more, as many as the limit leaves; how many that is, 0 if none."""
        where = dict(zip(_KEY, at, strict=True))

        def work(connection: Connection) -> int:
            self._add(connection, where, 0)
            used: int = connection.execute(_USED.with_for_update(), where).scalar_one()
            granted = max(0, min(amount, limit - used))
            if granted:
                self._add(connection, where, granted)
            return granted

        return await self._database.write(work)

    async def add(self, amounts: dict[tuple[str, str, str, str], int]) -> None:
        """Counts what was used, whatever the limit; a negative amount gives back."""

        def work(connection: Connection) -> None:
            for at, amount in sorted(amounts.items()):
                self._add(connection, dict(zip(_KEY, at, strict=True)), amount)

        await self._database.write(work)

    def _add(self, connection: Connection, where: dict[str, str], amount: int) -> None:
        statement = self._database.dialect.insert(daily_use)
        statement = statement.on_conflict_do_update(
            index_elements=list(_KEY), set_={"used": daily_use.c.used + statement.excluded.used}
        )
        connection.execute(statement, where | {"used": amount})

    async def totals(self, project_id: str, day: str, quota: str) -> dict[str, int]:
        """What is used of a quota on a day, by subject."""
        named = {"project_id": project_id, "day": day, "quota": quota}

        def work(connection: Connection) -> dict[str, int]:
            return {row.subject: row.used for row in connection.execute(_TOTALS, named)}

        return await self._database.read(work)

    async def drop_before(self, day: str) -> int:
        """Forgets the days before; how many counters that were."""
        statement = sa.delete(daily_use).where(daily_use.c.day < day)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)
