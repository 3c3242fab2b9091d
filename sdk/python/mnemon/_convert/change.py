"""Between the stubs of change.proto and its types.

Made from mnemon/v1/change.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon._convert import enums
from mnemon._convert.memory import read_memory
from mnemon._types.change import Change, Refusal
from mnemon.v1 import change_pb2


def read_change(message: change_pb2.Change) -> Change:
    """The `Change` that the message holds."""
    return Change(
        event=enums.CHANGE_EVENT.read(message.event),
        memory=read_memory(message.memory),
        previous_text=message.previous_text,
        superseded=read_memory(message.superseded) if message.HasField("superseded") else None,
        reason=message.reason,
    )


def read_refusal(message: change_pb2.Refusal) -> Refusal:
    """The `Refusal` that the message holds."""
    return Refusal(reason=message.reason, detail=message.detail, message_id=message.message_id)
