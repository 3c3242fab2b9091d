"""Which memories a caller of the record means, and how it wants them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from mnemon_service.model.filter import Filter
from mnemon_service.model.memory import Memory, MemoryState, Version
from mnemon_service.model.scope import Scope

Vector = npt.NDArray[np.float32]
"""One embedding, as it was saved."""

MAXIMUM_PAGE_SIZE: Final = 500
DEFAULT_PAGE_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks: the project and the scope that the caller's key is bound to.

    Every read and write of the record takes one, so that nobody can forget it: what lies outside does
    not exist for the caller.
    """

    project_id: str
    bound: Scope = Scope()
    """An empty scope binds nothing: the whole project."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Names one write of a client, so that it takes effect once."""

    request_id: str
    """The client's own id; kept 24 hours in its project."""
    method: str
    body_hash: str
    """Fingerprint of the whole request; the same id with another one is refused."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment of the project's log: its state after all changes up to it. Set exactly one field."""

    sequence: int | None = None
    time: datetime | None = None
    """By `record_time`: what was known then."""


class OrderBy(enum.StrEnum):
    """What a list is sorted by. Ties of CREATE_TIME are sorted by id; UPDATE_TIME has none."""

    CREATE_TIME = "CREATE_TIME"
    UPDATE_TIME = "UPDATE_TIME"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list; newest first by default."""

    by: OrderBy = OrderBy.CREATE_TIME
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Selection:
    """A set of memories. What has expired by now (or by `as_of`) is never in it."""

    scope: Scope = Scope()
    """Every id that is named must match; an empty scope means all that the access allows."""
    filter: Filter | None = None
    """Checked before (`mnemon_service.model.filter`); it is ANDed and cannot widen the scope."""
    show_superseded: bool = False
    show_deleted: bool = False
    """Soft-deleted ones within the retention time too."""
    as_of: AsOf | None = None
    """The past as it was, memories included that were deleted (not erased) since; None for now."""

    @property
    def states(self) -> tuple[MemoryState, ...]:
        """The states that it selects."""
        return visible_states(show_superseded=self.show_superseded, show_deleted=self.show_deleted)


def holds(access: Access, selection: Selection, memory: Memory, now: datetime) -> bool:
    """True if a present memory lies in a selection without a filter, as a read at `now` decides it."""
    scope = selection.scope.narrowed_by(access.bound)
    return (
        memory.project_id == access.project_id
        and scope is not None
        and scope.selects(memory.scope)
        and memory.state in selection.states
        and (memory.expire_time is None or memory.expire_time > now)
    )


def visible_states(*, show_superseded: bool = False, show_deleted: bool = False) -> tuple[MemoryState, ...]:
    """ACTIVE, and what else is asked for; EXPIRED never."""
    states = [MemoryState.ACTIVE]
    if show_superseded:
        states.append(MemoryState.SUPERSEDED)
    if show_deleted:
        states.append(MemoryState.DELETED)
    return tuple(states)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    memories: tuple[Memory, ...]
    next_page_token: str
    """Empty on the last page."""
    sequence: int
    """The log position that all pages of this list show."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the log with the vectors of its text."""

    version: Version
    vectors: tuple[Vector, ...] = ()
    """The memory's own, then, if asked for, one for each of its sentences (`model.indexed_text`); none if
    its own is not saved in the embedding space asked for."""

    @property
    def vector(self) -> Vector | None:
        """The memory's own."""
        return self.vectors[0] if self.vectors else None


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """A memory with what a ranking in memory needs beside it."""

    memory: Memory
    vectors: tuple[Vector, ...] = ()
    """As `Change.vectors`, sentences included."""
