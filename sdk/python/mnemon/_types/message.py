"""What was said: messages of a conversation.

Made from mnemon/v1/message.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mnemon._record import Record
from mnemon._types.memory import Role
from mnemon._types.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Record):
    """A picture in a message. A model that can see describes it; the description is the source."""

    media_type: str = ""
    """Its media type, as "image/png"."""

    data: bytes | None = None
    """Its bytes, at most 3 MiB."""

    uri: str | None = None
    """An https address that the language model's provider can read. Mnemon itself never fetches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Record):
    """One turn of a conversation, as the caller gives it."""

    role: Role = Role.UNSPECIFIED
    """Who speaks; USER if left out."""

    content: str = ""
    """The words, 1 to 131,072 bytes of UTF-8. May be empty only if there is an image."""

    name: str = ""
    """The speaker's name, at most 256 bytes. Facts that this speaker tells of "I" are stored under it."""

    observed_time: datetime | None = None
    """When it was said; relative dates ("yesterday") are resolved against it. The time of the call if
    left out.
    """

    images: tuple[Image, ...] = ()
    """At most 8 pictures."""

    recalled: bool = False
    """True for text that the agent took out of Mnemon and put into the prompt: it is context, and is
    not remembered again. The SDKs set it on what BuildContext returned.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedMessage(Record):
    """A message as the conversation log keeps it."""

    id: str = ""
    """UUIDv7 given by the server."""

    scope: Scope = field(default_factory=lambda: Scope())
    """Whose conversation it belongs to."""

    message: Message = field(default_factory=lambda: Message())
    """The message."""

    run_position: int = 0
    """Place in its run's conversation: 1, 2, 3 …."""

    create_time: datetime | None = None
    """When it was stored."""
