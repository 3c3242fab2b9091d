"""Running Mnemon: projects, keys, settings, entities, operations, webhooks, accounts, care.

Made from mnemon/v1/admin_service.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mnemon._record import Record, Word
from mnemon._types.accounting import UsageRow
from mnemon._types.entity import EntitySummary
from mnemon._types.memory import Memory
from mnemon._types.message import Message
from mnemon._types.project import ApiKey
from mnemon._types.usage import Usage
from mnemon._types.webhook import Webhook


class EntityOrder(Word):
    """How entities are ordered."""

    UNSPECIFIED = "UNSPECIFIED"
    """LAST_ACTIVITY_DESC."""

    LAST_ACTIVITY_DESC = "LAST_ACTIVITY_DESC"
    """Last changed first."""

    ID_ASC = "ID_ASC"
    """By id."""

    MEMORY_COUNT_DESC = "MEMORY_COUNT_DESC"
    """Most memories first."""


class IndexDifferenceKind(Word):
    """What differs."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    MISSING = "MISSING"
    """In the record, not in the index."""

    STALE = "STALE"
    """In the index with an older version."""

    SURPLUS = "SURPLUS"
    """In the index, not in the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateApiKeyResponse(Record):
    """The new key."""

    api_key: ApiKey = field(default_factory=lambda: ApiKey())
    """Without the secret."""

    secret: str = ""
    """The secret: `mn_…`. Mnemon keeps only its hash; it cannot be shown again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateApiKeyResponse(Record):
    """The new key."""

    api_key: ApiKey = field(default_factory=lambda: ApiKey())
    """Without the secret; same role, project, scope and limits as the old one."""

    secret: str = ""
    """The secret, shown this once."""

    previous: ApiKey = field(default_factory=lambda: ApiKey())
    """The old key, with the time at which it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateInstructionsResponse(Record):
    """Instructions to try."""

    custom_instructions: str = ""
    """For `ProjectSettings.custom_instructions`."""

    test_conversation: tuple[Message, ...] = ()
    """A conversation to try them with: AddMemories with `dry_run`."""

    usage: Usage = field(default_factory=lambda: Usage())
    """What it cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEntityResponse(Record):
    """The entity."""

    entity: EntitySummary = field(default_factory=lambda: EntitySummary())
    """As it is."""

    memories: tuple[Memory, ...] = ()
    """Its newest active memories, as many as asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWebhookResponse(Record):
    """The new webhook."""

    webhook: Webhook = field(default_factory=lambda: Webhook())
    """As made."""

    secret: str = ""
    """The signing secret (`whsec_…`), shown this once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUsageResponse(Record):
    """The usage."""

    rows: tuple[UsageRow, ...] = ()
    """By day, then owner, then model."""

    memory_count: int = 0
    """Active memories now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAuditResponse(Record):
    """What the check found."""

    intact: bool = False
    """True if every entry's hash follows from the one before."""

    entry_count: int = 0
    """Entries checked."""

    first_broken_sequence: int = 0
    """The first entry that does not fit; 0 if all do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo(Record):
    """A model in use."""

    provider: str = ""
    """"local", "openai", "gemini" …"""

    model: str = ""
    """Its name."""

    dimension: int = 0
    """Dimensions of its vectors, for an embedding model."""

    available: bool = False
    """False: it could not be loaded or is not configured; `detail` says why."""

    detail: str = ""
    """In words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetServerInfoResponse(Record):
    """What runs."""

    version: str = ""
    """The server's version, as "0.1.0"."""

    database: str = ""
    """"sqlite" or "postgresql"."""

    index: str = ""
    """"milvus-lite" or "milvus", with what can be said of its version."""

    embedding_model: ModelInfo = field(default_factory=lambda: ModelInfo())
    """The embedding model."""

    extraction_model: ModelInfo = field(default_factory=lambda: ModelInfo())
    """The extraction model; provider "deterministic" if there is none."""

    reranker: ModelInfo = field(default_factory=lambda: ModelInfo())
    """The reranker; not available if there is none."""

    start_time: datetime | None = None
    """When this process began to serve."""

    warnings: tuple[str, ...] = ()
    """What operators should know, in words: keyword search only, index lagging …."""

    index_lag: int = 0
    """Changes in the project's log that the index has not taken in yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDifference(Record):
    """A memory that the index holds otherwise than the record."""

    memory_id: str = ""
    """The memory."""

    kind: IndexDifferenceKind = IndexDifferenceKind.UNSPECIFIED
    """What differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyIndexResponse(Record):
    """What the comparison found."""

    checked_count: int = 0
    """Memories compared."""

    difference_count: int = 0
    """Differences in all."""

    differences: tuple[IndexDifference, ...] = ()
    """The first 1,000 differences."""

    repaired: bool = False
    """True if they were mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationProbe(Record):
    """One RPC of the probe."""

    method: str = ""
    """The RPC, as "MemoryService/GetMemory"."""

    isolated: bool = False
    """True if the other project learned nothing."""

    detail: str = ""
    """What was tried and seen, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestIsolationResponse(Record):
    """What the probe found."""

    isolated: bool = False
    """True if every probe was isolated."""

    probes: tuple[IsolationProbe, ...] = ()
    """Each probe."""
