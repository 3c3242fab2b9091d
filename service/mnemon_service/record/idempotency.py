"""Answers to requests, kept with their effect, so that a request takes effect once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import AlreadyExists, OutOfRange, Reason
from mnemon_service.record.dialects import any_of
from mnemon_service.record.schema import answer_owners, idempotency
from mnemon_service.record.selection import Access, RequestKey

_FIND: Final = sa.select(idempotency.c.method, idempotency.c.body_hash, idempotency.c.answer).where(
    idempotency.c.project_id == sa.bindparam("project_id"),
    idempotency.c.request_id == sa.bindparam("request_id"),
)
_BLANK: Final = (
    sa.update(idempotency)
    .where(
        idempotency.c.project_id == sa.bindparam("project"),
        idempotency.c.answer.is_not(None),
        idempotency.c.request_id.in_(
            sa.select(answer_owners.c.request_id).where(
                answer_owners.c.project_id == sa.bindparam("project"),
                any_of(answer_owners.c.owner, "owners"),
            )
        ),
    )
    .values(answer=None)
)


def find_answer(connection: Connection, access: Access, request: RequestKey) -> bytes | None:
    """The answer given to this request before, or None.

    Raises `AlreadyExists` (REQUEST_ID_REUSED) if the id named another request, `OutOfRange`
    (HISTORY_ERASED) if the answer showed what has been erased since.
    """
    found = connection.execute(
        _FIND, {"project_id": access.project_id, "request_id": request.request_id}
    ).one_or_none()
    if found is None:
        return None
    if (found.method, found.body_hash) != (request.method, request.body_hash):
        raise AlreadyExists("this request_id was used for another request", reason=Reason.REQUEST_ID_REUSED)
    if found.answer is None:
        raise OutOfRange(
            "this request took effect; its answer was erased with the memories in it",
            reason=Reason.HISTORY_ERASED,
        )
    answer: bytes = found.answer
    return answer


def keep_answer(
    connection: Connection,
    access: Access,
    request: RequestKey,
    answer: bytes,
    owners: Iterable[str],
    now: int,
) -> None:
    """Keep an answer that may show memories of these owners (`Scope.owner`)."""
    names: dict[str, Any] = {"project_id": access.project_id, "request_id": request.request_id}
    connection.execute(
        sa.insert(idempotency),
        names
        | {"method": request.method, "body_hash": request.body_hash, "answer": answer, "create_time": now},
    )
    if rows := [names | {"owner": owner} for owner in sorted(set(owners))]:
        connection.execute(sa.insert(answer_owners), rows)


def blank_answers(connection: Connection, project_id: str, owners: Iterable[str]) -> int:
    """Erase the answers that may show memories of these owners, and say how many; their requests still
    count as done."""
    return connection.execute(_BLANK, {"project": project_id, "owners": sorted(set(owners))}).rowcount
