"""Changes sent to an address.

Made from mnemon/v1/webhook.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mnemon._record import Record, Word
from mnemon._types.memory import VersionEvent
from mnemon._types.scope import Scope


class WebhookState(Word):
    """Whether a webhook delivers."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    ACTIVE = "ACTIVE"
    """Delivers."""

    PAUSED = "PAUSED"
    """Does not deliver; its place in the log is kept, and it goes on from there."""


class DeliveryState(Word):
    """How a delivery stands."""

    UNSPECIFIED = "UNSPECIFIED"
    """Any."""

    PENDING = "PENDING"
    """To be tried, or tried again."""

    SUCCEEDED = "SUCCEEDED"
    """The receiver answered 2xx."""

    FAILED = "FAILED"
    """Given up after the last try: the dead letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Record):
    """An address that a project's changes are sent to: at least once, in the log's order per memory,
    signed as Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature: HMAC-SHA256).
    """

    id: str = ""
    """UUIDv7. Output only, but names the webhook in UpdateWebhook."""

    display_name: str = ""
    """For people; at most 256 bytes."""

    url: str = ""
    """Where to; https, or http if the server allows it. Private addresses are refused unless the
    server allows them; redirects are not followed.
    """

    events: tuple[VersionEvent, ...] = ()
    """Kinds of change; all if empty."""

    scope: Scope = field(default_factory=lambda: Scope())
    """Only changes in this scope; the whole project's if empty."""

    without_content: bool = False
    """True: leave the texts out and send ids and events only."""

    state: WebhookState = WebhookState.UNSPECIFIED
    """Whether it delivers."""

    delivered_sequence: int = 0
    """Place in the log up to which everything was delivered or set aside. Output only."""

    create_time: datetime | None = None
    """When it was made. Output only."""

    etag: str = ""
    """Changes with each change of the webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery(Record):
    """One change sent, or to be sent, to one webhook."""

    id: str = ""
    """The webhook-id header; the same over all tries."""

    webhook_id: str = ""
    """The webhook."""

    sequence: int = 0
    """The change's place in the log."""

    state: DeliveryState = DeliveryState.UNSPECIFIED
    """How it stands."""

    attempts: int = 0
    """Tries so far."""

    response_code: int = 0
    """The receiver's last status; 0 if it did not answer."""

    error: str = ""
    """Why the last try failed; empty if it did not."""

    create_time: datetime | None = None
    """When it was first tried."""

    update_time: datetime | None = None
    """When it was last tried."""

    retry_time: datetime | None = None
    """When it will be tried again; absent if it will not."""
