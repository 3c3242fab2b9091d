"""What an operator can set about searching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS, Weights

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Weights, bounds and waiting times of a search; the defaults serve a laptop."""

    weights: Weights = DEFAULT_WEIGHTS
    """Of a hybrid search."""
    candidates: int = 40
    """What each list of candidates gives at least; twice `top_k` if that is more. On the development split
    of LoCoMo recall@10 / NDCG@10 are 80.1 / 62.2 with 40 (and 20 below), 80.3 / 62.3 with 100 (and 30),
    79.5 / 61.8 with 25; a thousand memories then take half as long to rank as with 100."""
    expand_best: int = 20
    """The best candidates whose neighbours in the conversation are looked at too."""
    index_candidates: int = 100
    """The same as `candidates` where the index gives them: it knows one vector a memory, not each
    sentence's, so it is asked for more."""

    views: bool = True
    """Keep the memories of scopes that are searched again in memory; off, every search asks the index."""
    view_bytes: int = 128 * MEBIBYTE
    """All views together; the least recently searched goes first. A memory of three sentences takes
    about 8 kB with 384 dimensions, its text included."""
    view_rows_of_user: int = 20_000
    """A user with more memories is searched in the index."""
    view_rows_of_scope: int = 2_000
    """The same for a scope without a user (an agent's, a run's, the whole project)."""

    sole_writer: bool = False
    """True if no other process writes the record (SQLite): a view then knows without asking whether the
    log has grown, which spares each search a query."""

    tail_changes: int = 10_000
    """Changes that the index has not applied yet and that a search lays over it; with more it says
    INDEX_LAGGING."""
    statistics_sample: int = 2_000
    """About how many memories of a scope searched in the index the words' frequencies are taken from."""
    statistics_seconds: float = 60.0
    """After so long the sample is taken anew."""

    view_rows_in_loop: int = 4_000
    """A larger view is searched in a thread, so that other calls do not wait for it."""

    past_memories: int = 50_000
    """Memories that a search of the past reads at most; with more it asks for a narrower scope."""

    rerank_candidates: int = 50
    """The best hits that a reranker sees; `top_k` if that is more."""
    rerank_seconds: float = 3.0
    """How long a search waits for a reranker, if its own deadline does not come first."""

    messages: int = 1_000
    """The newest messages of a scope that are looked through with `include_messages`: about 40 µs each."""

    live_debounce_seconds: float = 0.12
    """Quiet after an unfinished utterance before it is searched: about the pause between two words."""
    live_longest_wait_seconds: float = 0.5
    """A speaker who never pauses is answered this often."""
