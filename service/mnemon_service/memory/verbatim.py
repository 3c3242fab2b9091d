"""Storing what was given as it is (`infer` false): each text and each message becomes one memory."""

from __future__ import annotations

from typing import Final

from mnemon_service.memory.planned import AddPlan, AddRequest, PlannedFact
from mnemon_service.memory.understood import quoted
from mnemon_service.model.memory import MemoryType
from mnemon_service.model.message import Message

EXTRACTOR: Final = "verbatim"


def plan_verbatim(request: AddRequest) -> AddPlan:
    """One fact a message with words in it, then one a text; nothing is left out or rewritten."""
    facts = [_of_message(request, message) for message in request.messages if message.content.strip()]
    facts += [
        PlannedFact(text, type=request.type or MemoryType.SEMANTIC, event_time=request.event_time)
        for text in request.texts
    ]
    return AddPlan(tuple(facts), EXTRACTOR)


def _of_message(request: AddRequest, message: Message) -> PlannedFact:
    return PlannedFact(
        text=message.content,
        sources=(quoted(message, ""),),
        type=request.type or MemoryType.SEMANTIC,
        attributed_to=message.name,
        event_time=request.event_time,
    )
