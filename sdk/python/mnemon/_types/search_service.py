"""Finding: the right few memories, with reasons, as a list, a stream, a conversation or a prompt.

Made from mnemon/v1/search_service.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mnemon._behaviour import HitList, PromptText
from mnemon._record import Record, Word
from mnemon._types.memory import Memory
from mnemon._types.message import LoggedMessage
from mnemon._types.usage import Usage


class SearchMode(Word):
    """How to match."""

    UNSPECIFIED = "UNSPECIFIED"
    """HYBRID."""

    HYBRID = "HYBRID"
    """By meaning, words, names and time together."""

    SEMANTIC = "SEMANTIC"
    """By meaning only."""

    KEYWORD = "KEYWORD"
    """By words only; calls no embedding model."""


class ContextFormat(Word):
    """How the prompt text is laid out."""

    UNSPECIFIED = "UNSPECIFIED"
    """MARKDOWN."""

    MARKDOWN = "MARKDOWN"
    """Headed by day, a line a memory with its citation."""

    XML = "XML"
    """Elements with attributes, for models that prefer tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreParts(Record):
    """What a score is made of, before the weights; 0 where a part does not apply. All are 0 to 1 but
    `neighbour` and `session`, which are weighted sums of other parts.
    """

    semantic: float = 0.0
    """Likeness of meaning: the cosine of the embeddings."""

    keyword: float = 0.0
    """Match of words: BM25 as a share of the most that this query could reach."""

    entity: float = 0.0
    """Match of names."""

    time: float = 0.0
    """Match of dates and times that the query names."""

    speaker: float = 0.0
    """Match of the speaker that the query asks about."""

    neighbour: float = 0.0
    """Weighted sum of the best memory right before or after it in its conversation; of its own, a little
    less, if it stands alone.
    """

    session: float = 0.0
    """Mean weighted sum of the best three memories of its sitting; its own if it stands alone."""

    recency: float = 0.0
    """How recent it is."""

    rerank: float | None = None
    """The reranker's score; absent if none ran."""

    message: float = 0.0
    """Match of words of the best message that it was drawn from; only where the server gives it a weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Record):
    """Why a hit stands where it does."""

    arm_ranks: Mapping[str, int] = field(default_factory=dict)
    """Rank in each list of candidates that held it, from 1: "semantic", "keyword", "entity"."""

    matched_terms: tuple[str, ...] = ()
    """Words of the query that it holds, as the tokeniser sees them."""

    matched_entities: tuple[str, ...] = ()
    """Names of the query that it holds."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """The weights that the parts were added with."""

    raw_score: float = 0.0
    """The weighted sum before it was mapped to 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit(Record):
    """One hit."""

    memory: Memory | None = None
    """A memory."""

    message: LoggedMessage | None = None
    """A message of the conversation log, only with `include_messages`."""

    score: float = 0.0
    """0 to 1: how likely it is that this answers the query."""

    parts: ScoreParts = field(default_factory=lambda: ScoreParts())
    """What the score is made of."""

    rank: int = 0
    """Place in the order, from 1."""

    explanation: Explanation | None = None
    """Why, if asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Record):
    """Something a caller should know about how the answer came to be."""

    code: str = ""
    """A stable word: KEYWORD_ONLY (no embedding model), RERANK_FAILED, RERANK_LATE, INDEX_LAGGING …"""

    message: str = ""
    """In words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSummary(Record):
    """How a search went."""

    candidate_counts: Mapping[str, int] = field(default_factory=dict)
    """Candidates that each list gave: "semantic", "keyword", "entity", "tail"."""

    matched_count: int = 0
    """Hits that pass scope, filter and threshold among the candidates."""

    usage: Usage = field(default_factory=lambda: Usage())
    """What it cost."""

    notices: tuple[Notice, ...] = ()
    """What to know about it; empty if all went as asked."""

    sequence: int = 0
    """The place in the project's log that the search saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResponse(HitList):
    """The hits."""

    hits: tuple[SearchHit, ...] = ()
    """Best first."""

    summary: SearchSummary = field(default_factory=lambda: SearchSummary())
    """How it went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HitPage(Record):
    """Some hits in their order."""

    hits: tuple[SearchHit, ...] = ()
    """Best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Record):
    """A hit that a reranker moved, or that its move brought in."""

    memory_id: str = ""
    """The memory."""

    from_rank: int = 0
    """Where it stood, from 1; 0 if it was not among the hits."""

    to_rank: int = 0
    """Where it stands now, from 1; 0 if it fell out."""

    score: float = 0.0
    """Its score now."""

    hit: SearchHit | None = None
    """The hit itself if it was not sent before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision(Record):
    """A new order of what was sent."""

    moves: tuple[Move, ...] = ()
    """Every hit whose place changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSearchResponse(Record):
    """What changed among the hits since the last answer."""

    revision: int = 0
    """Counts answers from 1."""

    text: str = ""
    """The text that this answer is for."""

    added: tuple[SearchHit, ...] = ()
    """Hits that are new, with their rank."""

    removed_memory_ids: tuple[str, ...] = ()
    """Memories that are hits no more."""

    moved: tuple[Move, ...] = ()
    """Hits that stayed and changed place."""

    final: bool = False
    """True: this is the answer to a final utterance."""

    notices: tuple[Notice, ...] = ()
    """What to know about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation(Record):
    """Where a piece of the text comes from."""

    label: str = ""
    """The mark in the text, as "m1"."""

    memory_id: str = ""
    """The memory."""

    score: float = 0.0
    """Its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut(Record):
    """A hit that the text does not hold."""

    memory_id: str = ""
    """The memory."""

    reason: str = ""
    """A stable word: BUDGET or DUPLICATE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContextResponse(PromptText):
    """The prompt text."""

    text: str = ""
    """Ready to put into a prompt; the same request over the same memories gives the same text."""

    citations: tuple[Citation, ...] = ()
    """Each memory in it."""

    left_out: tuple[LeftOut, ...] = ()
    """Each hit left out, best first."""

    token_count: int = 0
    """Tokens the text takes, by the conservative count."""

    summary: SearchSummary = field(default_factory=lambda: SearchSummary())
    """How the search went."""
