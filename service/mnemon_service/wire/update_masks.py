"""Which fields an update sets (AIP-134)."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from mnemon_service.model.errors import InvalidArgument


def named_fields(message: Message, mask: FieldMask, updatable: Sequence[str]) -> list[str]:
    """The fields to set: those that the mask names, or, without a mask, those that the message sets.

    Raises `InvalidArgument` if there is none, or for one that cannot be set.
    """
    named = list(dict.fromkeys(mask.paths))
    if not named:
        present = {descriptor.name for descriptor, _ in message.ListFields()}
        named = [field for field in updatable if field in present]
    if not named:
        raise InvalidArgument.of("update_mask", f"name at least one of {', '.join(updatable)}")
    for field in named:
        if field not in updatable:
            raise InvalidArgument.of("update_mask", f"{field!r} cannot be set; {', '.join(updatable)} can")
    return named
