"""The limits of projects, keys and the server, asked before a call does any work."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final

from mnemon_service.model.call import Call
from mnemon_service.model.errors import Reason, ResourceExhausted
from mnemon_service.model.settings import Limits, SettingsSource
from mnemon_service.record.place_leases import PlaceKey
from mnemon_service.server.boundary import WAITING
from mnemon_service.server.quotas import Quotas, effective
from mnemon_service.server.rate_leases import RateLeases
from mnemon_service.server.rates import PLACE_SECONDS, Subject, places_of
from mnemon_service.server.shared_places import SharedPlaces

ADDING: Final = frozenset(
    {"MemoryService/AddMemories", "MemoryService/EnqueueMemories", "MemoryService/ImportMemories"}
)
"""Calls that count as adds and may store more memories."""
SPENDING: Final = frozenset(
    {
        "MemoryService/AddMemories",
        "MemoryService/EnqueueMemories",
        "AdminService/GenerateInstructions",
    }
)
"""Calls that ask a language model."""
LONGEST_PAUSE_SECONDS: Final = 30.0
"""How long a refusal may be held back."""
MAXIMUM_PAUSED: Final = 4_000
"""Refusals held back at once, about 30 KB each; more are sent without."""
REMEMBERED: Final = 10_000
"""Projects and keys whose counters are kept."""

Bounded = list[tuple[Subject, Limits]]
"""Whose limits count for a call."""


class Limiter:
    """Implements `server.admission.Admission`."""

    def __init__(
        self,
        settings: SettingsSource,
        quotas: Quotas,
        *,
        project_defaults: Limits = Limits(),
        maximum_calls: int = 2_000,
        rate_leases: RateLeases | None = None,
        shared_places: SharedPlaces | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`maximum_calls` bounds calls and streams of all projects together in this process. Without
        `rate_leases` and `shared_places` rates and places are those of this process."""
        self._rate_leases = rate_leases
        self._shared_places = shared_places
        self._settings = settings
        self._quotas = quotas
        self._defaults = project_defaults
        self._maximum_calls = maximum_calls
        self._now = now
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._running = 0
        self._paused = 0

    def admitted(self, call: Call, *, streaming: bool) -> AbstractAsyncContextManager[None]:
        """See `Admission`."""
        return _Place(self, call, streaming=streaming or call.method in WAITING)

    async def enter(self, call: Call, *, streaming: bool) -> Bounded:
        """Takes a place and a request of everyone whose limits count for the call. Raises
        `ResourceExhausted`."""
        bounded = await self._bounded(call)
        self._require_place()
        entered: Bounded = []
        try:
            for subject, limits in bounded:
                await self._enter_one(subject, limits, call, streaming=streaming)
                entered.append((subject, limits))
        except BaseException as refusal:
            for other, limits in entered:
                self._leave_one(other, limits, call, streaming=streaming)
                self._give_request_back(other, limits, call)
            if isinstance(refusal, ResourceExhausted):
                await self._pause(subject, refusal, call)
            raise
        self._running += 1
        try:
            await self._take_quotas(call, bounded)
        except BaseException:
            self.leave(bounded, call, streaming=streaming)
            raise
        return bounded

    async def _enter_one(self, subject: Subject, limits: Limits, call: Call, *, streaming: bool) -> None:
        """Takes a request and a place of one whose limits count; both, or neither."""
        await self._take_request(subject, limits, call)
        try:
            limit, kind = places_of(limits, streaming=streaming)
            if self._shared_places is None:
                subject.require_place(limits, streaming=streaming)
            elif limit is not None:
                await self._shared_places.enter(subject, _place_key(subject, call, kind), limit)
        except BaseException:
            self._give_request_back(subject, limits, call)
            raise
        subject.enter(streaming=streaming)

    def _leave_one(self, subject: Subject, limits: Limits, call: Call, *, streaming: bool) -> None:
        subject.leave(streaming=streaming)
        limit, kind = places_of(limits, streaming=streaming)
        if self._shared_places is not None and limit is not None:
            self._shared_places.leave(_place_key(subject, call, kind))

    async def _take_request(self, subject: Subject, limits: Limits, call: Call) -> None:
        rate = limits.requests_per_second
        if rate is None:
            return
        if self._rate_leases is None:
            subject.take_token(rate, self._now())
        else:
            subject_id = _subject_id(subject, call)
            await self._rate_leases.take(subject, call.caller.project_id, subject_id, rate)

    def _give_request_back(self, subject: Subject, limits: Limits, call: Call) -> None:
        if limits.requests_per_second is None:
            return
        if self._rate_leases is None:
            subject.give_token_back()
        else:
            self._rate_leases.give_back(call.caller.project_id, _subject_id(subject, call))

    def leave(self, entered: Bounded, call: Call, *, streaming: bool) -> None:
        """Gives the places back."""
        self._running -= 1
        for subject, limits in entered:
            self._leave_one(subject, limits, call, streaming=streaming)

    async def require_room(self, project_id: str, adding: int) -> None:
        """Raises `ResourceExhausted` (QUOTA_EXCEEDED) if the project may not store so many more, which it
        does next. For the write path: how many an add stores is known late."""
        limit = effective((await self._settings.of(project_id)).limits, self._defaults).memories_stored
        if limit is not None and adding:
            await self._quotas.require_room(project_id, adding, limit, stored=True)

    def _require_place(self) -> None:
        if self._running >= self._maximum_calls:
            raise ResourceExhausted(
                "the server has no free place for another call",
                reason=Reason.TOO_MANY_CONCURRENT_CALLS,
                retry_after=PLACE_SECONDS,
                metadata={"limit": "server.concurrent_calls"},
            )

    async def _bounded(self, call: Call) -> Bounded:
        caller = call.caller
        found: Bounded = []
        if caller.project_id:
            settings = await self._settings.of(caller.project_id)
            limits = effective(settings.limits, self._defaults)
            found.append((self._subject("project", caller.project_id), limits))
        if caller.key_id:
            found.append((self._subject("key", caller.key_id), caller.limits))
        return found

    def _subject(self, name: str, subject_id: str) -> Subject:
        subject = self._subjects.get((name, subject_id))
        if subject is None:
            if len(self._subjects) >= REMEMBERED:
                self._subjects = {at: kept for at, kept in self._subjects.items() if not kept.is_idle}
            subject = self._subjects[name, subject_id] = Subject(name)
        return subject

    async def _take_quotas(self, call: Call, bounded: Bounded) -> None:
        project_id = call.caller.project_id
        for subject, limits in bounded:
            subject_id = _subject_id(subject, call)
            if call.method in SPENDING and limits.tokens_per_day is not None:
                await self._quotas.require_tokens(project_id, subject_id, subject.name, limits.tokens_per_day)
            if call.method in ADDING and limits.memories_stored is not None:
                await self._quotas.require_room(project_id, 1, limits.memories_stored)
            if call.method in ADDING and limits.adds_per_day is not None:
                await self._quotas.take_add(project_id, subject_id, subject.name, limits.adds_per_day)

    async def _pause(self, subject: Subject, refusal: ResourceExhausted, call: Call) -> None:
        """Holds a refusal back when its subject heard many: a caller who tries again at once, always, is
        slowed down to a pace that costs the others nothing they would notice."""
        pause = min(subject.refusal_pause(self._now()), LONGEST_PAUSE_SECONDS)
        if call.time_remaining is not None:
            pause = min(pause, call.time_remaining / 2)
        if pause <= 0 or self._paused >= MAXIMUM_PAUSED:
            return
        # Spread, so that those who were refused together do not come back together.
        pause *= random.uniform(0.5, 1.0)
        self._paused += 1
        subject.refusing += 1
        try:
            await asyncio.sleep(pause)
        finally:
            self._paused -= 1
            subject.refusing -= 1
        refusal.retry_after = max(0.05, (refusal.retry_after or 0.0) - pause)


def _subject_id(subject: Subject, call: Call) -> str:
    """The key's id, or empty for the project."""
    return call.caller.key_id if subject.name == "key" else ""


def _place_key(subject: Subject, call: Call, kind: str) -> PlaceKey:
    return call.caller.project_id, _subject_id(subject, call), kind


class _Place:
    """A call's place while it runs."""

    __slots__ = ("_call", "_entered", "_limiter", "_streaming")

    def __init__(self, limiter: Limiter, call: Call, *, streaming: bool) -> None:
        self._limiter = limiter
        self._call = call
        self._streaming = streaming
        self._entered: Bounded = []

    async def __aenter__(self) -> None:
        self._entered = await self._limiter.enter(self._call, streaming=self._streaming)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limiter.leave(self._entered, self._call, streaming=self._streaming)
