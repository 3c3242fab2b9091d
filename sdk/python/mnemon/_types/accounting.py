"""What was used, asked and changed.

Made from mnemon/v1/accounting.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mnemon._record import Record
from mnemon._types.project import KeyRole


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow(Record):
    """What was used on one day."""

    day: str = ""
    """The day in UTC, as "2026-05-07"."""

    owner: str = ""
    """The user, agent, app or run id it counts for, as "user_id:ana"; empty if not grouped by scope."""

    model: str = ""
    """The provider and model, as "openai/gpt-5-mini"; empty for calls of Mnemon itself."""

    calls: int = 0
    """Calls of Mnemon's RPCs, or of the model."""

    failed_calls: int = 0
    """Calls that failed."""

    input_tokens: int = 0
    """Tokens sent to the model."""

    output_tokens: int = 0
    """Tokens received from it."""

    memories_added: int = 0
    """Memories added."""

    searches: int = 0
    """Searches made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLogEntry(Record):
    """One call, without its content."""

    id: str = ""
    """The id that the answer's metadata and the logs carry."""

    method: str = ""
    """The RPC, as "MemoryService/AddMemories"."""

    code: str = ""
    """The canonical code by name, as "OK"."""

    reason: str = ""
    """The reason, if it failed."""

    key_id: str = ""
    """The key's id."""

    milliseconds: float = 0.0
    """How long it took."""

    start_time: datetime | None = None
    """When it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(Record):
    """One change of keys, settings, projects or webhooks, or an erasure."""

    sequence: int = 0
    """1, 2, 3 … without gaps."""

    record_time: datetime | None = None
    """When."""

    key_id: str = ""
    """Who: the key's id, or "system"."""

    role: KeyRole = KeyRole.UNSPECIFIED
    """With what role."""

    action: str = ""
    """What, as the RPC's name: "CreateApiKey"."""

    resource: str = ""
    """To what, as "apiKeys/abc"."""

    detail: str = ""
    """Which fields, in words; holds no secret and no content."""

    project_id: str = ""
    """The project; empty for the server itself."""

    hash: str = ""
    """SHA-256 over this entry and the hash before, hexadecimal: a changed or missing entry breaks the
    chain, and VerifyAudit finds where.
    """
