"""Conversations, from the forms users have them in (a string, OpenAI's dictionaries) to the contract's."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from mnemon._convert import enums
from mnemon._convert.message import write_message
from mnemon._errors import InvalidArgumentError
from mnemon._types import Image, Message
from mnemon._values import parse_time
from mnemon.v1 import message_pb2

AnyMessage = Message | Mapping[str, Any] | str
"""One message: typed, a dictionary with `role` and `content`, or what a user says."""

Messages = AnyMessage | Sequence[AnyMessage]
"""One message or several, oldest first."""

OTHER_ROLES = {"developer": "SYSTEM", "function": "TOOL", "human": "USER", "ai": "ASSISTANT"}
"""Roles that other systems write."""


def write_messages(messages: Messages | None) -> list[message_pb2.Message]:
    """The contract's messages. A plain string is what the user said; dictionaries without any content,
    as a model's bare tool calls, are left out.
    """
    if messages is None:
        return []
    if isinstance(messages, Sequence) and not isinstance(messages, str):
        typed = [_typed(message) for message in messages]
    else:
        typed = [_typed(messages)]
    return [write_message(message) for message in typed if message is not None]


def _typed(message: AnyMessage) -> Message | None:
    if isinstance(message, Message):
        return message
    if isinstance(message, str):
        return Message(role=enums.ROLE.word("USER"), content=message)
    if not isinstance(message, Mapping):
        raise InvalidArgumentError.of("messages", f"a {type(message).__name__} is no message")
    text, images = _content(message.get("content"))
    images += tuple(message.get("images") or ())
    if not text and not images:
        return None
    role = str(message.get("role") or "user")
    return Message(
        role=enums.ROLE.word(OTHER_ROLES.get(role.lower(), role)),
        content=text,
        name=str(message.get("name") or ""),
        observed_time=_time(message),
        images=images,
        recalled=bool(message.get("recalled")),
    )


def _content(content: object) -> tuple[str, tuple[Image, ...]]:
    if content is None or isinstance(content, str):
        return content or "", ()
    parts = [content] if isinstance(content, Mapping) else content
    if not isinstance(parts, Sequence):
        raise InvalidArgumentError.of("messages[].content", "give a string or a list of parts")
    texts = [part if isinstance(part, str) else str(part.get("text") or "") for part in parts]
    images = [_image(part) for part in parts if isinstance(part, Mapping) and part.get("type") == "image_url"]
    return "\n".join(text for text in texts if text), tuple(images)


def _image(part: Mapping[str, Any]) -> Image:
    address = part["image_url"]
    uri = str(address["url"] if isinstance(address, Mapping) else address)
    if not uri.startswith("data:"):
        return Image(uri=uri)
    header, _, data = uri.partition(",")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        raise InvalidArgumentError.of("messages[].content", "the picture is not base64") from None
    return Image(media_type=header.removeprefix("data:").partition(";")[0], data=content)


def _time(message: Mapping[str, Any]) -> datetime | None:
    value = message.get("observed_time", message.get("timestamp"))
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    return parse_time(value) if isinstance(value, str) else value
