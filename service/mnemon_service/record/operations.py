"""The queue of work in the background: listed by users, claimed by workers with leases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from mnemon_service.record.operation import Claim, Operation, OperationState
from mnemon_service.record.selection import Access


class Operations:
    """Work is put in with `Write.enqueue`. A lease that runs out unheard is claimed by another worker."""

    async def get(self, access: Access, operation_id: str) -> Operation:
        """One operation. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        raise NotImplementedError

    async def list(
        self,
        access: Access,
        *,
        states: Sequence[OperationState] = (),
        types: Sequence[str] = (),
        page_size: int = 50,
        page_token: str = "",
    ) -> tuple[list[Operation], str]:
        """Operations, newest first, and the next page's token."""
        raise NotImplementedError

    async def wait(self, access: Access, operation_id: str, timeout: float) -> Operation:
        """The operation once it is finished, or as it is after `timeout` seconds."""
        raise NotImplementedError

    async def request_cancel(self, access: Access, operation_id: str) -> Operation:
        """Cancel a pending operation at once; ask a running one to stop. Raises `FailedPrecondition`
        (OPERATION_NOT_CANCELLABLE) for a finished one."""
        raise NotImplementedError

    async def claim(
        self, worker: str, *, types: Sequence[str], lease: timedelta, per_project: int = 4
    ) -> Claim | None:
        """The next work for a worker, or None.

        The project with the fewest running operations comes first, then the one that has waited longest,
        so that a project with many does not keep the others waiting; none runs more than `per_project`.
        """
        raise NotImplementedError

    async def wait_for_work(self, timeout: float) -> None:
        """Returns when work may be there, at the latest after `timeout` seconds."""
        raise NotImplementedError

    async def heartbeat(
        self, claim: Claim, lease: timedelta, *, done: int | None = None, total: int | None = None
    ) -> bool:
        """Hold the lease longer; True if the caller asked to cancel. Raises `Aborted` (CONCURRENT_CHANGE)
        if the claim is lost: stop, another worker has it."""
        raise NotImplementedError

    async def succeed(self, claim: Claim, result: bytes = b"") -> None:
        """End it well."""
        raise NotImplementedError

    async def fail(self, claim: Claim, reason: str, message: str) -> None:
        """End it with an error that its owner can read."""
        raise NotImplementedError

    async def cancelled(self, claim: Claim) -> None:
        """End it because its owner asked for it."""
        raise NotImplementedError

    async def retry_later(self, claim: Claim, delay: timedelta, reason: str, message: str) -> None:
        """Give it back to the queue; it is claimed again after `delay`."""
        raise NotImplementedError
