"""The queue of what is to be sent to webhooks: filled from the log, emptied under a lease.

A webhook is worked on by one replica at a time. Its changes are queued in the log's order and sent several
at once, but never two of one memory: the later one waits until the earlier is delivered or given up.
"""

from __future__ import annotations

import builtins
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import Aborted, Reason
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import Version
from mnemon_service.record.database import Database
from mnemon_service.record.dialects import any_of
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.projects import ProjectState
from mnemon_service.record.queries import ONE
from mnemon_service.record.rows import version_columns, version_of
from mnemon_service.record.schema import projects, versions
from mnemon_service.record.selection import Access
from mnemon_service.record.times import Clock, from_micros, optional_micros, optional_time, to_micros
from mnemon_service.record.webhook import Delivery, DeliveryState, WebhookClaim, WebhookState
from mnemon_service.record.webhook_schema import webhook_deliveries, webhooks
from mnemon_service.record.webhooks import ROWS, webhook_of

MAXIMUM_PENDING: Final = 1_000
"""Deliveries of one webhook that wait at once; the log keeps the rest."""

_PENDING: Final = DeliveryState.PENDING.value
_EARLIER: Final = webhook_deliveries.alias("earlier")
_WORK: Final = (
    ROWS.join(projects, projects.c.id == webhooks.c.project_id)
    .where(
        webhooks.c.state == WebhookState.ACTIVE.value,
        webhooks.c.lease_expire_time <= sa.bindparam("now", type_=sa.BigInteger),
        projects.c.state == ProjectState.ACTIVE.value,
        sa.or_(
            projects.c.last_sequence > webhooks.c.read_sequence,
            sa.exists(
                sa.select(ONE).where(
                    webhook_deliveries.c.project_id == webhooks.c.project_id,
                    webhook_deliveries.c.webhook_id == webhooks.c.id,
                    webhook_deliveries.c.state == _PENDING,
                    webhook_deliveries.c.retry_time <= sa.bindparam("now", type_=sa.BigInteger),
                )
            ),
        ),
    )
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_OURS: Final = sa.and_(
    webhook_deliveries.c.project_id == sa.bindparam("project_id"),
    webhook_deliveries.c.webhook_id == sa.bindparam("webhook_id"),
)
_DUE: Final = (
    sa.select(webhook_deliveries)
    .where(
        _OURS,
        webhook_deliveries.c.state == _PENDING,
        webhook_deliveries.c.retry_time <= sa.bindparam("now", type_=sa.BigInteger),
        ~sa.exists(
            sa.select(ONE).where(
                _EARLIER.c.project_id == webhook_deliveries.c.project_id,
                _EARLIER.c.webhook_id == webhook_deliveries.c.webhook_id,
                _EARLIER.c.state == _PENDING,
                _EARLIER.c.memory_id == webhook_deliveries.c.memory_id,
                _EARLIER.c.sequence < webhook_deliveries.c.sequence,
            )
        ),
    )
    .order_by(webhook_deliveries.c.sequence)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_WAITING: Final = sa.select(sa.func.count()).where(_OURS, webhook_deliveries.c.state == _PENDING)
_BLOCKED: Final = (
    sa.select(
        webhook_deliveries.c.memory_id, sa.func.max(webhook_deliveries.c.retry_time).label("retry_time")
    )
    .where(_OURS, webhook_deliveries.c.state == _PENDING, any_of(webhook_deliveries.c.memory_id, "ids"))
    .group_by(webhook_deliveries.c.memory_id)
)
"""Memories with changes that wait, and until when: later ones wait as long, so that nobody looks before."""
_NEXT: Final = sa.select(sa.func.min(webhook_deliveries.c.retry_time)).where(
    webhook_deliveries.c.state == _PENDING,
    sa.exists(
        sa.select(ONE).where(
            webhooks.c.project_id == webhook_deliveries.c.project_id,
            webhooks.c.id == webhook_deliveries.c.webhook_id,
            webhooks.c.state == WebhookState.ACTIVE.value,
        )
    ),
)


class Deliveries:
    """What webhooks are sent."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens

    # What users see

    async def list(
        self,
        access: Access,
        webhook_id: str,
        *,
        state: DeliveryState | None = None,
        page_size: int = 50,
        page_token: str = "",
    ) -> tuple[builtins.list[Delivery], str]:
        """Deliveries of a webhook, newest change first, and the next page's token."""
        name = ["deliveries", access.project_id, webhook_id, state]
        query = sa.select(webhook_deliveries).where(
            webhook_deliveries.c.project_id == access.project_id,
            webhook_deliveries.c.webhook_id == webhook_id,
        )
        if state is not None:
            query = query.where(webhook_deliveries.c.state == state.value)
        if page_token:
            query = query.where(webhook_deliveries.c.sequence < int(self._tokens.read(name, page_token)[0]))
        query = query.order_by(webhook_deliveries.c.sequence.desc()).limit(page_size + 1)

        def work(connection: Connection) -> builtins.list[Delivery]:
            return [_delivery_of(row) for row in connection.execute(query)]

        found = await self._database.read(work)
        if len(found) <= page_size:
            return found, ""
        return found[:page_size], self._tokens.issue(name, [found[page_size - 1].sequence])

    # What workers do

    async def claim(self, lease: timedelta, *, limit: int = 16) -> builtins.list[WebhookClaim]:
        """Webhooks that have something to send now and that nobody works on."""
        now = self._clock()
        parameters = {"now": to_micros(now), "limit": limit}

        def look(connection: Connection) -> builtins.list[Any]:
            return [webhook_of(row) for row in connection.execute(_WORK, parameters)]

        found = await self._database.read(look)
        if not found:
            return []

        def take(connection: Connection) -> builtins.list[WebhookClaim]:
            claims = [WebhookClaim(webhook, secrets.token_hex(16)) for webhook in found]
            until = to_micros(now + lease)
            return [claim for claim in claims if _lease(connection, claim, "", until, free=to_micros(now))]

        return await self._database.write(take)

    async def room(self, claim: WebhookClaim) -> int:
        """How many more deliveries may wait."""
        waiting = await self._database.read(lambda connection: connection.scalar(_WAITING, _key(claim)))
        return max(0, MAXIMUM_PENDING - int(waiting or 0))

    async def queue(
        self, claim: WebhookClaim, changes: Sequence[Version], position: int, lease: timedelta
    ) -> WebhookClaim:
        """Queues changes of the log, which is thereby read up to `position`. Raises `Aborted`
        (CONCURRENT_CHANGE) if the lease is lost or the webhook was deleted."""
        now = self._clock()
        rows = [
            _key(claim)
            | {
                "id": new_id(),
                "sequence": change.sequence,
                "memory_id": change.memory.id,
                "state": _PENDING,
                "update_time": to_micros(now),
                "retry_time": to_micros(now),
            }
            for change in changes
        ]
        insert = self._database.dialect.insert(webhook_deliveries).on_conflict_do_nothing()

        def work(connection: Connection) -> None:
            _hold(connection, claim, to_micros(now + lease), read_sequence=position)
            if rows:
                ids = sorted({row["memory_id"] for row in rows})
                blocked = connection.execute(_BLOCKED, _key(claim) | {"ids": ids})
                later = {row.memory_id: row.retry_time for row in blocked}
                connection.execute(
                    insert,
                    [
                        row | {"retry_time": max(row["retry_time"], later.get(row["memory_id"], 0))}
                        for row in rows
                    ],
                )

        await self._database.write(work)
        return replace(claim, webhook=replace(claim.webhook, read_sequence=position))

    async def due(self, claim: WebhookClaim, limit: int) -> builtins.list[tuple[Delivery, Version]]:
        """What may be sent now, in the log's order, at most one change of each memory."""
        parameters = _key(claim) | {"now": to_micros(self._clock()), "limit": limit}

        def work(connection: Connection) -> builtins.list[tuple[Delivery, Version]]:
            found = [_delivery_of(row) for row in connection.execute(_DUE, parameters)]
            query = sa.select(*version_columns()).where(
                versions.c.project_id == claim.webhook.project_id,
                versions.c.sequence.in_([delivery.sequence for delivery in found]),
            )
            log = {version.sequence: version for version in map(version_of, connection.execute(query))}
            return [(delivery, log[delivery.sequence]) for delivery in found]

        return await self._database.read_snapshot(work)

    async def tried(self, claim: WebhookClaim, outcomes: Sequence[Delivery], lease: timedelta) -> None:
        """Writes what came of tries. Raises `Aborted` (CONCURRENT_CHANGE) if the lease is lost: another
        replica may then try once more."""
        now = to_micros(self._clock())

        def work(connection: Connection) -> None:
            _hold(connection, claim, now + lease // timedelta(microseconds=1))
            for outcome in outcomes:
                connection.execute(
                    sa.update(webhook_deliveries)
                    .where(*_one(claim, outcome.sequence))
                    .values(
                        state=outcome.state.value,
                        attempts=outcome.attempts,
                        response_code=outcome.response_code,
                        error=outcome.error,
                        create_time=sa.func.coalesce(webhook_deliveries.c.create_time, now),
                        update_time=now,
                        retry_time=optional_micros(outcome.retry_time),
                    )
                )
                if outcome.retry_time is not None:
                    _put_off_later(connection, claim, outcome, to_micros(outcome.retry_time))

        await self._database.write(work)

    async def release(self, claim: WebhookClaim) -> None:
        """Gives the webhook back."""
        await self._database.write(lambda connection: _lease(connection, claim, claim.token, 0))

    async def next_due(self) -> datetime | None:
        """When the next waiting delivery is due; None if none waits."""
        micros = await self._database.read(lambda connection: connection.scalar(_NEXT))
        return optional_time(micros)

    async def drop_old(self, *, succeeded: timedelta, failed: timedelta) -> int:
        """Forgets what was delivered, or given up, longer ago."""
        now = self._clock()

        def work(connection: Connection) -> int:
            dropped = 0
            for state, kept in ((DeliveryState.SUCCEEDED, succeeded), (DeliveryState.FAILED, failed)):
                old = sa.delete(webhook_deliveries).where(
                    webhook_deliveries.c.state == state.value,
                    webhook_deliveries.c.update_time < to_micros(now - kept),
                )
                dropped += connection.execute(old).rowcount
            return dropped

        return await self._database.write(work)


def _key(claim: WebhookClaim) -> dict[str, Any]:
    return {"project_id": claim.webhook.project_id, "webhook_id": claim.webhook.id}


def _one(claim: WebhookClaim, sequence: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        webhook_deliveries.c.project_id == claim.webhook.project_id,
        webhook_deliveries.c.webhook_id == claim.webhook.id,
        webhook_deliveries.c.sequence == sequence,
    )


def _put_off_later(connection: Connection, claim: WebhookClaim, tried: Delivery, until: int) -> None:
    """The later changes of a memory wait as long as the one before them."""
    connection.execute(
        sa.update(webhook_deliveries)
        .where(
            webhook_deliveries.c.project_id == claim.webhook.project_id,
            webhook_deliveries.c.webhook_id == claim.webhook.id,
            webhook_deliveries.c.state == _PENDING,
            webhook_deliveries.c.memory_id == tried.memory_id,
            webhook_deliveries.c.sequence > tried.sequence,
            webhook_deliveries.c.retry_time < until,
        )
        .values(retry_time=until)
    )


def _lease(
    connection: Connection, claim: WebhookClaim, held: str, until: int, *, free: int | None = None
) -> bool:
    """Gives the lease to the claim until a time (0: to nobody) if `held` has it, or if it is `free` then."""
    statement = sa.update(webhooks).where(
        webhooks.c.project_id == claim.webhook.project_id, webhooks.c.id == claim.webhook.id
    )
    if free is None:
        statement = statement.where(webhooks.c.lease_token == held)
    else:
        statement = statement.where(webhooks.c.lease_expire_time <= free)
    statement = statement.values(lease_token=claim.token if until else "", lease_expire_time=until)
    return connection.execute(statement).rowcount == 1


def _hold(connection: Connection, claim: WebhookClaim, until: int, **values: int) -> None:
    if not _lease(connection, claim, claim.token, until):
        raise Aborted("another replica delivers for this webhook", reason=Reason.CONCURRENT_CHANGE)
    if values:
        connection.execute(
            sa.update(webhooks)
            .where(webhooks.c.project_id == claim.webhook.project_id, webhooks.c.id == claim.webhook.id)
            .values(values)
        )


def _delivery_of(row: Any) -> Delivery:  # noqa: ANN401 (a row)
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        sequence=row.sequence,
        memory_id=row.memory_id,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        response_code=row.response_code,
        error=row.error,
        create_time=optional_time(row.create_time),
        update_time=from_micros(row.update_time),
        retry_time=optional_time(row.retry_time),
    )
