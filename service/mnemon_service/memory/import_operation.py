"""An import as an operation: listed with its progress while its stream lasts, and ended with it."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

from mnemon_service.model.call import Call
from mnemon_service.model.errors import Aborted, FailedPrecondition, MnemonError, Reason
from mnemon_service.model.scope import Scope
from mnemon_service.record.operation import Claim
from mnemon_service.record.operations import Operations
from mnemon_service.record.worker import HEARTBEAT_SECONDS, LEASE, Progress
from mnemon_service.wire.operations import IMPORT_MEMORIES
from mnemon_service.wire.scopes import access_of

BROKEN: Final = "the stream broke; send the same rows with the same request_id to go on"


class ImportOperation:
    """Holds the operation of one running import. Use it with `async with`.

    An error inside ends it FAILED with that error's reason, a stream that breaks with CANCELLED as the
    reason; `CancelOperation` stops the call with `Aborted` (CANCELLED).
    """

    def __init__(
        self,
        operations: Operations,
        call: Call,
        scope: Scope,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._operations = operations
        self._call = call
        self._scope = scope
        self._heartbeat_seconds = heartbeat_seconds
        self._claim: Claim | None = None
        self._heart: asyncio.Task[None] | None = None
        self._task: asyncio.Task[object] | None = None
        self._stopped: MnemonError | None = None
        self.progress = Progress(done=0)

    @property
    def claim(self) -> Claim:
        """The right to the operation; what is committed under it counts as its progress."""
        if self._claim is None:
            raise AssertionError("the operation was not begun")
        return self._claim

    @property
    def id(self) -> str:
        """UUIDv7 of the operation."""
        return self.claim.operation.id

    async def __aenter__(self) -> Self:
        caller = self._call.caller
        self._task = asyncio.current_task()
        self._claim = await self._operations.begin(
            access_of(caller), IMPORT_MEMORIES, actor_key=caller.key_id, scope=self._scope, lease=LEASE
        )
        self._heart = asyncio.create_task(self._beat(), name="import-heartbeat")
        return self

    async def succeed(self, result: bytes) -> None:
        """Ends it well."""
        await self._stop_beating()
        await self._operations.heartbeat(self.claim, LEASE, done=self.progress.done)
        await self._operations.succeed(self.claim, result)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_beating()
        if error is None:
            return
        if self._stopped is not None and isinstance(error, asyncio.CancelledError):
            if self._task is not None:
                self._task.uncancel()
            raise self._stopped
        with contextlib.suppress(MnemonError):  # its lease runs out, then a worker ends it
            if isinstance(error, MnemonError):
                await self._operations.fail(self.claim, error.reason.value, error.message)
            elif isinstance(error, asyncio.CancelledError):
                await self._operations.fail(self.claim, Reason.CANCELLED.value, BROKEN)
            else:
                await self._operations.fail(self.claim, Reason.INTERNAL.value, "the service failed")

    async def _beat(self) -> None:
        """Holds the lease; stops the call when somebody cancels the operation or another has it."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            try:
                stop = await self._operations.heartbeat(self.claim, LEASE, done=self.progress.done)
                if stop:
                    await self._operations.cancelled(self.claim)
                    self._end(Aborted("the import was cancelled", reason=Reason.CANCELLED))
                    return
            except Aborted as error:
                self._end(error)
                return
            except MnemonError:
                continue  # the record is away: the lease lasts a few heartbeats more

    def _end(self, error: MnemonError) -> None:
        self._stopped = error
        if self._task is not None:
            self._task.cancel()

    async def _stop_beating(self) -> None:
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.gather(self._heart, return_exceptions=True)


class BrokenImports:
    """Ends the operations of imports whose server died: nobody can go on with a stream but its client."""

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Raises `FailedPrecondition`, which ends the operation with a readable reason."""
        raise FailedPrecondition(BROKEN, reason=Reason.CANCELLED)
