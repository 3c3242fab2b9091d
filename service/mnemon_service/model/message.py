"""What was said: the messages of a conversation, as the caller gave them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mnemon_service.model.memory import Role
from mnemon_service.model.scope import Scope


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a message: its bytes, or an address that the model's provider can read."""

    media_type: str = ""
    data: bytes = b""
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    content: str
    role: Role = Role.USER
    name: str = ""
    """The speaker's name, if the caller knows it; facts said by "I" are attributed to it."""
    observed_time: datetime | None = None
    """When it was said; relative dates in it are resolved against this time."""
    id: str = ""
    """UUIDv7, given by the service when the message is stored."""
    images: tuple[Image, ...] = ()
    recalled: bool = False
    """True for text that the agent itself took out of Mnemon: context only, never extracted."""
    scope: Scope = Scope()
    position: int = 0
    """Place in its run's conversation: 1, 2, 3 …; 0 until it is stored."""
