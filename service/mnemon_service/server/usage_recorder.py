"""Counts calls, searches and what providers were paid with, and writes the sums every few seconds.

Counting costs a dictionary's step on the event loop and no wait. A process that is killed loses what it
counted since the last write: two seconds at most. Memories added are not counted here but in the write that
adds them, so their number is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from mnemon_service.model.errors import MnemonError
from mnemon_service.model.usage import ProviderUsage, UsageMeter
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.record.usage import UsageAccounts, UsageKey, Used
from mnemon_service.server.background_writing import BackgroundWriter
from mnemon_service.server.boundary import EndedCall

WRITE_SECONDS: Final = 2.0
MAXIMUM_KEYS: Final = 50_000
"""Sums kept in memory while the record is away; what comes for further owners is counted for none."""

_log = structlog.get_logger("mnemon.usage")


class UsageRecorder(BackgroundWriter):
    """Implements `CallObserver` and `UsageMeter`; passes what is spent on to another meter (quotas)."""

    name = "usage"
    seconds = WRITE_SECONDS

    def __init__(self, accounts: UsageAccounts, then: UsageMeter, clock: Clock = utc_now) -> None:
        self._accounts = accounts
        self._then = then
        self._clock = clock
        self._sums: dict[UsageKey, Used] = {}

    def call_ended(self, ended: EndedCall) -> None:
        """Counts a call of Mnemon itself, for the caller's project and for whom it was about."""
        if ended.caller is not None:
            used = Used(calls=1, failed_calls=int(ended.code != "OK"))
            self._count(ended.caller.project_id, used, ended.owner)

    def spent(self, project_id: str, key_id: str, usage: Iterable[ProviderUsage], owner: str = "") -> None:
        """Counts what providers were asked."""
        usage = tuple(usage)
        self._then.spent(project_id, key_id, usage, owner)
        for each in usage:
            used = Used(each.calls, each.failed_calls, each.input_tokens, each.output_tokens)
            if used != Used():
                self._count(project_id, used, owner, f"{each.provider}/{each.model}".rstrip("/"))

    def searched(self, project_id: str, owner: str) -> None:
        """Counts a search."""
        self._count(project_id, Used(searches=1), owner)

    async def write(self) -> None:
        """Writes the sums; those of a failed write are kept for the next."""
        sums, self._sums = self._sums, {}
        if not sums:
            return
        try:
            await self._accounts.add(sums)
        except MnemonError as error:
            _log.warning("usage not written", reason=error.reason.value)
            for key, used in sums.items():
                self._sums[key] = used.plus(self._sums.get(key, Used()))

    def _count(self, project_id: str, used: Used, owner: str = "", model: str = "") -> None:
        if not project_id:
            return
        day = self._clock().date().isoformat()
        key = UsageKey(project_id, day, owner, model)
        if key not in self._sums and len(self._sums) >= MAXIMUM_KEYS:
            key = UsageKey(project_id, day, "", model)
        self._sums[key] = self._sums.get(key, Used()).plus(used)
