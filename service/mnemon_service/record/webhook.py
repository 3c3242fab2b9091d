"""A webhook and its deliveries, as the record keeps them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

from mnemon_service.model.memory import VersionEvent
from mnemon_service.model.scope import Scope


class WebhookState(enum.StrEnum):
    """Whether a webhook delivers."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class DeliveryState(enum.StrEnum):
    """How a delivery stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that a project's changes are sent to."""

    project_id: str
    id: str
    url: str
    display_name: str = ""
    events: tuple[VersionEvent, ...] = ()
    """All kinds if empty."""
    scope: Scope = Scope()
    without_content: bool = False
    state: WebhookState = WebhookState.ACTIVE
    secret: bytes = field(default=b"", repr=False)
    """The signing key itself, not its `whsec_` form, as it is stored: sealed, if there is a key for that."""
    read_sequence: int = 0
    """Place in the log up to which deliveries were queued."""
    delivered_sequence: int = 0
    """Place in the log up to which everything was delivered or set aside."""
    create_time: datetime | None = None
    version: int = 1

    @property
    def etag(self) -> str:
        """Changes with each change of the webhook; deliveries are none."""
        return f'"{self.version}"'


@dataclass(frozen=True, slots=True)
class Delivery:
    """One change sent, or to be sent, to one webhook."""

    id: str
    webhook_id: str
    sequence: int
    memory_id: str = ""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    response_code: int = 0
    error: str = ""
    """Why the last try failed, in our words: never what the receiver said, which may repeat content."""
    create_time: datetime | None = None
    """When it was first tried."""
    update_time: datetime | None = None
    retry_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookClaim:
    """The right of one worker to deliver for one webhook, until its lease runs out."""

    webhook: Webhook
    token: str
