"""Delivers webhooks: reads the log for each, sends what is due, tries again, sets aside what nobody takes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog
from tenacity import RetryCallState, Retrying, wait_exponential, wait_random

from mnemon_service.admin.webhook_events import event_body
from mnemon_service.admin.webhook_sender import Sent, WebhookSender
from mnemon_service.model.errors import Aborted, MnemonError, NotFound
from mnemon_service.model.memory import Version
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.record.webhook import Delivery, DeliveryState, WebhookClaim, WebhookState

LEASE: Final = timedelta(seconds=60)
"""After so long without a sign another replica takes a webhook over; longer than a round of sending."""
IDLE_SECONDS: Final = 5.0
"""How often it looks for work that nothing announces: a lease that ran out, a webhook that was resumed."""
SHORTEST_ROUND_SECONDS: Final = 0.1
"""Between two looks, so that a busy server asks the record ten times a second at most."""
LOG_PAGE: Final = 200
"""Changes read from the log at a time."""
PARALLEL: Final = 8
"""Tries of one webhook at once, each for another memory."""
SUCCEEDED_KEPT: Final = timedelta(days=3)
FAILED_KEPT: Final = timedelta(days=30)
"""How long deliveries can be listed."""
TIDY_SECONDS: Final = 600.0
GONE: Final = 410
"""The receiver says that it will never take it: set aside at once."""

_log = structlog.get_logger("mnemon.webhooks")


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """When a delivery is tried again: 5 s, 20 s, 80 s … up to 6 hours later, and up to a tenth more."""

    attempts: int = 8
    """Tries in all: seven and a half hours of a receiver's absence, then it is a dead letter."""
    first_seconds: float = 5.0
    longest_seconds: float = 6 * 3600.0

    def pause(self, attempts: int) -> float:
        """Seconds to wait after so many tries."""
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = attempts
        base = wait_exponential(multiplier=self.first_seconds, exp_base=4, max=self.longest_seconds)(state)
        return base + wait_random(0, base / 10)(state)


class WebhookDeliverer:
    """Works on the webhooks of all projects, beside the other replicas."""

    def __init__(
        self,
        record: Record,
        sender: WebhookSender,
        schedule: RetrySchedule = RetrySchedule(),
        clock: Clock = utc_now,
    ) -> None:
        self._record = record
        self._sender = sender
        self._schedule = schedule
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()
        self._tidied = 0.0

    def start(self) -> None:
        """Begins to deliver."""
        self._task = asyncio.create_task(self._run(), name="webhooks")

    async def stop(self) -> None:
        """Stops; what was being sent is sent again by who comes next, under the same id."""
        tasks = [task for task in (self._task, *self._sessions) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """A webhook was made, changed or resumed: look at once."""
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            changed = self._record.signal.changes_waiter()
            self._wanted.clear()
            try:
                await self._round()
                await self._tidy()
                pause = await self._pause()
            except MnemonError as error:
                _log.warning("webhooks put off", reason=error.reason.value)
                pause = error.retry_after or 1.0
            await self._wait(changed, pause)

    async def _round(self) -> None:
        for claim in await self._record.deliveries.claim(LEASE):
            session = asyncio.create_task(self._work(claim), name=f"webhook-{claim.webhook.id}")
            self._sessions.add(session)
            session.add_done_callback(self._sessions.discard)

    async def _pause(self) -> float:
        due = await self._record.deliveries.next_due()
        if due is None:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max(0.0, (due - self._clock()).total_seconds()))

    async def _wait(self, changed: Callable[[float], Awaitable[None]], pause: float) -> None:
        """Waits for a change since the look began, or for the pause to pass."""
        await asyncio.sleep(SHORTEST_ROUND_SECONDS)
        if pause <= SHORTEST_ROUND_SECONDS:
            return
        waits = [
            asyncio.ensure_future(changed(pause)),
            asyncio.ensure_future(self._wanted.wait()),
        ]
        try:
            await asyncio.wait(waits, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _tidy(self) -> None:
        if time.monotonic() - self._tidied < TIDY_SECONDS:
            return
        self._tidied = time.monotonic()
        await self._record.deliveries.drop_old(succeeded=SUCCEEDED_KEPT, failed=FAILED_KEPT)

    async def _work(self, claim: WebhookClaim) -> None:
        """One session: until nothing is due, or the webhook was paused, deleted or taken over."""
        try:
            while await self._step(claim):
                pass
            self._wanted.set()  # what was put off may be due before the next look
        except (Aborted, NotFound):
            return
        except MnemonError as error:
            _log.warning("webhook put off", webhook=claim.webhook.id, reason=error.reason.value)
        finally:
            with contextlib.suppress(MnemonError):
                await self._record.deliveries.release(claim)

    async def _step(self, claim: WebhookClaim) -> bool:
        """Queues what is new, sends what is due; True if something was sent."""
        access = Access(claim.webhook.project_id)
        webhook = await self._record.webhooks.get(access, claim.webhook.id)
        if webhook.state is not WebhookState.ACTIVE:
            return False
        claim = replace(claim, webhook=webhook)
        read_on = await self._queue(claim, access)
        due = await self._record.deliveries.due(claim, PARALLEL)
        outcomes = await asyncio.gather(*(self._try(claim, *each) for each in due))
        if outcomes:
            await self._record.deliveries.tried(claim, outcomes, LEASE)
        return read_on or bool(outcomes)

    async def _queue(self, claim: WebhookClaim, access: Access) -> bool:
        """Reads on in the log while there is room; true if there may be more to read."""
        room = min(LOG_PAGE, await self._record.deliveries.room(claim))
        if not room:
            return False
        webhook = claim.webhook
        changes, position = await self._record.log.after(
            access, webhook.read_sequence, limit=room, scope=webhook.scope, events=webhook.events
        )
        if position == webhook.read_sequence:
            return False
        await self._record.deliveries.queue(claim, changes, position, LEASE)
        return True

    async def _try(self, claim: WebhookClaim, delivery: Delivery, version: Version) -> Delivery:
        """One try and what becomes of the delivery."""
        webhook = claim.webhook
        body = event_body(webhook, version)
        sent = await self._sender.send(webhook.url, webhook.secret, delivery.id, int(time.time()), body)
        tried = replace(
            delivery,
            attempts=delivery.attempts + 1,
            response_code=sent.status,
            error=sent.error,
            retry_time=None,
        )
        if sent.succeeded:
            return replace(tried, state=DeliveryState.SUCCEEDED)
        if sent.status == GONE or tried.attempts >= self._schedule.attempts:
            _log.warning("webhook delivery given up", webhook=webhook.id, delivery=delivery.id)
            return replace(tried, state=DeliveryState.FAILED)
        return replace(tried, retry_time=self._clock() + self._after(tried.attempts, sent))

    def _after(self, attempts: int, sent: Sent) -> timedelta:
        return timedelta(seconds=max(self._schedule.pause(attempts), sent.retry_after or 0.0))
