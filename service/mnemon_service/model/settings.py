"""How one project's memories are made and kept."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


class ContentPolicy(enum.StrEnum):
    """What to do with secrets and personal data in what is to be stored."""

    OFF = "OFF"
    REDACT = "REDACT"
    REFUSE = "REFUSE"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a project or a key; None leaves the server's default in force, 0 allows none."""

    requests_per_second: float | None = None
    concurrent_calls: int | None = None
    concurrent_streams: int | None = None
    adds_per_day: int | None = None
    tokens_per_day: int | None = None
    memories_stored: int | None = None


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """Settings of a project, as the contract's message of the same name documents them."""

    custom_instructions: str = ""
    agent_instructions: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    """Descriptions by name; the default list if empty."""
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    extraction_model: str = ""
    """The server's if empty; `none` for the deterministic extractor."""
    reranker: str = ""
    deleted_retention: timedelta = timedelta(days=30)
    message_log_disabled: bool = False
    message_retention: timedelta | None = None
    messages_per_scope: int = 0
    """0 keeps all."""
    limits: Limits = Limits()
    content_policy: ContentPolicy = ContentPolicy.OFF
    request_log_retention: timedelta = timedelta(days=7)
    version: int = 0
    """0 until somebody changed them."""
    update_time: datetime | None = None

    @property
    def etag(self) -> str:
        """Changes with each version."""
        return f'"{self.version}"'


class SettingsSource(Protocol):
    """Where the settings in force come from."""

    async def of(self, project_id: str) -> ProjectSettings:
        """The project's settings; the defaults if nobody changed them. Cheap: asked for in every call."""
        ...


class DefaultSettings:
    """Every project has the defaults."""

    async def of(self, project_id: str) -> ProjectSettings:
        """The defaults."""
        return ProjectSettings()
