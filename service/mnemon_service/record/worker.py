"""Does the work in the queue: claims, holds the lease, tries again, gives up with a readable error."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import structlog
from tenacity import RetryCallState, Retrying, wait_random_exponential

from mnemon_service.model.errors import (
    Aborted,
    FailedPrecondition,
    Internal,
    MnemonError,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from mnemon_service.model.ids import new_id
from mnemon_service.record.operation import Claim, Operation
from mnemon_service.record.operations import Operations

LEASE: Final = timedelta(seconds=30)
"""After this long without a heartbeat another worker takes over."""
HEARTBEAT_SECONDS: Final = 5.0
"""How often a worker says that it is still there, and hears whether it should stop."""
MAXIMUM_ATTEMPTS: Final = 6
"""Tries before an operation is given up: with the pauses below, some minutes of a provider's absence."""
MAXIMUM_CLAIMS: Final = 24
"""Claims after which an operation is not begun again: it has outlived so many workers that it may be what
ends them. More than the tries above, since a server that stops gives back what it has begun."""
IDLE_SECONDS: Final = 5.0
"""How often a worker looks for work whose time has come (backoff, lost leases): nothing announces it."""
_TRANSIENT: Final = (Unavailable, ResourceExhausted, Aborted, Internal)

_OUTLIVED: Final = f"given up: {MAXIMUM_CLAIMS} workers began it and none came to an end"

_backoff = wait_random_exponential(multiplier=2.0, max=120.0)
_log = structlog.get_logger("mnemon.operations")


@dataclass(slots=True)
class Progress:
    """How far the work is; the next heartbeat tells."""

    done: int | None = None
    total: int | None = None


class Handler(Protocol):
    """Does one type of operation."""

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Does the work; its result, or None if it has completed the claim together with its last effect.

        It may be run again after a crash: effects must be tied to the claim (`Write.checkpoint`,
        `Write.complete`) or change nothing the second time. Raises `MnemonError`; what can be waited out
        (`Unavailable`, `ResourceExhausted`, `Aborted`) is tried again.
        """
        ...


class OperationWorkers:
    """Workers of this process."""

    def __init__(
        self,
        operations: Operations,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int = 4,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._operations = operations
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._heartbeat_seconds = heartbeat_seconds
        self._name = new_id()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        """Begins to work."""
        self._stopping = False
        self._tasks = [
            asyncio.create_task(self._work(), name=f"operations-{number}")
            for number in range(self._concurrency)
        ]

    async def stop(self) -> None:
        """Stops at once; what was begun goes back to the queue and is gone on with by the next worker."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while not self._stopping:
            try:
                await self._next()
            except MnemonError as error:
                _log.warning("operation queue unavailable", reason=error.reason)
                await asyncio.sleep(error.retry_after or 1.0)
            except Exception as error:  # a fault of ours must not leave the queue without workers
                _log.error("operation worker failed", exception=type(error).__name__)
                await asyncio.sleep(1.0)

    async def _next(self) -> None:
        claim = await self._operations.claim(self._name, types=sorted(self._handlers), lease=LEASE)
        if claim is None:
            await self._operations.wait_for_work(IDLE_SECONDS)
        elif claim.operation.attempts > MAXIMUM_CLAIMS:
            await self._failed(claim, FailedPrecondition(_OUTLIVED, reason=Reason.INTERNAL))
        else:
            await self._do(claim)

    async def _do(self, claim: Claim) -> None:
        """One attempt, from claim to its end."""
        operation = claim.operation
        progress = Progress()
        work = asyncio.create_task(self._handlers[operation.type].run(claim, progress))
        heart = asyncio.create_task(self._beat(claim, progress, work))
        try:
            result = await work
            if result is not None:
                await self._operations.succeed(claim, result)
        except asyncio.CancelledError:
            await self._interrupted(claim, heart)
        except MnemonError as error:
            await self._failed(claim, error)
        except Exception as error:
            _log.error("operation failed", operation=operation.id, exception=type(error).__name__)
            await self._failed(claim, Internal("the service failed while it worked on this operation"))
        finally:
            await _ended(work)
            await _ended(heart)

    async def _beat(self, claim: Claim, progress: Progress, work: asyncio.Task[bytes | None]) -> None:
        """Holds the lease; stops the work when its owner cancels it or the lease is lost."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            try:
                stop = await self._operations.heartbeat(
                    claim, LEASE, done=progress.done, total=progress.total
                )
            except Aborted:
                work.cancel()
                return
            except MnemonError:
                continue  # the database is away: the lease lasts a few heartbeats more
            if stop:
                work.cancel()
                await self._operations.cancelled(claim)
                return

    async def _interrupted(self, claim: Claim, heart: asyncio.Task[None]) -> None:
        """The work was stopped: by its owner (the heartbeat ended it), or because this process ends."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            with contextlib.suppress(MnemonError):
                await self._operations.retry_later(claim, timedelta(0), "", "")
            raise asyncio.CancelledError
        with contextlib.suppress(MnemonError):
            await heart

    async def _failed(self, claim: Claim, error: MnemonError) -> None:
        operation = claim.operation
        with contextlib.suppress(Aborted):  # the claim is lost: whoever has it now decides
            if isinstance(error, _TRANSIENT) and operation.attempts < MAXIMUM_ATTEMPTS:
                delay = error.retry_after or _pause(operation)
                await self._operations.retry_later(
                    claim, timedelta(seconds=delay), error.reason.value, error.message
                )
            else:
                await self._operations.fail(claim, error.reason.value, error.message)


def _pause(operation: Operation) -> float:
    """Seconds before the next attempt: random, up to 2, 4, 8 … 120."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = operation.attempts
    return float(_backoff(state))


async def _ended(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
