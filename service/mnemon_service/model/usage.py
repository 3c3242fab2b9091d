"""What a call cost at a provider: the figures that answers and accounts report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProviderUsage:
    """Calls and tokens spent at one model of one provider, failed tries included."""

    provider: str
    """As in settings: `openai`, `gemini`, `local` …"""
    model: str
    calls: int = 0
    failed_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    milliseconds: float = 0.0
    """Wall time spent waiting for the provider, retries included."""

    def plus(self, other: ProviderUsage) -> ProviderUsage:
        """The sum of both; they must name the same provider and model."""
        return ProviderUsage(
            provider=self.provider,
            model=self.model,
            calls=self.calls + other.calls,
            failed_calls=self.failed_calls + other.failed_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            milliseconds=self.milliseconds + other.milliseconds,
        )


class UsageMeter(Protocol):
    """Hears what was spent at providers."""

    def spent(self, project_id: str, key_id: str, usage: Iterable[ProviderUsage]) -> None:
        """Must return at once: it is called on the event loop, after the work."""
        ...


class NoMeter:
    """Counts nothing."""

    def spent(self, project_id: str, key_id: str, usage: Iterable[ProviderUsage]) -> None:
        """Forgets it."""
