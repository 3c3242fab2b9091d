"""Addresses that changes are sent to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from mnemon._async.paging import AsyncPager
from mnemon._async.transport import AsyncTransport
from mnemon._convert import enums
from mnemon._convert.admin_service import read_create_webhook_response
from mnemon._convert.scope import write_scope
from mnemon._convert.webhook import read_webhook, read_webhook_delivery
from mnemon._page import Page
from mnemon._requests import UNSET, ScopeIds, Unset, at_page
from mnemon._types import (
    CreateWebhookResponse,
    DeliveryState,
    Scope,
    VersionEvent,
    Webhook,
    WebhookDelivery,
    WebhookState,
)
from mnemon.v1 import admin_service_pb2, webhook_pb2


class AsyncWebhooks:
    """Addresses that the project's changes are sent to."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        url: str,
        *,
        display_name: str = "",
        events: Sequence[VersionEvent | str] = (),
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        without_content: bool = False,
        from_beginning: bool = False,
        timeout: float | None = None,
    ) -> CreateWebhookResponse:
        """The new webhook and its signing secret, which is shown this once.

        Not repeated by itself when the connection breaks, since that could make two webhooks.

        Args:
            url: Where to; https, or http if the server allows it.
            display_name: For people.
            events: Kinds of change, as ADDED; all if left out.
            user_id: Only changes in this scope; the whole project's if none of the four ids is given.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            without_content: Leave the texts out, send ids and events only.
            from_beginning: Begin with the whole log; else with what comes after this call.
            timeout: Seconds for the call; the client's if left out.
        """
        webhook = webhook_pb2.Webhook(
            url=url,
            display_name=display_name,
            events=[enums.VERSION_EVENT.write(event) for event in events],
            scope=ScopeIds(user_id, agent_id, app_id, run_id).message(),
            without_content=without_content,
        )
        request = admin_service_pb2.CreateWebhookRequest(webhook=webhook, from_beginning=from_beginning)
        answer = await self._transport.unary(
            self._transport.admin.CreateWebhook, request, timeout, safe=False
        )
        return read_create_webhook_response(answer)

    async def get(self, webhook_id: str, *, timeout: float | None = None) -> Webhook:
        """One webhook."""
        request = admin_service_pb2.GetWebhookRequest(id=webhook_id)
        answer = await self._transport.unary(self._transport.admin.GetWebhook, request, timeout)
        return read_webhook(answer.webhook)

    def list(
        self, *, page_size: int = 0, page_token: str = "", timeout: float | None = None
    ) -> AsyncPager[Webhook]:
        """All webhooks, newest first: iterate over them, or over `pages()`."""
        request = admin_service_pb2.ListWebhooksRequest(page_size=page_size)

        async def fetch(token: str) -> Page[Webhook]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.admin.ListWebhooks, page, timeout)
            return Page(tuple(read_webhook(item) for item in answer.webhooks), answer.next_page_token)

        return AsyncPager(fetch, page_token)

    async def update(
        self,
        webhook_id: str,
        *,
        display_name: str | Unset = UNSET,
        url: str | Unset = UNSET,
        events: Sequence[VersionEvent | str] | Unset = UNSET,
        scope: Scope | Mapping[str, str] | Unset | None = UNSET,
        without_content: bool | Unset = UNSET,
        state: WebhookState | str | Unset = UNSET,
        etag: str = "",
        timeout: float | None = None,
    ) -> Webhook:
        """The webhook with the given fields changed; state PAUSED keeps its place in the log, scope None
        means the whole project's changes.

        Raises:
            EtagMismatchError: The given `etag` is not the current one.
        """
        webhook = webhook_pb2.Webhook(id=webhook_id, etag=etag)
        paths = []
        if not isinstance(display_name, Unset):
            webhook.display_name = display_name
            paths.append("display_name")
        if not isinstance(url, Unset):
            webhook.url = url
            paths.append("url")
        if not isinstance(events, Unset):
            webhook.events.extend(enums.VERSION_EVENT.write(event) for event in events)
            paths.append("events")
        if not isinstance(scope, Unset):
            webhook.scope.CopyFrom(write_scope(scope or {}))
            paths.append("scope")
        if not isinstance(without_content, Unset):
            webhook.without_content = without_content
            paths.append("without_content")
        if not isinstance(state, Unset):
            webhook.state = enums.WEBHOOK_STATE.write(state)
            paths.append("state")
        request = admin_service_pb2.UpdateWebhookRequest(webhook=webhook, update_mask=FieldMask(paths=paths))
        answer = await self._transport.unary(
            self._transport.admin.UpdateWebhook, request, timeout, safe=not etag
        )
        return read_webhook(answer.webhook)

    async def delete(self, webhook_id: str, *, timeout: float | None = None) -> None:
        """Deletes a webhook and its deliveries."""
        request = admin_service_pb2.DeleteWebhookRequest(id=webhook_id)
        await self._transport.unary(self._transport.admin.DeleteWebhook, request, timeout, safe=False)

    async def test(self, webhook_id: str, *, timeout: float | None = None) -> WebhookDelivery:
        """A test event, sent at once, with the receiver's status or the error."""
        request = admin_service_pb2.TestWebhookRequest(id=webhook_id)
        answer = await self._transport.unary(self._transport.admin.TestWebhook, request, timeout, safe=False)
        return read_webhook_delivery(answer.delivery)

    def list_deliveries(
        self,
        webhook_id: str,
        *,
        state: DeliveryState | str | None = None,
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> AsyncPager[WebhookDelivery]:
        """A webhook's deliveries, newest first; with state FAILED, the dead letters."""
        request = admin_service_pb2.ListWebhookDeliveriesRequest(
            webhook_id=webhook_id, state=enums.DELIVERY_STATE.write(state), page_size=page_size
        )

        async def fetch(token: str) -> Page[WebhookDelivery]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.admin.ListWebhookDeliveries, page, timeout)
            items = tuple(read_webhook_delivery(item) for item in answer.deliveries)
            return Page(items, answer.next_page_token)

        return AsyncPager(fetch, page_token)
