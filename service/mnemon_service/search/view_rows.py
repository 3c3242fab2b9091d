"""From the record's memories to rows that ranking understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mnemon_service.model.filter import Filter
from mnemon_service.model.filter_matching import known_fields, matches_fields
from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.memory import Memory
from mnemon_service.model.scope import Scope
from mnemon_service.model.text_analysis import term_counts
from mnemon_service.record.selection import Vector
from mnemon_service.search.ranking.scope_view import ViewRow

_PAYLOAD_BYTES: Final = 1200
"""About what a payload takes besides its memory's strings."""
_SOURCE_BYTES: Final = 250
"""About what a source takes besides its quote."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The memory that a row stands for, and what filters look at."""

    memory: Memory
    known: Mapping[str, object]
    """As `model.filter_matching.known_fields`."""

    @property
    def size_in_bytes(self) -> int:
        """About what it takes."""
        memory = self.memory
        quotes = sum(_SOURCE_BYTES + len(source.quote) for source in memory.sources)
        metadata = 4 * len(repr(memory.metadata)) if memory.metadata else 0
        return _PAYLOAD_BYTES + len(memory.text) + quotes + metadata


def view_row(memory: Memory, vectors: Sequence[Vector], dimension: int) -> ViewRow:
    """A memory as a view holds it."""
    source = memory.sources[0] if memory.sources else None
    said = source.observed_time if source else None
    return ViewRow(
        memory_id=memory.id,
        vectors=np.stack(vectors) if vectors else np.zeros((0, dimension), np.float32),
        term_counts=term_counts(indexed_text(memory.text, memory.attributed_to)),
        role=source.role if source else None,
        attributed_to=memory.attributed_to,
        run_id=memory.scope.run_id,
        session=memory.session,
        run_position=memory.run_position,
        event_time=memory.event_time,
        observed_time=said or memory.create_time,
        update_time=memory.update_time,
        state=memory.state,
        entities=tuple(entity.name for entity in memory.entities),
        payload=Payload(memory, known_fields(memory)),
    )


def allows(scope: Scope, filter_: Filter | None) -> Callable[[ViewRow], bool] | None:
    """Whether a row lies in a scope and passes a filter; None if that is true of all rows."""
    named = tuple(scope.named().items())
    if not named and filter_ is None:
        return None

    def allowed(row: ViewRow) -> bool:
        payload = row.payload
        if not isinstance(payload, Payload):
            return False
        stored = payload.memory.scope
        for field, value in named:
            if getattr(stored, field) != value:
                return False
        return filter_ is None or matches_fields(filter_, payload.known, payload.memory.metadata)

    return allowed
