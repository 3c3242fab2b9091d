"""Tenants, their keys and their settings.

Made from mnemon/v1/project.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mnemon._record import Record, Word
from mnemon._types.scope import Scope


class ProjectState(Word):
    """Whether a project is in use."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    ACTIVE = "ACTIVE"
    """In use."""

    DISABLED = "DISABLED"
    """Switched off: its keys are refused (PROJECT_DISABLED), its data kept."""

    DELETING = "DELETING"
    """Being erased."""


class KeyRole(Word):
    """What a key may do. Each role may do what the ones before it may."""

    UNSPECIFIED = "UNSPECIFIED"
    """Not allowed."""

    READER = "READER"
    """Read and search memories."""

    WRITER = "WRITER"
    """Write them too."""

    ADMIN = "ADMIN"
    """Everything in one project: project-wide reads, keys, settings, erasure."""

    ROOT = "ROOT"
    """Everything on the server: projects and their keys."""


class ContentPolicy(Word):
    """What to do with secrets and personal data in what is to be stored."""

    UNSPECIFIED = "UNSPECIFIED"
    """OFF."""

    OFF = "OFF"
    """Store as given."""

    REDACT = "REDACT"
    """Replace each finding by its kind, as "[EMAIL]"."""

    REFUSE = "REFUSE"
    """Refuse the call (CONTENT_REFUSED)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Record):
    """A tenant. No key of one project learns anything of another."""

    id: str = ""
    """1 to 63 lower-case letters, digits and hyphens, beginning with a letter. For ever."""

    display_name: str = ""
    """For people; at most 256 bytes."""

    state: ProjectState = ProjectState.UNSPECIFIED
    """Whether it is in use."""

    create_time: datetime | None = None
    """When it was made. Output only."""

    memory_count: int = 0
    """Memories stored now, all states. Output only."""

    sequence: int = 0
    """Place of the last change in its log. Output only."""

    etag: str = ""
    """Changes with each change of the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey(Record):
    """A key, without its secret."""

    id: str = ""
    """Names the key in lists and logs; the first characters of the secret after "mn_"."""

    project_id: str = ""
    """The project it opens; empty for ROOT."""

    display_name: str = ""
    """For people; at most 256 bytes."""

    role: KeyRole = KeyRole.UNSPECIFIED
    """What it may do."""

    bound_scope: Scope = field(default_factory=lambda: Scope())
    """If any id is set, the key reads and writes only within this scope."""

    create_time: datetime | None = None
    """When it was made."""

    expire_time: datetime | None = None
    """From then on it is refused; absent: never."""

    revoke_time: datetime | None = None
    """When it was revoked; absent if it was not."""

    last_use_time: datetime | None = None
    """When it was last used, to the minute or so; absent if never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryDefinition(Record):
    """A category that memories are sorted into."""

    name: str = ""
    """Its name, 1 to 64 bytes."""

    description: str = ""
    """What belongs there, in words for the model; at most 512 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Record):
    """Bounds on what a project, or a key, may use. A limit that is left out is the server's default; 0
    means none is allowed.
    """

    requests_per_second: float | None = None
    """Calls a second, with bursts of twice as many."""

    concurrent_calls: int | None = None
    """Unary calls at once."""

    concurrent_streams: int | None = None
    """Streams at once."""

    adds_per_day: int | None = None
    """Add calls a day (UTC)."""

    tokens_per_day: int | None = None
    """Tokens of model providers a day (UTC)."""

    memories_stored: int | None = None
    """Memories stored at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings(Record):
    """How a project's memories are made and kept."""

    custom_instructions: str = ""
    """What to look for or leave alone, in words for the model; at most 8,192 bytes."""

    agent_instructions: Mapping[str, str] = field(default_factory=dict)
    """Instructions by agent id, going before the project's where they differ; at most 100."""

    categories: tuple[CategoryDefinition, ...] = ()
    """The project's own categories, at most 64; the default list if empty."""

    includes: tuple[str, ...] = ()
    """Subjects to remember only, at most 32; empty for all."""

    excludes: tuple[str, ...] = ()
    """Subjects to leave out, at most 32."""

    extraction_model: str = ""
    """Model that extracts, as "openai/gpt-5-mini"; the server's if empty; "none" for the deterministic
    extractor. Its provider must be configured on the server.
    """

    reranker: str = ""
    """Reranker, as the server names it; the server's if empty."""

    deleted_retention: timedelta | None = None
    """How long deleted and expired memories can be restored; 30 days if left out."""

    message_log_disabled: bool = False
    """True: keep no conversation log; sources then name no message that can be read."""

    message_retention: timedelta | None = None
    """How long messages are kept; for ever if left out."""

    messages_per_scope: int = 0
    """Messages kept a scope; the oldest go first; no bound if 0."""

    limits: Limits | None = None
    """Bounds of the project."""

    content_policy: ContentPolicy = ContentPolicy.UNSPECIFIED
    """What to do with secrets and personal data."""

    request_log_retention: timedelta | None = None
    """How long the request log is kept; 7 days if left out."""

    version: int = 0
    """Counts changes of the settings: 1, 2, 3 …. Output only."""

    update_time: datetime | None = None
    """When they last changed. Output only."""

    etag: str = ""
    """Changes with each version."""
