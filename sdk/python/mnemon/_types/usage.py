"""What a call cost.

Made from mnemon/v1/usage.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass

from mnemon._record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderUsage(Record):
    """Calls and tokens spent at one model, failed tries included."""

    provider: str = ""
    """"openai", "gemini", "anthropic", "local" …"""

    model: str = ""
    """The model's name as configured."""

    calls: int = 0
    """Calls made, failed ones included."""

    failed_calls: int = 0
    """Calls that failed."""

    input_tokens: int = 0
    """Tokens sent, as the provider counts them; 0 for local models."""

    output_tokens: int = 0
    """Tokens received."""

    milliseconds: float = 0.0
    """Wall time waiting for the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime(Record):
    """How long one stage of a call took."""

    stage: str = ""
    """recall, extract, reconcile, embed, commit, apply; analyse, retrieve, fuse, hydrate, rerank."""

    milliseconds: float = 0.0
    """Wall time. Stages may overlap, so their sum can exceed the call's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(Record):
    """What a call cost in providers and time."""

    providers: tuple[ProviderUsage, ...] = ()
    """By provider and model."""

    stages: tuple[StageTime, ...] = ()
    """By stage, in the order they began."""

    milliseconds: float = 0.0
    """The whole call's time in the service."""
