"""Between the stubs of entity.proto and its types.

Made from mnemon/v1/entity.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._types.entity import EntitySummary
from mnemon.v1 import entity_pb2


def read_entity_summary(message: entity_pb2.EntitySummary) -> EntitySummary:
    """The `EntitySummary` that the message holds."""
    return EntitySummary(
        kind=enums.ENTITY_KIND.read(message.kind),
        id=message.id,
        type=message.type,
        memory_count=message.memory_count,
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        last_activity_time=values.read_time(message.last_activity_time)
        if message.HasField("last_activity_time")
        else None,
    )
