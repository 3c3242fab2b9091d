"""Between the stubs of webhook.proto and its types.

Made from mnemon/v1/webhook.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.scope import read_scope, write_scope
from mnemon._types.webhook import Webhook, WebhookDelivery
from mnemon.v1 import webhook_pb2


def read_webhook(message: webhook_pb2.Webhook) -> Webhook:
    """The `Webhook` that the message holds."""
    return Webhook(
        id=message.id,
        display_name=message.display_name,
        url=message.url,
        events=tuple(enums.VERSION_EVENT.read(item) for item in message.events),
        scope=read_scope(message.scope),
        without_content=message.without_content,
        state=enums.WEBHOOK_STATE.read(message.state),
        delivered_sequence=message.delivered_sequence,
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        etag=message.etag,
    )


def write_webhook(value: Webhook | Mapping[str, Any]) -> webhook_pb2.Webhook:
    """The message of a `Webhook`, or of a mapping with its fields."""
    record = values.as_record(Webhook, value)
    return webhook_pb2.Webhook(
        id=record.id,
        display_name=record.display_name,
        url=record.url,
        events=[enums.VERSION_EVENT.write(item) for item in record.events],
        scope=write_scope(record.scope),
        without_content=record.without_content,
        state=enums.WEBHOOK_STATE.write(record.state),
        delivered_sequence=record.delivered_sequence,
        create_time=values.write_time(record.create_time) if record.create_time is not None else None,
        etag=record.etag,
    )


def read_webhook_delivery(message: webhook_pb2.WebhookDelivery) -> WebhookDelivery:
    """The `WebhookDelivery` that the message holds."""
    return WebhookDelivery(
        id=message.id,
        webhook_id=message.webhook_id,
        sequence=message.sequence,
        state=enums.DELIVERY_STATE.read(message.state),
        attempts=message.attempts,
        response_code=message.response_code,
        error=message.error,
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        update_time=values.read_time(message.update_time) if message.HasField("update_time") else None,
        retry_time=values.read_time(message.retry_time) if message.HasField("retry_time") else None,
    )
