"""Which replica writes to an index that several share: one at a time, by a lease in the record.

A lease has no clock: its holder moves a beat, and who wants to take it over watches for so long that the
holder, by its own clock, must have given up. So replicas need not agree about the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.record.database import Database
from mnemon_service.record.schema import index_leases
from mnemon_service.record.signal import ChangeSignal

_NOTIFY: Final = sa.select(sa.func.pg_notify("mnemon_leases", sa.bindparam("payload")))


@dataclass(frozen=True, slots=True)
class IndexLease:
    """What the record says of one index."""

    holder: str = ""
    """Who writes to it; empty for nobody."""
    beat: int = 0
    """Moves while the holder lives."""
    wanted_by: str = ""
    """Who asked for it; empty for nobody."""


class IndexLeases:
    """One lease for each index, by its name."""

    def __init__(self, database: Database, signal: ChangeSignal) -> None:
        self._database = database
        self._signal = signal

    async def look(self, index_name: str) -> IndexLease:
        """The lease as it is now."""
        query = sa.select(index_leases).where(index_leases.c.index_name == index_name)

        def work(connection: Connection) -> IndexLease:
            row = connection.execute(query).one_or_none()
            return IndexLease(row.holder, row.beat, row.wanted_by) if row is not None else IndexLease()

        return await self._database.read(work)

    async def take(self, index_name: str, worker: str, seen: IndexLease) -> bool:
        """Make `worker` the holder, if nobody touched the lease since it was `seen`."""
        statement = self._database.dialect.insert(index_leases)
        row = {"index_name": index_name, "holder": worker, "beat": seen.beat + 1, "wanted_by": ""}
        statement = statement.on_conflict_do_update(
            index_elements=["index_name"],
            set_={name: statement.excluded[name] for name in ("holder", "beat", "wanted_by")},
            where=sa.and_(index_leases.c.holder == seen.holder, index_leases.c.beat == seen.beat),
        )
        taken: int = await self._database.write(lambda c: c.execute(statement, row).rowcount)
        return taken == 1

    async def renew(self, index_name: str, worker: str) -> str | None:
        """Show that `worker` lives; who asked for the lease ("" for nobody), None if another holds it."""
        ours = sa.and_(index_leases.c.index_name == index_name, index_leases.c.holder == worker)
        beat = sa.update(index_leases).where(ours).values(beat=index_leases.c.beat + 1)

        def work(connection: Connection) -> str | None:
            if connection.execute(beat).rowcount != 1:
                return None
            return str(connection.execute(sa.select(index_leases.c.wanted_by).where(ours)).scalar_one())

        return await self._database.write(work)

    async def ask(self, index_name: str, worker: str) -> None:
        """Ask the holder to hand the lease on to `worker`, unless another asked before."""
        await self._change(
            sa.update(index_leases)
            .where(index_leases.c.index_name == index_name, index_leases.c.wanted_by == "")
            .values(wanted_by=worker)
        )

    async def hand_on(self, index_name: str, worker: str, to: str) -> None:
        """Give the lease to another, or to nobody (""); nothing happens if `worker` does not hold it."""
        await self._change(
            sa.update(index_leases)
            .where(index_leases.c.index_name == index_name, index_leases.c.holder == worker)
            .values(holder=to, wanted_by="", beat=index_leases.c.beat + 1)
        )

    async def _change(self, statement: sa.Update) -> None:
        """Change the lease and wake who waits for that, on all replicas."""

        def work(connection: Connection) -> bool:
            changed = connection.execute(statement).rowcount == 1
            if changed and self._database.dialect.name == "postgresql":
                connection.execute(_NOTIFY, {"payload": ""})
            return changed

        if await self._database.write(work):
            self._signal.announce_leases()
