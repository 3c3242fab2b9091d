"""What a call cost, for its answer."""

from __future__ import annotations

from collections.abc import Iterable

from mnemon.v1 import usage_pb2
from mnemon_service.model.stages import Stages
from mnemon_service.model.usage import ProviderUsage


def write_usage(stages: Stages, providers: Iterable[ProviderUsage], target: usage_pb2.Usage) -> None:
    """Writes the stages' times and the providers' figures into a message's field."""
    for name, milliseconds in stages.milliseconds.items():
        target.stages.add(stage=name, milliseconds=milliseconds)
    for usage in providers:
        target.providers.add(
            provider=usage.provider,
            model=usage.model,
            calls=usage.calls,
            failed_calls=usage.failed_calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            milliseconds=usage.milliseconds,
        )
    target.milliseconds = stages.total_milliseconds
