"""What a webhook is sent: one JSON document for each change, as Standard Webhooks shapes it.

    {"type": "memory.updated",
     "timestamp": "2026-05-07T09:30:00.000000Z",
     "data": {"sequence": "17", "memoryId": "…", "version": "2", "event": "VERSION_EVENT_UPDATED", …}}

`data` is the contract's `Version` in protobuf's JSON form, so 64-bit numbers are strings. Without content it
holds the ids, the version, the event, the scope and the time only. A test event has the type `webhook.test`
and no memory in its data.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from google.protobuf import json_format

from mnemon.v1 import memory_pb2
from mnemon_service.model.memory import Version, VersionEvent
from mnemon_service.record.webhook import Webhook
from mnemon_service.wire.enums import VERSION_EVENTS
from mnemon_service.wire.memories import to_version
from mnemon_service.wire.scopes import to_scope
from mnemon_service.wire.times import set_timestamp

TEST_EVENT: Final = "webhook.test"
_TYPES: Final = {event: f"memory.{event.value.lower()}" for event in VersionEvent}


def event_body(webhook: Webhook, version: Version) -> bytes:
    """The document of one change as this webhook wants it."""
    shown = _without_content(version) if webhook.without_content else to_version(version)
    data = json_format.MessageToDict(shown) | {"projectId": webhook.project_id}
    return _document(_TYPES[version.event], version.record_time, data)


def ping_body(webhook: Webhook, now: datetime) -> bytes:
    """The document of a test."""
    return _document(TEST_EVENT, now, {"projectId": webhook.project_id, "webhookId": webhook.id})


def _without_content(version: Version) -> memory_pb2.Version:
    shown = memory_pb2.Version(
        sequence=version.sequence,
        memory_id=version.memory.id,
        version=version.memory.version,
        event=VERSION_EVENTS.to_wire(version.event),
    )
    to_scope(version.memory.scope, shown.memory.scope)
    set_timestamp(shown.record_time, version.record_time)
    return shown


def _document(kind: str, time: datetime | None, data: dict[str, Any]) -> bytes:
    stamp = "" if time is None else time.isoformat(timespec="microseconds").replace("+00:00", "Z")
    document = {"type": kind, "timestamp": stamp, "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
