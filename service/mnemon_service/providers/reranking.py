"""Rerankers: a query and texts in, one relevance for each text out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.model.usage import ProviderUsage


@dataclass(frozen=True, slots=True)
class Reranking:
    """What a reranker thinks of some texts, and what that cost."""

    scores: tuple[float, ...]
    """For each text, in the order given: 0 (irrelevant) to 1."""
    usage: ProviderUsage


class Reranker(Protocol):
    """Judges texts against a query more carefully than vectors and words can."""

    @property
    def name(self) -> str:
        """Provider and model, as `cohere/rerank-v3.5`."""
        ...

    async def rerank(self, query: str, texts: Sequence[str]) -> Reranking:
        """The relevance of each text. Cancelling the call ends the work at the provider's door.

        Raises `Unavailable`, `ResourceExhausted` or `FailedPrecondition` as embedders do.
        """
        ...

    async def close(self) -> None:
        """Free threads and connections; calling it again does nothing."""
        ...


def checked_scores(provider: str, scores: Sequence[float | None]) -> tuple[float, ...]:
    """The scores, each in 0..1. Raises `Unavailable` (PROVIDER_ANSWER_UNUSABLE) if one is missing or no
    number."""
    checked = []
    for score in scores:
        if score is None or not math.isfinite(score):
            raise Unavailable(
                f"{provider} did not judge every text",
                reason=Reason.PROVIDER_ANSWER_UNUSABLE,
                metadata={"provider": provider},
            )
        checked.append(min(max(float(score), 0.0), 1.0))
    return tuple(checked)
