"""Calls and streams that a project or a key may have open at once, on all replicas together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from mnemon_service.model.errors import MnemonError
from mnemon_service.model.ids import new_id
from mnemon_service.record.place_leases import PlaceKey, PlaceLeases
from mnemon_service.server.rates import Subject

KEEP_SECONDS: Final = 4.0
"""How often this replica shows that it lives, and gives back what it does not need."""
IDLE_SECONDS: Final = 10.0
"""After so long without a call, all of a subject's places are given back."""
SHARE: Final = 20
"""Places are taken by the twentieth part of the limit, so that most calls ask no database."""
FULL_SECONDS: Final = 0.1
"""How long it is believed that all places are taken."""

_log = structlog.get_logger("mnemon.limits")


@dataclass(slots=True)
class _Held:
    """What this replica has of the places of one subject."""

    places: int = 0
    used: int = 0
    share: int = 1
    used_at: float = 0.0
    full_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedPlaces:
    """The places of this replica, taken from the record in small leases."""

    def __init__(self, leases: PlaceLeases, *, now: Callable[[], float] = time.monotonic) -> None:
        self._leases = leases
        self._replica = new_id()
        self._now = now
        self._held: dict[PlaceKey, _Held] = {}
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look after the leases from now on."""
        self._keeping = asyncio.create_task(self._keep(), name="shared-places")

    async def stop(self) -> None:
        """Give all places back."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        with contextlib.suppress(MnemonError):  # then they lapse by themselves
            await self._leases.drop(self._replica)

    async def enter(self, subject: Subject, at: PlaceKey, limit: int) -> None:
        """Takes a place. Raises `ResourceExhausted` (TOO_MANY_CONCURRENT_CALLS) if none is free."""
        held = self._held.setdefault(at, _Held())
        if held.used >= min(held.places, limit):
            async with held.lock:
                if held.used >= min(held.places, limit):
                    await self._take_more(at, held, limit)
        if held.used >= min(held.places, limit):
            raise subject.no_place(limit, at[2])
        held.used += 1
        held.used_at = self._now()

    def leave(self, at: PlaceKey) -> None:
        """Gives the place back."""
        held = self._held[at]
        held.used -= 1
        held.used_at = self._now()

    async def tidy(self) -> None:
        """Show that this replica lives; give back what nobody here uses."""
        surplus: dict[PlaceKey, int] = {}
        for at, held in list(self._held.items()):
            if held.lock.locked():
                continue
            idle = not held.used and self._now() - held.used_at > IDLE_SECONDS
            needed = 0 if idle else held.used + held.share
            if held.places > needed:
                held.places = surplus[at] = needed
            if idle:
                del self._held[at]
        if surplus:
            await self._leases.set(surplus, self._replica)
        if self._held:
            await self._leases.keep(self._replica)

    async def _take_more(self, at: PlaceKey, held: _Held, limit: int) -> None:
        if self._now() < held.full_until or held.places >= limit:
            return
        held.share = max(1, limit // SHARE)
        granted = await self._leases.take(at, self._replica, held.places, held.share, limit)
        held.places += granted
        if not granted:
            held.full_until = self._now() + FULL_SECONDS

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            try:
                await self.tidy()
            except MnemonError as error:
                _log.warning("places not kept", reason=error.reason.value)
