"""What callers say of memories: how good each was for its purpose."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.ids import new_id
from mnemon_service.record.database import Database, Work
from mnemon_service.record.dialects import any_of
from mnemon_service.record.rows import checked_text
from mnemon_service.record.schema import String, metadata
from mnemon_service.record.selection import Access
from mnemon_service.record.times import Clock, to_micros

feedback: Final = sa.Table(
    "feedback",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("id", String, nullable=False),
    sa.Column("memory_id", String, nullable=False),
    sa.Column("rating", String, nullable=False),
    sa.Column("reason", String, nullable=False, server_default=""),
    sa.Column("actor_key", String, nullable=False, server_default=""),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.Index("ix_feedback_memory", "project_id", "memory_id", "id"),
)

_OF_MEMORIES: Final = (
    sa.select(feedback.c.id, feedback.c.memory_id, feedback.c.rating, feedback.c.reason)
    .where(feedback.c.project_id == sa.bindparam("project_id"), any_of(feedback.c.memory_id, "ids"))
    .order_by(feedback.c.id)
)
_DROP: Final = sa.delete(feedback).where(
    feedback.c.project_id == sa.bindparam("project"), any_of(feedback.c.memory_id, "ids")
)


class Rating(enum.StrEnum):
    """How good a memory was."""

    POSITIVE = "POSITIVE"
    NEGATIVE = "NEGATIVE"
    VERY_NEGATIVE = "VERY_NEGATIVE"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One judgement about a memory."""

    id: str
    memory_id: str
    rating: Rating
    reason: str


class Feedback:
    """Judgements; an erasure of a memory takes its own with it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def adding(
        self, access: Access, memory_id: str, rating: Rating, reason: str, actor_key: str
    ) -> Work[str]:
        """A part of a write (`Write.run`) that stores a judgement and gives its id. Look first whether
        the memory is there (`Write.current`)."""
        values = {
            "project_id": access.project_id,
            "id": new_id(),
            "memory_id": memory_id,
            "rating": rating.value,
            "reason": checked_text("reason", reason),
            "actor_key": actor_key,
            "create_time": to_micros(self._clock()),
        }

        def work(connection: Connection) -> str:
            connection.execute(sa.insert(feedback), values)
            return str(values["id"])

        return work

    async def of(self, access: Access, memory_ids: list[str]) -> list[Judgement]:
        """Everything that was said of these memories, oldest first. The ids are those that the access
        holds."""
        parameters = {"project_id": access.project_id, "ids": memory_ids}

        def work(connection: Connection) -> list[Judgement]:
            return [
                Judgement(row.id, row.memory_id, Rating(row.rating), row.reason)
                for row in connection.execute(_OF_MEMORIES, parameters)
            ]

        return await self._database.read(work)


def drop_feedback(connection: Connection, project_id: str, memory_ids: list[str]) -> None:
    """Erase what was said of these memories."""
    connection.execute(_DROP, {"project": project_id, "ids": memory_ids})
