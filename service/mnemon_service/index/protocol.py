"""What the house asks of an index, in plain words: no type of Milvus passes this page.

The index holds what follows from the record and can be made anew from it: vectors, keyword tokens
and the fields that filters need, never a memory's text. It answers candidates; who may see them is
decided again by the record, so a stale row costs a place in a list, never a promise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from mnemon_service.model.filter import Filter
from mnemon_service.model.memory import MemoryState
from mnemon_service.model.scope import Scope

Vector = npt.NDArray[np.float32]
"""One embedding; every component is finite."""

MAXIMUM_LIMIT: Final = 10_000
"""Candidates that one search may ask for."""

MAXIMUM_BATCH: Final = 1_000
"""Rows that one `apply` may carry, upserts and deletions together."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One memory, as the index keeps it."""

    project_id: str
    memory_id: str
    """A UUID in its canonical text form."""
    scope: Scope
    """All four ids, for filters; `scope.owner` decides where the row lies."""
    sequence: int
    """Place in the project's log of the version that this row shows. A row never gives way to one of
    a smaller sequence."""
    version: int
    """The memory's version that this row shows."""
    tokens: tuple[str, ...] = ()
    """What `mnemon_service.model.text_analysis.tokenize` made of the text; none holds white space."""
    vector: Vector | None = field(default=None, compare=False)
    """The text's embedding; None if there is no embedder: the row is then found by its words only."""
    entities: tuple[str, ...] = ()
    """Names of the entities, in lower case."""
    state: MemoryState = MemoryState.ACTIVE
    type: str = ""
    categories: tuple[str, ...] = ()
    attributed_to: str = ""
    event_time: int | None = None
    """Microseconds since 1970-01-01T00:00Z, as the three times below; None if there is none."""
    expire_time: int | None = None
    create_time: int | None = None
    update_time: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON values by key, as the caller gave them."""
    run_position: int = 0

    @property
    def key(self) -> IndexKey:
        """Where this row lies."""
        return IndexKey(self.project_id, self.memory_id, self.scope.owner, self.sequence)


@dataclass(frozen=True, slots=True)
class IndexKey:
    """Which row is meant."""

    project_id: str
    memory_id: str
    owner: str = ""
    """`Scope.owner` of the row. Empty if it is not known: then every shard is asked, which costs up
    to 64 calls on Milvus Lite and nothing on a server."""
    sequence: int | None = None
    """For a deletion: place in the log of the change that deletes; a row that shows a later change
    stays. None deletes whatever is there."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows a search may find. The index puts all of it into the question itself."""

    project_id: str
    scope: Scope = field(default_factory=Scope)
    """Every id that is named must match; an empty scope means the whole project."""
    filter: Filter | None = None
    """Checked by `model.filter_matching.check` before; it has the one meaning of `model.filter`."""
    states: tuple[MemoryState, ...] = (MemoryState.ACTIVE,)


@dataclass(frozen=True, slots=True)
class IndexHit:
    """A candidate and its score in the list that it comes from; larger is better."""

    memory_id: str
    score: float


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What the index holds of one memory, for comparing it with the record."""

    project_id: str
    memory_id: str
    owner: str
    version: int
    sequence: int


@dataclass(frozen=True, slots=True)
class IndexStatistics:
    """How much the index holds."""

    rows: int
    collections: int
    bytes_on_disk: int | None
    """None where the disk is a server's."""


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """What the index is, for `GetServerInfo`: no address, no secret."""

    kind: str
    """`milvus-lite`, `milvus` or `zilliz-cloud`."""
    version: str
    """The engine's version as it reports it; empty before `open`."""
    embedder: str
    """Name of the embedder whose vectors it holds; empty if it holds none."""
    dimensions: int
    """Components of each vector; 0 if it holds none."""
    generation: int
    """Counts the rebuilds: 1, 2, 3 …"""


class MemoryIndex(Protocol):
    """Candidates for a search, and the care of the rows they come from.

    Every method but `open` and `close` raises `Unavailable` (INDEX_UNAVAILABLE, with `retry_after`)
    if the engine does not answer in time, and `InvalidArgument` for an id that is no UUID, a vector
    of the wrong length or one with a component that is not finite.
    """

    @property
    def description(self) -> IndexDescription:
        """What it is."""
        ...

    @property
    def needs_rebuild(self) -> bool:
        """True if the rows come from another embedder or layout: rebuild before searching.

        Until then reads and writes raise `FailedPrecondition` (INDEX_MISMATCH).
        """
        ...

    @property
    def needs_verification(self) -> bool:
        """True after an unclean stop or damage: what it holds may differ from the record."""
        ...

    async def verified(self) -> None:
        """Note that the index was compared with the record and repaired."""
        ...

    async def open(self) -> None:
        """Make it ready: start or reach the engine, take what is on disk, drop what is broken.

        Never fails because the engine is away: it is tried again with the first call.
        """
        ...

    async def close(self) -> None:
        """Write what is in memory and stop; idempotent."""
        ...

    async def apply(self, upserts: Sequence[IndexRow], deletions: Sequence[IndexKey] = ()) -> None:
        """Take over changes; after it returns every search sees them.

        Idempotent, and an older change never undoes a newer one that is still there (by `sequence`).
        At most `MAXIMUM_BATCH` changes, each memory once. If it raises, some may have been taken:
        give all of them again.
        """
        ...

    async def search_dense(self, selection: Selection, vector: Vector, limit: int) -> list[IndexHit]:
        """The nearest rows by cosine similarity (-1..1), best first, ties by id."""
        ...

    async def search_keyword(self, selection: Selection, terms: Sequence[str], limit: int) -> list[IndexHit]:
        """The best rows by BM25 of their tokens, positive, best first, ties by id.

        Engines differ in the statistics behind the score, so it orders candidates and says no more.
        """
        ...

    async def search_entity(self, selection: Selection, names: Sequence[str], limit: int) -> list[IndexHit]:
        """Rows that name any of these entities (lower case); the score is how many, ties newest first."""
        ...

    async def fetch(self, keys: Sequence[IndexKey]) -> list[IndexRow]:
        """The rows that are there, with vectors and tokens, in the order of the keys."""
        ...

    async def entries(self, keys: Sequence[IndexKey]) -> list[IndexEntry]:
        """What it holds of these memories, in no order; at most `MAXIMUM_BATCH` keys."""
        ...

    def scan(self, project_id: str | None = None) -> AsyncIterator[IndexEntry]:
        """All that the index holds of one project or of all, each row once, in bounded memory.

        In no order that means anything. Rows changed meanwhile may be shown before or after it.
        """
        ...

    async def erase(self, keys: Sequence[IndexKey]) -> None:
        """Delete rows so that no byte of them is left in the files of the index.

        On Milvus Lite each shard that held one is written anew without them and the old files are
        removed. On a server: deleted and compaction asked for; the server frees the bytes in its time.
        """
        ...

    async def drop_project(self, project_id: str) -> None:
        """Erase every row of a project."""
        ...

    async def begin_rebuild(self) -> Rebuild:
        """Start an empty index beside this one, which goes on answering. A rebuild begun before and
        not committed is dropped."""
        ...

    async def statistics(self) -> IndexStatistics:
        """How much it holds."""
        ...


class Rebuild(Protocol):
    """An index in the making."""

    async def apply(self, upserts: Sequence[IndexRow]) -> None:
        """Take rows into the new index."""
        ...

    async def commit(self) -> None:
        """Put the new index in the place of the old one, at once for every reader, and drop the old.

        Set the cursors back to where each project's log stood when the rebuild began: what happened
        since was applied to the old index only.
        """
        ...

    async def abort(self) -> None:
        """Drop what was written."""
        ...
