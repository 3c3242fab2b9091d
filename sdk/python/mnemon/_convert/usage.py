"""Between the stubs of usage.proto and its types.

Made from mnemon/v1/usage.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon._types.usage import ProviderUsage, StageTime, Usage
from mnemon.v1 import usage_pb2


def read_provider_usage(message: usage_pb2.ProviderUsage) -> ProviderUsage:
    """The `ProviderUsage` that the message holds."""
    return ProviderUsage(
        provider=message.provider,
        model=message.model,
        calls=message.calls,
        failed_calls=message.failed_calls,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        milliseconds=message.milliseconds,
    )


def read_stage_time(message: usage_pb2.StageTime) -> StageTime:
    """The `StageTime` that the message holds."""
    return StageTime(stage=message.stage, milliseconds=message.milliseconds)


def read_usage(message: usage_pb2.Usage) -> Usage:
    """The `Usage` that the message holds."""
    return Usage(
        providers=tuple(read_provider_usage(item) for item in message.providers),
        stages=tuple(read_stage_time(item) for item in message.stages),
        milliseconds=message.milliseconds,
    )
