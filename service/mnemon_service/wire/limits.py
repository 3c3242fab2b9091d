"""Limits of the contract and of the domain."""

from __future__ import annotations

import dataclasses

from mnemon.v1 import project_pb2
from mnemon_service.model.settings import Limits

_NAMES = tuple(field.name for field in dataclasses.fields(Limits))


def from_limits(message: project_pb2.Limits) -> Limits:
    """The domain's limits."""
    return Limits(**{name: getattr(message, name) for name in _NAMES if message.HasField(name)})  # type: ignore[arg-type]


def write_limits(limits: Limits, target: project_pb2.Limits) -> None:
    """Writes the limits that are set into a message's field."""
    for name in _NAMES:
        value = getattr(limits, name)
        if value is not None:
            setattr(target, name, value)
