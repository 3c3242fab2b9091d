"""Requests against the contract's own rules.

The SDK's stubs carry no rules, so requests are read a second time with the messages of the image that
`make gen` builds of `proto/`, rules included, in a descriptor pool of its own. protovalidate takes about
4 µs for a search, 2 µs a message for an add (protovalidate 2.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Any, Final

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from mnemon_service.model.errors import InvalidArgument, Violation

_PLAIN_WORDS: Final = {
    r"^[^\p{Cc}]*$": "must hold no control characters",
    "^[!-~]{0,128}$": "must be at most 128 printable ASCII characters without spaces",
    "^[!-~]{1,128}$": "must be 1 to 128 printable ASCII characters without spaces",
    "^[a-z][a-z0-9-]{0,62}$": "must be 1 to 63 lower-case letters, digits or hyphens, a letter first",
    "^$|^[a-z][a-z0-9-]{0,62}$": "must be empty, or 1 to 63 lower-case letters, digits or hyphens, "
    "a letter first",
    "^https://": "must begin with https://",
    "^$|^https?://": "must begin with https:// or http://",
}
"""What a pattern of the contract asks for, in words."""


class RequestValidator:
    """Checks the bytes of a request against the contract."""

    def __init__(self) -> None:
        image = resources.files("mnemon_service.server").joinpath("contract.binpb").read_bytes()
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(image).file:
            pool.AddSerializedFile(file.SerializeToString())
        self._pool = pool
        self._messages: dict[str, type[Message]] = {}
        self._validator = protovalidate.Validator()

    def check(self, full_name: str, raw: bytes) -> None:
        """Raises `InvalidArgument`, naming every wrong field, if `raw` breaks a rule of the message."""
        try:
            message = self._message_type(full_name).FromString(raw)
        except DecodeError:
            raise undecodable(full_name) from None
        violations = list(_violations(self._validator.collect_violations(message)))
        if violations:
            first = violations[0]
            more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
            raise InvalidArgument(
                f"{first.field}: {first.description}{more}" if first.field else first.description,
                violations=violations,
            )

    def _message_type(self, full_name: str) -> type[Message]:
        found = self._messages.get(full_name)
        if found is None:
            found = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(full_name))
            self._messages[full_name] = found
        return found


def undecodable(full_name: str) -> InvalidArgument:
    """The error for bytes that are no such message."""
    name = full_name.rpartition(".")[2]
    return InvalidArgument.of(
        name, "the bytes are not this message: it is cut, of another type, or a string is not valid UTF-8"
    )


def _violations(found: Iterable[protovalidate.Violation]) -> Iterable[Violation]:
    for violation in found:
        proto = violation.proto
        message = proto.message
        for pattern, words in _PLAIN_WORDS.items():
            if f"`{pattern}`" in message:
                message = words
        yield Violation(_path(proto.field), message)


def _path(path: Any) -> str:  # noqa: ANN401 (protovalidate's own message type)
    """A field path as users write it: `messages[2].content`, `metadata["a"]`."""
    text = ""
    for element in path.elements if path is not None else ():
        text += ("." if text else "") + str(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            value = subscript.value
            text += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
    return text
