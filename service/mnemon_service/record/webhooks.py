"""Webhooks: making, reading, changing and deleting them, each change with its entry in the audit log."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import Aborted, FailedPrecondition, NotFound, Reason
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import VersionEvent
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.audit import Audit, AuditEvent
from mnemon_service.record.database import Database
from mnemon_service.record.moments import last_sequence
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.rows import checked_text
from mnemon_service.record.selection import Access
from mnemon_service.record.times import Clock, from_micros, optional_micros
from mnemon_service.record.webhook import DeliveryState, Webhook, WebhookState
from mnemon_service.record.webhook_schema import webhook_deliveries, webhooks

MAXIMUM_WEBHOOKS: Final = 100
"""Of one project."""

_FIRST_PENDING: Final = (
    sa.select(sa.func.min(webhook_deliveries.c.sequence))
    .where(
        webhook_deliveries.c.project_id == webhooks.c.project_id,
        webhook_deliveries.c.webhook_id == webhooks.c.id,
        webhook_deliveries.c.state == sa.literal_column(f"'{DeliveryState.PENDING.value}'"),
    )
    .scalar_subquery()
)
ROWS: Final = sa.select(
    *(column for column in webhooks.c if not column.name.startswith("lease")),
    _FIRST_PENDING.label("first_pending"),
)
"""What `webhook_of` reads."""
_GET: Final = ROWS.where(
    webhooks.c.project_id == sa.bindparam("project_id"), webhooks.c.id == sa.bindparam("id")
)
_REWRITE_SECRET: Final = (
    sa.update(webhooks)
    .where(
        webhooks.c.project_id == sa.bindparam("project"),
        webhooks.c.id == sa.bindparam("webhook"),
        webhooks.c.secret == sa.bindparam("before", type_=sa.LargeBinary),
    )
    .values(secret=sa.bindparam("after", type_=sa.LargeBinary))
)


class Webhooks:
    """Care of the webhooks of projects."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._audit = audit

    async def create(self, webhook: Webhook, event: AuditEvent, *, from_beginning: bool) -> Webhook:
        """A new webhook like this one, with an id of its own; it begins at the log's start or end.

        Raises `NotFound` (RESOURCE_NOT_FOUND) for an unknown project, `FailedPrecondition`
        (QUOTA_EXCEEDED) past 100 webhooks of a project.
        """
        made = replace(webhook, id=new_id(), create_time=self._clock(), version=1)
        _check(made)

        def work(connection: Connection) -> Webhook:
            end = last_sequence(connection, made.project_id)
            others = sa.select(sa.func.count()).where(webhooks.c.project_id == made.project_id)
            if connection.scalar(others) >= MAXIMUM_WEBHOOKS:  # type: ignore[operator]
                raise FailedPrecondition(
                    f"a project has at most {MAXIMUM_WEBHOOKS} webhooks", reason=Reason.QUOTA_EXCEEDED
                )
            begun = replace(made, read_sequence=0 if from_beginning else end)
            connection.execute(sa.insert(webhooks), _values(begun))
            self._audit.append(connection, replace(event, resource=_name(made.id)))
            return replace(begun, delivered_sequence=begun.read_sequence)

        return await self._database.write(work)

    async def get(self, access: Access, webhook_id: str) -> Webhook:
        """One webhook. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        return await self._database.read(lambda connection: _get(connection, access, webhook_id))

    async def list(
        self, access: Access, *, page_size: int = 50, page_token: str = ""
    ) -> tuple[builtins.list[Webhook], str]:
        """Webhooks of the project, newest first, and the next page's token."""
        name = ["webhooks", access.project_id]
        query = ROWS.where(webhooks.c.project_id == access.project_id)
        if page_token:
            time, webhook_id = self._tokens.read(name, page_token)
            place = sa.tuple_(sa.literal(time, sa.BigInteger), sa.literal(webhook_id))
            query = query.where(sa.tuple_(webhooks.c.create_time, webhooks.c.id) < place)
        query = query.order_by(webhooks.c.create_time.desc(), webhooks.c.id.desc()).limit(page_size + 1)

        def work(connection: Connection) -> builtins.list[Webhook]:
            return [webhook_of(row) for row in connection.execute(query)]

        found = await self._database.read(work)
        if len(found) <= page_size:
            return found, ""
        last = found[page_size - 1]
        return found[:page_size], self._tokens.issue(name, [optional_micros(last.create_time), last.id])

    async def update(
        self,
        access: Access,
        webhook_id: str,
        change: Callable[[Webhook], Webhook],
        event: AuditEvent,
        *,
        etag: str = "",
    ) -> Webhook:
        """The webhook as `change` makes it; its place in the log stays. Raises `NotFound`
        (RESOURCE_NOT_FOUND), `Aborted` (ETAG_MISMATCH)."""

        def work(connection: Connection) -> Webhook:
            before = _get(connection, access, webhook_id, lock=True)
            if etag and etag != before.etag:
                raise Aborted(
                    "the webhook was changed",
                    reason=Reason.ETAG_MISMATCH,
                    metadata={"etag": before.etag},
                )
            after = replace(change(before), version=before.version + 1)
            _check(after)
            values = {
                name: value
                for name, value in _values(after).items()
                if name not in ("project_id", "id", "read_sequence", "create_time", "secret")
            }
            connection.execute(_row(access.project_id, webhook_id).values(values))
            self._audit.append(connection, replace(event, resource=_name(webhook_id)))
            return after

        return await self._database.write(work)

    async def rewrite_secrets(self, change: Callable[[bytes], bytes]) -> int:
        """Stores every webhook's secret as `change` makes it; how many are stored otherwise than before.
        One that was changed meanwhile, by another replica that does the same, stays."""
        key = (webhooks.c.project_id, webhooks.c.id)
        rows = await self._database.read(
            lambda connection: connection.execute(sa.select(*key, webhooks.c.secret)).all()
        )
        changed = [
            {"project": row.project_id, "webhook": row.id, "before": before, "after": after}
            for row in rows
            if (after := change(before := bytes(row.secret))) != before
        ]
        if changed:
            await self._database.write(lambda connection: connection.execute(_REWRITE_SECRET, changed))
        return len(changed)

    async def delete(self, access: Access, webhook_id: str, event: AuditEvent) -> None:
        """Forgets a webhook and its deliveries. Raises `NotFound` (RESOURCE_NOT_FOUND)."""

        def work(connection: Connection) -> None:
            _get(connection, access, webhook_id, lock=True)
            connection.execute(
                sa.delete(webhook_deliveries).where(
                    webhook_deliveries.c.project_id == access.project_id,
                    webhook_deliveries.c.webhook_id == webhook_id,
                )
            )
            connection.execute(
                sa.delete(webhooks).where(
                    webhooks.c.project_id == access.project_id, webhooks.c.id == webhook_id
                )
            )
            self._audit.append(connection, replace(event, resource=_name(webhook_id)))

        await self._database.write(work)


def _name(webhook_id: str) -> str:
    return f"webhooks/{webhook_id}"


def _check(webhook: Webhook) -> None:
    checked_text("webhook.display_name", webhook.display_name)
    checked_text("webhook.url", webhook.url)
    for name, value in webhook.scope.named().items():
        checked_text(f"webhook.scope.{name}", value)


def _row(project_id: str, webhook_id: str) -> sa.Update:
    return sa.update(webhooks).where(webhooks.c.project_id == project_id, webhooks.c.id == webhook_id)


def _get(connection: Connection, access: Access, webhook_id: str, *, lock: bool = False) -> Webhook:
    query = _GET.with_for_update(of=webhooks) if lock else _GET
    key = {"project_id": access.project_id, "id": webhook_id}
    row = connection.execute(query, key).one_or_none()
    if row is None:
        raise NotFound("there is no such webhook", reason=Reason.RESOURCE_NOT_FOUND)
    return webhook_of(row)


def _values(webhook: Webhook) -> dict[str, Any]:
    return {
        "project_id": webhook.project_id,
        "id": webhook.id,
        "display_name": webhook.display_name,
        "url": webhook.url,
        "events": json.dumps([event.value for event in webhook.events]),
        **{field: getattr(webhook.scope, field) for field in SCOPE_FIELDS},
        "without_content": webhook.without_content,
        "state": webhook.state.value,
        "secret": webhook.secret,
        "read_sequence": webhook.read_sequence,
        "version": webhook.version,
        "create_time": optional_micros(webhook.create_time) or 0,
    }


def webhook_of(row: Any) -> Webhook:  # noqa: ANN401 (a row)
    """The webhook in a row of `ROWS`."""
    pending = row.first_pending
    return Webhook(
        project_id=row.project_id,
        id=row.id,
        url=row.url,
        display_name=row.display_name,
        events=tuple(VersionEvent(event) for event in json.loads(row.events)),
        scope=Scope(*(getattr(row, field) for field in SCOPE_FIELDS)),
        without_content=bool(row.without_content),
        state=WebhookState(row.state),
        secret=bytes(row.secret),
        read_sequence=row.read_sequence,
        delivered_sequence=row.read_sequence if pending is None else pending - 1,
        create_time=from_micros(row.create_time),
        version=row.version,
    )
