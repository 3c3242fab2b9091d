"""How often something that a model said was not taken, and why: a metric that shows a model going astray."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry import metrics

from mnemon_service.memory.planned import RefusedFact

_refusals = metrics.get_meter("mnemon_service").create_counter(
    "mnemon.extraction.refusals",
    unit="{refusal}",
    description="What a model said and was not taken, by reason",
)


def count_refusals(refusals: Iterable[RefusedFact]) -> None:
    """Counts each by its reason, which is one of a dozen words."""
    for refusal in refusals:
        _refusals.add(1, {"reason": refusal.reason})
