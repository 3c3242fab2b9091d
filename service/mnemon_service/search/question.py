"""A search in the domain's words: what is asked, and what came of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mnemon_service.model.filter import Filter
from mnemon_service.model.memory import Memory, MemoryState
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.record.selection import Access, AsOf, Selection, visible_states
from mnemon_service.search.ranking.candidate import RankedHit
from mnemon_service.search.ranking.query_analysis import AnalyzedQuery
from mnemon_service.search.ranking.view_arrays import Vectors
from mnemon_service.search.ranking.weights import Weights


class Mode(enum.StrEnum):
    """How to match."""

    HYBRID = "HYBRID"
    SEMANTIC = "SEMANTIC"
    KEYWORD = "KEYWORD"


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for, where, and how; checked before it is made."""

    access: Access
    scope: Scope
    """Narrowed by what the caller's key is bound to; empty for the whole project."""
    text: str
    reference_time: datetime
    filter: Filter | None = None
    top_k: int = 10
    threshold: float = 0.0
    mode: Mode = Mode.HYBRID
    rerank: bool = False
    diversity: float = 0.0
    as_of: AsOf | None = None
    show_superseded: bool = False
    include_messages: bool = False
    explain: bool = False

    @property
    def selection(self) -> Selection:
        """What the record may return for it."""
        return Selection(self.scope, self.filter, self.show_superseded, as_of=self.as_of)

    @property
    def states(self) -> tuple[MemoryState, ...]:
        """States of memories that may be hits."""
        return visible_states(show_superseded=self.show_superseded)


class NoticeCode(enum.StrEnum):
    """Stable words of `Notice.code`."""

    KEYWORD_ONLY = "KEYWORD_ONLY"
    RERANK_FAILED = "RERANK_FAILED"
    RERANK_LATE = "RERANK_LATE"
    INDEX_LAGGING = "INDEX_LAGGING"
    MESSAGES_CUT = "MESSAGES_CUT"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a caller should know about how the answer came to be."""

    code: NoticeCode
    message: str


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why a hit stands where it does, for `explain`."""

    arm_ranks: Mapping[str, int]
    matched_terms: tuple[str, ...]
    matched_entities: tuple[str, ...]
    weights: Mapping[str, float]
    raw_score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory or a message of the conversation log, and how well it answers."""

    ranked: RankedHit
    score: float
    """The calibrated score or, after a reranker, the reranker's."""
    weights: Weights
    """What its parts were weighted with."""
    memory: Memory | None = None
    message: Message | None = None
    rerank: float | None = None
    reasons: Reasons | None = None

    @property
    def id(self) -> str:
        """Of the memory or the message."""
        return self.ranked.memory_id

    @property
    def text(self) -> str:
        """What it says."""
        if self.memory is not None:
            return self.memory.text
        return self.message.content if self.message is not None else ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question taken apart, with the vector of its text."""

    question: Question
    query: AnalyzedQuery
    vector: Vectors | None
    """Of length 1; None in a search by words."""
    weights: Weights
    """In force for the mode that is really used."""
    limit: int
    """Candidates that each list gives."""
    expand_best: int
    """The best candidates whose neighbours in the conversation are candidates too."""
    drawn: Mapping[str, float] = field(default_factory=dict)
    """Memories drawn from messages that match, by id, with how well the best of these does, 0..1; candidates
    whatever the lists give."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How a search went."""

    candidate_counts: Mapping[str, int] = field(default_factory=dict)
    matched_count: int = 0
    usage: tuple[ProviderUsage, ...] = ()
    notices: tuple[Notice, ...] = ()
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, best first, and how the search went."""

    hits: tuple[Hit, ...]
    summary: Summary
