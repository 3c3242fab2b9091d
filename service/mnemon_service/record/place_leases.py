"""How many calls and streams each replica may have open of what a project or a key may at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.record.administration_schema import place_leases
from mnemon_service.record.database import Database
from mnemon_service.record.times import Clock, to_micros, utc_now

LEASE_TIME: Final = timedelta(seconds=15)
"""A replica that did not show for so long that it lives has no places any more."""
_HEAD: Final = ""
"""The replica of the row that the takers of one subject lock, so that they take turns."""
_KEY: Final = ("project_id", "subject", "kind", "replica")
_SUBJECT: Final = sa.and_(*(place_leases.c[name] == sa.bindparam(f"at_{name}") for name in _KEY[:3]))
_LOCK: Final = (
    sa.select(place_leases.c.places).where(_SUBJECT, place_leases.c.replica == _HEAD).with_for_update()
)
_DROP_DEAD: Final = sa.delete(place_leases).where(
    _SUBJECT, place_leases.c.replica != _HEAD, place_leases.c.expire_time <= sa.bindparam("now")
)
_OTHERS: Final = sa.select(sa.func.coalesce(sa.func.sum(place_leases.c.places), 0)).where(
    _SUBJECT, place_leases.c.replica != sa.bindparam("at_replica")
)

PlaceKey = tuple[str, str, str]
"""Project, subject (a key's id, or empty for the project as a whole) and kind (`calls`, `streams`)."""


class PlaceLeases:
    """Places by replica; those of all replicas together never exceed the limit that the last taker knew."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def take(self, at: PlaceKey, replica: str, held: int, wanted: int, limit: int) -> int:
        """How many of `wanted` more places a replica gets beside those that it has; 0 if none are left."""
        names = {f"at_{name}": value for name, value in zip(_KEY, (*at, replica), strict=True)}

        def work(connection: Connection) -> int:
            now = to_micros(self._clock())
            connection.execute(self._insert_head(), self._row(at, _HEAD, 0, 0))
            connection.execute(_LOCK, names)
            connection.execute(_DROP_DEAD, names | {"now": now})
            others = int(connection.execute(_OTHERS, names).scalar_one())
            granted = max(0, min(wanted, limit - others - held))
            if granted:
                self._write(connection, at, replica, held + granted)
            return granted

        return await self._database.write(work)

    async def keep(self, replica: str) -> None:
        """Show that a replica lives: its places are its own for another `LEASE_TIME`."""
        statement = sa.update(place_leases).where(place_leases.c.replica == replica)
        await self._database.write(
            lambda connection: connection.execute(statement.values(expire_time=self._expire_time()))
        )

    async def set(self, places: dict[PlaceKey, int], replica: str) -> None:
        """Change how many places a replica has: to give some back."""

        def work(connection: Connection) -> None:
            for at, count in sorted(places.items()):
                self._write(connection, at, replica, count)

        await self._database.write(work)

    async def drop(self, replica: str) -> None:
        """Give back every place of a replica: it stops."""
        statement = sa.delete(place_leases).where(place_leases.c.replica == replica)
        await self._database.write(lambda connection: connection.execute(statement))

    def _write(self, connection: Connection, at: PlaceKey, replica: str, places: int) -> None:
        statement = self._database.dialect.insert(place_leases)
        changed = {name: statement.excluded[name] for name in ("places", "expire_time")}
        statement = statement.on_conflict_do_update(index_elements=list(_KEY), set_=changed)
        connection.execute(statement, self._row(at, replica, places, self._expire_time()))

    def _insert_head(self) -> sa.Insert:
        statement: sa.Insert = self._database.dialect.insert(place_leases).on_conflict_do_nothing()
        return statement

    def _row(self, at: PlaceKey, replica: str, places: int, expire_time: int) -> dict[str, object]:
        key = dict(zip(_KEY, (*at, replica), strict=True))
        return {**key, "places": places, "expire_time": expire_time}

    def _expire_time(self) -> int:
        return to_micros(self._clock() + LEASE_TIME)
