"""Requests that projects and keys may make now, counted for all replicas together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.record.administration_schema import rate_buckets
from mnemon_service.record.database import Database
from mnemon_service.record.times import Clock, to_micros, utc_now

_AT: Final = sa.and_(
    rate_buckets.c.project_id == sa.bindparam("at_project"),
    rate_buckets.c.subject == sa.bindparam("at_subject"),
)
_FULL_TIME: Final = sa.select(rate_buckets.c.full_time).where(_AT).with_for_update()
_MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What a bucket gave."""

    count: int
    wait_seconds: float = 0.0
    """How long until it holds one, if it gave none."""


class RateBuckets:
    """One bucket for each subject: a key's id, or empty for the project as a whole.

    A bucket is one time, the one at which it will be full (the generic cell rate algorithm, ITU-T I.371):
    taking a token moves it on by 1/rate. A changed rate needs no change of the row.
    """

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def take(self, project_id: str, subject: str, rate: float, capacity: float, wanted: int) -> Taken:
        """Up to `wanted` tokens, as many as the bucket holds; it is filled at `rate` a second (above 0) up to
        `capacity` (1 or more). Replicas whose clocks differ get no more than that together."""
        at = {"at_project": project_id, "at_subject": subject}
        row = {"project_id": project_id, "subject": subject, "full_time": 0}
        insert = self._database.dialect.insert(rate_buckets).on_conflict_do_nothing()
        update = sa.update(rate_buckets).where(_AT)

        def work(connection: Connection) -> Taken:
            now = to_micros(self._clock())
            connection.execute(insert, row)
            full_time = max(int(connection.execute(_FULL_TIME, at).scalar_one()), now)
            held = capacity - (full_time - now) * rate / _MICROS
            count = min(wanted, math.floor(held + 1e-6))
            if count < 1:
                return Taken(0, (1 - held) / rate)
            moved = full_time + math.ceil(count * _MICROS / rate)
            connection.execute(update.values(full_time=moved), at)
            return Taken(count)

        return await self._database.write(work)
