"""Guards of the model providers, from the settings."""

from __future__ import annotations

from typing import Final

from mnemon_service.providers.retry import ProviderGuard
from mnemon_service.settings import Settings

BREAKER_FAILURES: Final = 5
"""Failures in a row after which a provider is left alone for a while."""
BREAKER_SECONDS: Final = 30.0


def provider_guard(provider: str, settings: Settings) -> ProviderGuard:
    """Timeouts, retries and limits for one provider."""
    return ProviderGuard(
        provider,
        timeout=settings.provider_timeout,
        attempts=settings.provider_attempts,
        concurrency=settings.provider_concurrency,
        breaker_failures=BREAKER_FAILURES,
        breaker_seconds=BREAKER_SECONDS,
    )
