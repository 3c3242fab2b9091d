"""Between the stubs of message.proto and its types.

Made from mnemon/v1/message.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.scope import read_scope
from mnemon._types.message import Image, LoggedMessage, Message
from mnemon.v1 import message_pb2


def read_image(message: message_pb2.Image) -> Image:
    """The `Image` that the message holds."""
    return Image(
        media_type=message.media_type,
        data=message.data if message.HasField("data") else None,
        uri=message.uri if message.HasField("uri") else None,
    )


def write_image(value: Image | Mapping[str, Any]) -> message_pb2.Image:
    """The message of a `Image`, or of a mapping with its fields."""
    record = values.as_record(Image, value)
    message = message_pb2.Image(media_type=record.media_type)
    if record.data is not None:
        message.data = record.data
    if record.uri is not None:
        message.uri = record.uri
    return message


def read_message(message: message_pb2.Message) -> Message:
    """The `Message` that the message holds."""
    return Message(
        role=enums.ROLE.read(message.role),
        content=message.content,
        name=message.name,
        observed_time=values.read_time(message.observed_time) if message.HasField("observed_time") else None,
        images=tuple(read_image(item) for item in message.images),
        recalled=message.recalled,
    )


def write_message(value: Message | Mapping[str, Any]) -> message_pb2.Message:
    """The message of a `Message`, or of a mapping with its fields."""
    record = values.as_record(Message, value)
    return message_pb2.Message(
        role=enums.ROLE.write(record.role),
        content=record.content,
        name=record.name,
        observed_time=values.write_time(record.observed_time) if record.observed_time is not None else None,
        images=[write_image(item) for item in record.images],
        recalled=record.recalled,
    )


def read_logged_message(message: message_pb2.LoggedMessage) -> LoggedMessage:
    """The `LoggedMessage` that the message holds."""
    return LoggedMessage(
        id=message.id,
        scope=read_scope(message.scope),
        message=read_message(message.message),
        run_position=message.run_position,
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
    )
