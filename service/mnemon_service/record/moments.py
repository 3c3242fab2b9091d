"""Moments of a project's log: a position, and the time that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import InvalidArgument, NotFound, OutOfRange, Reason
from mnemon_service.record.rows import Values
from mnemon_service.record.schema import projects, versions
from mnemon_service.record.selection import AsOf
from mnemon_service.record.times import to_micros

_LAST: Final = sa.select(projects.c.last_sequence).where(projects.c.id == sa.bindparam("project_id"))
_TIME_AT: Final = sa.select(versions.c.record_time).where(
    versions.c.project_id == sa.bindparam("project_id"), versions.c.sequence == sa.bindparam("sequence")
)
_POSITION_AT: Final = (
    sa.select(versions.c.sequence)
    .where(
        versions.c.project_id == sa.bindparam("project_id"),
        versions.c.record_time <= sa.bindparam("time", type_=sa.BigInteger),
    )
    .order_by(versions.c.record_time.desc(), versions.c.sequence.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of the log, and the time by which memories have expired or not."""

    position: int
    now: int

    def parameters(self) -> Values:
        """What `queries.selecting` needs to know of it."""
        return {"position": self.position, "now": self.now}


def last_sequence(connection: Connection, project_id: str) -> int:
    """Where a project's log ends. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
    found = connection.scalar(_LAST, {"project_id": project_id})
    if found is None:
        raise NotFound("there is no such project", reason=Reason.RESOURCE_NOT_FOUND)
    return int(found)


def past_moment(connection: Connection, project_id: str, as_of: AsOf) -> Moment:
    """The moment that a caller names. Raises `InvalidArgument` unless exactly one of position and time is
    given, `OutOfRange` (HISTORY_ERASED) for a position that the log has not reached."""
    if as_of.time is not None and as_of.sequence is None:
        time = to_micros(as_of.time)
        position = connection.scalar(_POSITION_AT, {"project_id": project_id, "time": time})
        return Moment(int(position or 0), time)
    if as_of.sequence is None or as_of.time is not None or as_of.sequence < 0:
        raise InvalidArgument.of("as_of", "must name either a log position or a time")
    if as_of.sequence == 0:
        return Moment(0, 0)
    found = connection.scalar(_TIME_AT, {"project_id": project_id, "sequence": as_of.sequence})
    if found is None:
        raise OutOfRange("the log does not reach this position", reason=Reason.HISTORY_ERASED)
    return Moment(as_of.sequence, int(found))
