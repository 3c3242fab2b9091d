"""The plain data of ranking: what goes into the fusion and what comes out.

What a search makes by the hundred are named tuples: they cost a third of a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from mnemon_service.model.memory import EventTime, MemoryState, Role


class Candidate(NamedTuple):
    """A memory that may answer the query, with all that ranking looks at."""

    memory_id: str
    cosine: float
    """The best cosine of the query with any vector of the memory, -1..1; 0 if there is none."""
    term_counts: Mapping[str, int]
    """How often each token of `model.text_analysis` occurs in the indexed text. Tokens that are not in
    the query may be left out."""
    length: int
    """Tokens of the indexed text, repetitions counted."""
    role: Role | None = None
    """Who spoke in the message it came from; None if it came from no message."""
    attributed_to: str = ""
    run_id: str = ""
    session: str = ""
    run_position: int = 0
    """Place in the run's conversation, from 1; 0 for none."""
    event_time: EventTime | None = None
    observed_time: datetime | None = None
    """When it was said or, if unknown, when it was stored."""
    update_time: datetime | None = None
    state: MemoryState = MemoryState.ACTIVE
    entities: tuple[str, ...] = ()
    """Names of the things it speaks of."""

    @property
    def sitting(self) -> str:
        """The sitting of the conversation it belongs to; empty for none."""
        return self.session or self.run_id

    @property
    def conversation(self) -> tuple[str, str]:
        """What its `run_position` counts in: positions compare only within one of these."""
        return (self.run_id, self.session)


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """What BM25 must know of the whole scope, not only of the candidates."""

    memory_count: int
    average_length: float
    """Mean tokens of a memory; at least a small positive number."""
    document_frequencies: Mapping[str, int] = field(default_factory=dict)
    """For each term of the query, how many memories hold it; a missing term counts as in none."""


class ScoreParts(NamedTuple):
    """Why a hit scored what it did. Each part is already weighted: they add up to `weighted_sum`."""

    semantic: float = 0.0
    keyword: float = 0.0
    entity: float = 0.0
    time: float = 0.0
    speaker: float = 0.0
    recency: float = 0.0
    message: float = 0.0
    neighbour: float = 0.0
    session: float = 0.0

    @property
    def weighted_sum(self) -> float:
        """What the calibration turns into the score."""
        return self.own + self.neighbour + self.session

    @property
    def own(self) -> float:
        """The sum without what other memories lend."""
        return (
            self.semantic
            + self.keyword
            + self.entity
            + self.time
            + self.speaker
            + self.recency
            + self.message
        )


class RankedHit(NamedTuple):
    """A candidate with its place in the order."""

    candidate: Candidate
    score: float
    """0..1, one meaning for all queries: see `weights.Calibration`."""
    parts: ScoreParts

    @property
    def memory_id(self) -> str:
        """The memory's id."""
        return self.candidate.memory_id
