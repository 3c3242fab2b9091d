"""The key under which a write's answer is kept."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message

from mnemon_service.model.call import Call
from mnemon_service.record.selection import RequestKey


def request_key(call: Call, request_id: str, request: Message) -> RequestKey | None:
    """The key of this request, or None if the caller gave no `request_id`."""
    if not request_id:
        return None
    body = request.SerializeToString(deterministic=True)
    return RequestKey(request_id, call.method, hashlib.sha256(body).hexdigest())
