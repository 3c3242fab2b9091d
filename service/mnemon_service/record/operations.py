"""The queue of work in the background: listed by users, claimed by workers with leases."""

from __future__ import annotations

import asyncio
import builtins
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import FailedPrecondition, NotFound, Reason
from mnemon_service.model.ids import new_id
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.committing import NOTIFY, operation_values, update_claimed
from mnemon_service.record.database import Database, Result, Work
from mnemon_service.record.operation import Claim, Operation, OperationState
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.pending import ClaimUpdate
from mnemon_service.record.rows import checked_text
from mnemon_service.record.schema import operations
from mnemon_service.record.selection import Access
from mnemon_service.record.signal import OPERATIONS, ChangeSignal
from mnemon_service.record.times import Clock, from_micros, optional_time, to_micros

_PENDING: Final = OperationState.PENDING.value
_RUNNING: Final = OperationState.RUNNING.value
_COLUMNS: Final = [
    column
    for column in operations.c
    if column.name not in ("lease_token", "lease_worker", "lease_expire_time")
]
_IN_PROJECT: Final = operations.c.project_id == sa.bindparam("project_id")
_GET: Final = sa.select(*_COLUMNS).where(_IN_PROJECT, operations.c.id == sa.bindparam("id"))


class Operations:
    """Work is put in with `Write.enqueue`. A lease that runs out unheard is claimed by another worker."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens, signal: ChangeSignal) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._signal = signal

    # What users see

    async def get(self, access: Access, operation_id: str) -> Operation:
        """One operation. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        return await self._database.read(lambda connection: _get(connection, access, operation_id))

    async def list(
        self,
        access: Access,
        *,
        states: Sequence[OperationState] = (),
        types: Sequence[str] = (),
        page_size: int = 50,
        page_token: str = "",
    ) -> tuple[builtins.list[Operation], str]:
        """Operations, newest first, and the next page's token."""
        name = ["operations", repr(access), [state.value for state in states], builtins.list(types)]
        query = sa.select(*_COLUMNS).where(operations.c.project_id == access.project_id)
        for field, value in access.bound.named().items():
            query = query.where(operations.c[field] == value)
        if states:
            query = query.where(operations.c.state.in_([state.value for state in states]))
        if types:
            query = query.where(operations.c.type.in_([checked_text("types", one) for one in types]))
        key = sa.tuple_(operations.c.create_time, operations.c.id)
        if page_token:
            time, operation_id = self._tokens.read(name, page_token)
            query = query.where(key < sa.tuple_(sa.literal(time, sa.BigInteger), sa.literal(operation_id)))
        query = query.order_by(operations.c.create_time.desc(), operations.c.id.desc()).limit(page_size + 1)

        def work(connection: Connection) -> builtins.list[Operation]:
            return [_operation_of(row) for row in connection.execute(query)]

        found = await self._database.read(work)
        if len(found) <= page_size:
            return found, ""
        last = found[page_size - 1]
        return found[:page_size], self._tokens.issue(name, [to_micros(last.create_time), last.id])

    async def wait(self, access: Access, operation_id: str, timeout: float) -> Operation:
        """The operation once it is finished, or as it is after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            waiter = self._signal.operations_waiter()
            operation = await self.get(access, operation_id)
            left = end - loop.time()
            if operation.state.is_final or left <= 0:
                return operation
            await waiter(left)

    async def request_cancel(self, access: Access, operation_id: str) -> Operation:
        """Cancel a pending operation at once; ask a running one to stop. Raises `FailedPrecondition`
        (OPERATION_NOT_CANCELLABLE) for a finished one."""
        now = to_micros(self._clock())

        def work(connection: Connection) -> Operation:
            operation = _get(connection, access, operation_id, lock=True)
            if operation.state.is_final:
                raise FailedPrecondition("the operation has ended", reason=Reason.OPERATION_NOT_CANCELLABLE)
            values: dict[str, Any] = {"cancel_requested": True, "update_time": now}
            if operation.state is OperationState.PENDING:
                values |= {"state": OperationState.CANCELLED.value, "end_time": now, "payload": b""}
            connection.execute(_row(access.project_id, operation_id).values(values))
            self._notify(connection)
            return _get(connection, access, operation_id)

        return await self._changed(work)

    # What calls do that are operations themselves

    async def begin(
        self, access: Access, operation_type: str, *, actor_key: str, scope: Scope, lease: timedelta
    ) -> Claim:
        """An operation that runs at once, in the hands of the caller: hold it with `heartbeat`, end it
        with `succeed`, `fail` or `cancelled`. If its holder dies, a worker of this type claims it."""
        now = self._clock()
        operation = Operation(
            id=new_id(),
            project_id=access.project_id,
            type=operation_type,
            state=OperationState.RUNNING,
            scope=scope.narrowed_by(access.bound) or access.bound,
            actor_key=actor_key,
            payload=b"",
            create_time=now,
            update_time=now,
            attempts=1,
            start_time=now,
            available_time=now,
        )
        claim = Claim(operation, secrets.token_hex(16))
        values = operation_values(operation) | {
            "attempts": 1,
            "start_time": to_micros(now),
            "lease_token": claim.token,
            "lease_expire_time": to_micros(now + lease),
        }
        await self._changed(lambda connection: connection.execute(sa.insert(operations), values))
        return claim

    # What workers do

    async def claim(
        self, worker: str, *, types: Sequence[str], lease: timedelta, per_project: int = 4
    ) -> Claim | None:
        """The next work for a worker, or None.

        The project with the fewest running operations comes first, then the one that has waited longest,
        so that a project with many does not keep the others waiting; none runs more than `per_project`.
        """

        def work(connection: Connection) -> Claim | None:
            now = to_micros(self._clock())
            for project_id in _projects_in_turn(connection, types, per_project, now):
                row = connection.execute(_next(project_id, types, now)).one_or_none()
                if row is not None:
                    return _take(connection, row, worker, now, to_micros(self._clock() + lease))
            return None

        return await self._database.write(work)

    async def release_all(self) -> None:
        """Let every lease run out now: for the one process that has the whole record to itself, which
        knows at its start that whoever held one is dead."""
        running = sa.update(operations).where(operations.c.state == _RUNNING).values(lease_expire_time=0)
        await self._database.write(lambda connection: connection.execute(running))

    async def wait_for_work(self, timeout: float) -> None:
        """Returns when work may be there, at the latest after `timeout` seconds. Work that waits for its
        time (backoff, a lost lease) announces nothing: look again after the timeout."""
        await self._signal.wait_operations(timeout)

    async def heartbeat(
        self, claim: Claim, lease: timedelta, *, done: int | None = None, total: int | None = None
    ) -> bool:
        """Hold the lease longer; True if the caller asked to cancel. Raises `Aborted` (CONCURRENT_CHANGE)
        if the claim is lost: stop, another worker has it."""
        now = self._clock()
        values: dict[str, object] = {"lease_expire_time": to_micros(now + lease)}
        if done is not None:
            values["progress_done"] = done
        if total is not None:
            values["progress_total"] = total
        key = operations.c.project_id == claim.operation.project_id, operations.c.id == claim.operation.id

        def work(connection: Connection) -> bool:
            update_claimed(connection, _update(claim, values), to_micros(now))
            return bool(connection.scalar(sa.select(operations.c.cancel_requested).where(*key)))

        return await self._database.write(work)

    async def succeed(self, claim: Claim, result: bytes = b"") -> None:
        """End it well."""
        await self._end(claim, OperationState.SUCCEEDED, {"result": result})

    async def fail(self, claim: Claim, reason: str, message: str) -> None:
        """End it with an error that its owner can read."""
        await self._end(claim, OperationState.FAILED, {"error_reason": reason, "error_message": message})

    async def cancelled(self, claim: Claim) -> None:
        """End it because its owner asked for it."""
        await self._end(claim, OperationState.CANCELLED, {})

    async def _end(self, claim: Claim, state: OperationState, values: dict[str, object]) -> None:
        """Its payload and checkpoint go: nobody needs their content any more."""
        await self._change(claim, values | {"state": state.value, "payload": b"", "checkpoint": b""})

    async def retry_later(self, claim: Claim, delay: timedelta, reason: str, message: str) -> None:
        """Give it back to the queue; it is claimed again after `delay`."""
        available = to_micros(self._clock() + delay)
        await self._change(
            claim,
            {
                "state": _PENDING,
                "available_time": available,
                "error_reason": reason,
                "error_message": message,
            },
        )

    async def _change(self, claim: Claim, values: dict[str, object]) -> None:
        def work(connection: Connection) -> None:
            update_claimed(connection, _update(claim, values), to_micros(self._clock()))
            self._notify(connection)

        await self._changed(work)

    async def _changed(self, work: Work[Result]) -> Result:
        result = await self._database.write(work)
        self._signal.announce_operations()
        return result

    def _notify(self, connection: Connection) -> None:
        if self._database.dialect.name == "postgresql":
            connection.execute(NOTIFY, {"payload": OPERATIONS})


def _update(claim: Claim, values: dict[str, object]) -> ClaimUpdate:
    return ClaimUpdate(claim.token, claim.operation.project_id, claim.operation.id, values)


def _row(project_id: str, operation_id: str) -> sa.Update:
    return sa.update(operations).where(operations.c.project_id == project_id, operations.c.id == operation_id)


def _get(connection: Connection, access: Access, operation_id: str, *, lock: bool = False) -> Operation:
    query = _GET.with_for_update() if lock else _GET
    key = {"project_id": access.project_id, "id": operation_id}
    row = None if "\x00" in operation_id else connection.execute(query, key).one_or_none()
    found = None if row is None else _operation_of(row)
    if found is None or not access.bound.selects(found.scope):
        raise NotFound("there is no such operation", reason=Reason.RESOURCE_NOT_FOUND)
    return found


def _claimable(types: Sequence[str], now: int) -> sa.ColumnElement[bool]:
    """Waiting and due, or running under a lease that has run out."""
    return sa.and_(
        operations.c.type.in_(types),
        sa.or_(
            sa.and_(operations.c.state == _PENDING, operations.c.available_time <= now),
            sa.and_(operations.c.state == _RUNNING, operations.c.lease_expire_time <= now),
        ),
    )


def _projects_in_turn(connection: Connection, types: Sequence[str], per_project: int, now: int) -> list[str]:
    """Projects that have work and may run more, in the order of their turn."""
    held = sa.and_(operations.c.state == _RUNNING, operations.c.lease_expire_time > now)
    running = sa.func.sum(sa.case((held, 1), else_=0))
    waiting = sa.func.min(sa.case((_claimable(types, now), operations.c.available_time)))
    query = (
        sa.select(operations.c.project_id)
        .where(operations.c.state.in_([_PENDING, _RUNNING]))
        .group_by(operations.c.project_id)
        .having(running < per_project, waiting.is_not(None))
        .order_by(running, waiting, operations.c.project_id)
        .limit(_PROJECTS_TRIED)
    )
    return list(connection.scalars(query))


_PROJECTS_TRIED: Final = 16
"""Other workers may take a project's last work meanwhile; then the next one is tried."""


def _next(project_id: str, types: Sequence[str], now: int) -> sa.Select[Any]:
    return (
        sa.select(*_COLUMNS)
        .where(operations.c.project_id == project_id, _claimable(types, now))
        .order_by(operations.c.available_time, operations.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _take(connection: Connection, row: Any, worker: str, now: int, expires: int) -> Claim:  # noqa: ANN401
    operation, token = _operation_of(row), secrets.token_hex(16)
    started = row.start_time if row.start_time is not None else now
    connection.execute(
        _row(operation.project_id, operation.id).values(
            state=_RUNNING,
            attempts=operation.attempts + 1,
            lease_token=token,
            lease_worker=worker,
            lease_expire_time=expires,
            start_time=started,
            update_time=now,
        )
    )
    taken = replace(
        operation,
        state=OperationState.RUNNING,
        attempts=operation.attempts + 1,
        start_time=from_micros(started),
        update_time=from_micros(now),
    )
    return Claim(taken, token)


def _operation_of(row: Any) -> Operation:  # noqa: ANN401
    return Operation(
        id=row.id,
        project_id=row.project_id,
        type=row.type,
        state=OperationState(row.state),
        scope=Scope(*(getattr(row, field) for field in SCOPE_FIELDS)),
        actor_key=row.actor_key,
        payload=row.payload,
        create_time=from_micros(row.create_time),
        update_time=from_micros(row.update_time),
        checkpoint=row.checkpoint,
        result=row.result,
        progress_done=row.progress_done,
        progress_total=row.progress_total,
        error_reason=row.error_reason,
        error_message=row.error_message,
        attempts=row.attempts,
        cancel_requested=bool(row.cancel_requested),
        start_time=optional_time(row.start_time),
        end_time=optional_time(row.end_time),
        available_time=from_micros(row.available_time),
    )
