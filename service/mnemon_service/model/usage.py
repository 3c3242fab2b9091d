"""What a call cost at a provider: the figures that answers and accounts report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from mnemon_service.model.errors import MnemonError


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
    """Hears what was used. Both methods must return at once: they are called on the event loop."""

    def spent(self, project_id: str, key_id: str, usage: Iterable[ProviderUsage], owner: str = "") -> None:
        """Calls and tokens of providers were spent, for the memories of an owner (`Scope.owner`)."""
        ...

    def searched(self, project_id: str, owner: str) -> None:
        """A search was made over the memories of an owner."""
        ...


class NoMeter:
    """Counts nothing."""

    def spent(self, project_id: str, key_id: str, usage: Iterable[ProviderUsage], owner: str = "") -> None:
        """Forgets it."""

    def searched(self, project_id: str, owner: str) -> None:
        """Forgets it."""


def spent_in_vain(error: MnemonError) -> list[ProviderUsage]:
    """What a provider was asked before it failed, from the error's metadata; empty if none was."""
    said = error.metadata
    if "provider" not in said:
        return []
    provider, _, model = said["provider"].partition("/")
    counted = {
        name: int(said.get(name, "0")) for name in ("calls", "failed_calls", "input_tokens", "output_tokens")
    }
    return [ProviderUsage(provider, said.get("model", model), **counted)]
