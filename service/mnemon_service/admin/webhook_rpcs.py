"""Webhooks: making, reading, changing, testing, and what became of their deliveries."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import memory_pb2, webhook_pb2
from mnemon_service.admin.author import audit_event
from mnemon_service.admin.webhook_events import ping_body
from mnemon_service.admin.webhook_sender import WebhookSender
from mnemon_service.model.call import Call
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.ids import new_id
from mnemon_service.model.memory import VersionEvent
from mnemon_service.record.deliveries import Deliveries
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE
from mnemon_service.record.webhook import Delivery, DeliveryState, Webhook, WebhookState
from mnemon_service.record.webhooks import Webhooks
from mnemon_service.wire.enums import VERSION_EVENTS, EnumPair
from mnemon_service.wire.scopes import access_of, from_scope, to_scope
from mnemon_service.wire.times import set_timestamp
from mnemon_service.wire.update_masks import named_fields

SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (a prefix)
UPDATABLE: Final = ("display_name", "url", "events", "scope", "without_content", "state")

_STATES: Final = EnumPair(WebhookState, webhook_pb2.WebhookState, "WEBHOOK_STATE_")
_DELIVERY_STATES: Final = EnumPair(DeliveryState, webhook_pb2.DeliveryState, "DELIVERY_STATE_")


class WebhookRpcs:
    """CreateWebhook, GetWebhook, ListWebhooks, UpdateWebhook, DeleteWebhook, TestWebhook,
    ListWebhookDeliveries."""

    def __init__(
        self,
        webhooks: Webhooks,
        deliveries: Deliveries,
        sender: WebhookSender,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when there may be something new to deliver."""
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._sender = sender
        self._wake = wake

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, call: Call) -> pb.CreateWebhookResponse:
        """See the contract."""
        access = access_of(call.caller)
        if not request.webhook.url:
            raise InvalidArgument.of("webhook.url", "must be set")
        secret = secrets.token_bytes(SECRET_BYTES)
        empty = Webhook(access.project_id, "", "", secret=self._sender.secrets.seal(secret))
        wanted = self._changed(empty, request.webhook, UPDATABLE)
        event = audit_event(call, "", access.project_id)
        made = await self._webhooks.create(wanted, event, from_beginning=request.from_beginning)
        self._wake()
        shown = SECRET_PREFIX + base64.b64encode(secret).decode()
        return pb.CreateWebhookResponse(webhook=_to_webhook(made), secret=shown)

    async def GetWebhook(self, request: pb.GetWebhookRequest, call: Call) -> pb.GetWebhookResponse:
        """See the contract."""
        found = await self._webhooks.get(access_of(call.caller), request.id.lower())
        return pb.GetWebhookResponse(webhook=_to_webhook(found))

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, call: Call) -> pb.ListWebhooksResponse:
        """See the contract."""
        found, token = await self._webhooks.list(
            access_of(call.caller),
            page_size=request.page_size or DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
        )
        return pb.ListWebhooksResponse(webhooks=map(_to_webhook, found), next_page_token=token)

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, call: Call) -> pb.UpdateWebhookResponse:
        """See the contract. Its place in the log and its secret stay."""
        access, wanted = access_of(call.caller), request.webhook
        fields = named_fields(wanted, request.update_mask, UPDATABLE)
        event = audit_event(call, "", access.project_id, f"sets {', '.join(fields)}")
        changed = await self._webhooks.update(
            access,
            wanted.id.lower(),
            lambda before: self._changed(before, wanted, fields),
            event,
            etag=wanted.etag,
        )
        self._wake()
        return pb.UpdateWebhookResponse(webhook=_to_webhook(changed))

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, call: Call) -> pb.DeleteWebhookResponse:
        """See the contract."""
        access = access_of(call.caller)
        event = audit_event(call, "", access.project_id)
        await self._webhooks.delete(access, request.id.lower(), event)
        return pb.DeleteWebhookResponse()

    async def TestWebhook(self, request: pb.TestWebhookRequest, call: Call) -> pb.TestWebhookResponse:
        """See the contract. A test is not kept: it is in no list of deliveries."""
        webhook = await self._webhooks.get(access_of(call.caller), request.id.lower())
        delivery_id, now = new_id(), datetime.now(UTC)
        body = ping_body(webhook, now)
        with call.stages.stage("send"):
            sent = await self._sender.send(webhook.url, webhook.secret, delivery_id, int(time.time()), body)
        state = DeliveryState.SUCCEEDED if sent.succeeded else DeliveryState.FAILED
        delivery = Delivery(
            id=delivery_id,
            webhook_id=webhook.id,
            sequence=0,
            state=state,
            attempts=1,
            response_code=sent.status,
            error=sent.error,
            create_time=now,
            update_time=datetime.now(UTC),
        )
        return pb.TestWebhookResponse(delivery=_to_delivery(delivery))

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, call: Call
    ) -> pb.ListWebhookDeliveriesResponse:
        """See the contract. Deliveries that succeeded are kept 3 days, dead letters 30."""
        access, webhook_id = access_of(call.caller), request.webhook_id.lower()
        await self._webhooks.get(access, webhook_id)
        state = _DELIVERY_STATES.from_wire(request.state, DeliveryState.PENDING) if request.state else None
        found, token = await self._deliveries.list(
            access,
            webhook_id,
            state=state,
            page_size=request.page_size or DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
        )
        return pb.ListWebhookDeliveriesResponse(deliveries=map(_to_delivery, found), next_page_token=token)

    def _changed(self, before: Webhook, wanted: webhook_pb2.Webhook, fields: Any) -> Webhook:  # noqa: ANN401
        """The webhook with these fields as wanted. Raises `InvalidArgument`."""
        values: dict[str, Any] = {}
        if "display_name" in fields:
            values["display_name"] = wanted.display_name
        if "url" in fields:
            self._sender.check_url(wanted.url, "webhook.url")
            values["url"] = wanted.url
        if "events" in fields:
            values["events"] = _events(wanted)
        if "scope" in fields:
            values["scope"] = from_scope(wanted.scope)
        if "without_content" in fields:
            values["without_content"] = wanted.without_content
        if "state" in fields:
            values["state"] = _STATES.from_wire(wanted.state, WebhookState.ACTIVE)
        return replace(before, **values)


def _events(wanted: webhook_pb2.Webhook) -> tuple[VersionEvent, ...]:
    if memory_pb2.VERSION_EVENT_UNSPECIFIED in wanted.events:
        raise InvalidArgument.of("webhook.events", "must name kinds of change; leave it empty for all")
    return tuple(
        dict.fromkeys(VERSION_EVENTS.from_wire(event, VersionEvent.ADDED) for event in wanted.events)
    )


def _to_webhook(webhook: Webhook) -> webhook_pb2.Webhook:
    message = webhook_pb2.Webhook(
        id=webhook.id,
        display_name=webhook.display_name,
        url=webhook.url,
        events=[VERSION_EVENTS.to_wire(event) for event in webhook.events],
        without_content=webhook.without_content,
        state=_STATES.to_wire(webhook.state),
        delivered_sequence=webhook.delivered_sequence,
        etag=webhook.etag,
    )
    if not webhook.scope.is_empty:
        to_scope(webhook.scope, message.scope)
    set_timestamp(message.create_time, webhook.create_time)
    return message


def _to_delivery(delivery: Delivery) -> webhook_pb2.WebhookDelivery:
    message = webhook_pb2.WebhookDelivery(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        sequence=delivery.sequence,
        state=_DELIVERY_STATES.to_wire(delivery.state),
        attempts=delivery.attempts,
        response_code=delivery.response_code,
        error=delivery.error,
    )
    set_timestamp(message.create_time, delivery.create_time)
    set_timestamp(message.update_time, delivery.update_time if delivery.attempts else None)
    set_timestamp(message.retry_time, delivery.retry_time)
    return message
