"""How often and how many at once: counters in this process, one set for each project and each key.

This is all where one process has the record to itself. Where several share it, rates and places are counted
for all together (`rate_leases.py`, `shared_places.py`), as daily quotas always are (`quotas.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mnemon_service.model.errors import Reason, ResourceExhausted
from mnemon_service.model.settings import Limits

BURST: Final = 2.0
"""A bucket holds this many seconds of its rate (the contract's "bursts of twice as many")."""
NEVER_SECONDS: Final = 3600.0
"""What a caller is told to wait where the limit is 0 and only an administrator can help."""
PLACE_SECONDS: Final = 0.5
"""What a caller is told to wait for a free place: about as long as a call takes."""
REFUSALS_PER_SECOND: Final = 5.0
"""How many refusals a second one project or key hears at length; a refusal takes about as much of the
processor as a small call, and at 20 a second the others' p95 moved (by 9 to 20 %, with 64 callers)."""
REFUSAL_BURST: Final = 50
"""Refusals that it hears at once before that: a caller who heeds them is not held up."""
LONGEST_TURN_SECONDS: Final = 30.0
"""How far ahead callers are told to come back, unless one token takes longer."""
LONGEST_BACKLOG_SECONDS: Final = 60.0
"""How far ahead refusals are spread."""


@dataclass(slots=True)
class Subject:
    """A project or a key: its bucket of requests and its calls that run now."""

    name: str
    """`project` or `key`: the beginning of the limit's name in errors."""
    level: float = -1.0
    """Tokens in the bucket; below 0 before the first use."""
    filled_at: float = 0.0
    calls: int = 0
    streams: int = 0
    refusing: int = 0
    """Calls that are refused and do not know it yet."""
    promised: float = 0.0
    """The time of the last token that a refused caller was told to come back for."""
    refused_until: float = 0.0
    """The time at which the refusals so far would have been heard, one after the other at their pace."""

    def require_place(self, limits: Limits, *, streaming: bool) -> None:
        """Raises `ResourceExhausted` (TOO_MANY_CONCURRENT_CALLS) if all places are taken."""
        limit, kind = places_of(limits, streaming=streaming)
        running = self.streams if streaming else self.calls
        if limit is not None and running >= limit:
            raise self.no_place(limit, kind)

    def no_place(self, limit: int, kind: str) -> ResourceExhausted:
        """The refusal of a call for which there is no place; `kind` is `calls` or `streams`."""
        return ResourceExhausted(
            f"the {self.name} has {limit} {kind} at once, and all are in use",
            reason=Reason.TOO_MANY_CONCURRENT_CALLS,
            retry_after=PLACE_SECONDS if limit else NEVER_SECONDS,
            metadata={"limit": f"{self.name}.concurrent_{kind}"},
        )

    def take_token(self, rate: float, now: float) -> None:
        """Fills the bucket and takes a token. Raises `ResourceExhausted` (RATE_LIMITED) if it holds less."""
        if self.level < 0:
            self.level = capacity(rate)
        else:
            self.level = min(capacity(rate), self.level + (now - self.filled_at) * rate)
        self.filled_at = now
        if rate <= 0 or self.level < 1:
            raise self.rate_limited(rate, now, (1 - self.level) / rate if rate > 0 else 0.0)
        self.level -= 1

    def give_token_back(self) -> None:
        """A token that was taken is not used."""
        self.level += 1

    def rate_limited(self, rate: float, now: float, wait_seconds: float) -> ResourceExhausted:
        """The refusal of a call for which there is a token after so long at the earliest."""
        return ResourceExhausted(
            f"the {self.name} may make {rate:g} requests a second",
            reason=Reason.RATE_LIMITED,
            retry_after=self._turn(rate, now, wait_seconds) if rate > 0 else NEVER_SECONDS,
            metadata={"limit": f"{self.name}.requests_per_second"},
        )

    def _turn(self, rate: float, now: float, wait_seconds: float) -> float:
        """The seconds until a token is there that was promised to nobody else: callers who were refused
        together and heed it come back one after the other, and are admitted."""
        first = now + min(NEVER_SECONDS, wait_seconds)
        turn = max(first, self.promised + 1 / rate)
        self.promised = max(first, min(turn, now + LONGEST_TURN_SECONDS))
        return self.promised - now

    def enter(self, *, streaming: bool) -> None:
        """Takes a place."""
        self.streams += streaming
        self.calls += not streaming

    def leave(self, *, streaming: bool) -> None:
        """Gives the place back."""
        self.streams -= streaming
        self.calls -= not streaming

    def refusal_pause(self, now: float) -> float:
        """Counts a refusal; the seconds until it may be heard (generic cell rate algorithm, ITU-T I.371)."""
        heard = max(self.refused_until, now) + 1 / REFUSALS_PER_SECOND
        self.refused_until = min(heard, now + LONGEST_BACKLOG_SECONDS)
        return max(0.0, heard - now - REFUSAL_BURST / REFUSALS_PER_SECOND)

    @property
    def is_idle(self) -> bool:
        """True if nothing runs."""
        return not (self.calls or self.streams or self.refusing)


def places_of(limits: Limits, *, streaming: bool) -> tuple[int | None, str]:
    """How many of its kind may be open at once, and the kind."""
    return (limits.concurrent_streams, "streams") if streaming else (limits.concurrent_calls, "calls")


def capacity(rate: float) -> float:
    """Tokens that a bucket of this rate holds."""
    return max(1.0, BURST * rate)
