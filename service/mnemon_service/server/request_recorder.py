"""The request log's writer: every call without its content, in batches, never in a call's way.

A process that is killed loses the last second. Past 10,000 calls that wait to be written, while the record
is away or slow, further ones are dropped and counted in a warning.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import structlog

from mnemon_service.model.errors import MnemonError
from mnemon_service.model.settings import SettingsSource
from mnemon_service.record.projects import SERVER_PROJECT
from mnemon_service.record.request_log import LoggedCall, RequestLog
from mnemon_service.server.background_writing import BackgroundWriter
from mnemon_service.server.boundary import EndedCall

WRITE_SECONDS: Final = 1.0
BATCH: Final = 1_000
"""Calls written in one transaction."""
MAXIMUM_WAITING: Final = 10_000
TIDY_SECONDS: Final = 60.0
"""How often calls that are older than their project keeps them are dropped."""

_log = structlog.get_logger("mnemon.requests")


class RequestRecorder(BackgroundWriter):
    """Implements `CallObserver`."""

    name = "request-log"
    seconds = WRITE_SECONDS

    def __init__(self, requests: RequestLog, settings: SettingsSource) -> None:
        self._requests = requests
        self._settings = settings
        self._waiting: deque[LoggedCall] = deque()
        self._dropped = 0
        self._tidied = 0.0

    def call_ended(self, ended: EndedCall) -> None:
        """Takes a call of a known caller. Calls without a key belong to no project: the server's own log
        has them."""
        if ended.caller is None:
            return
        if len(self._waiting) >= MAXIMUM_WAITING:
            self._dropped += 1
            return
        self._waiting.append(
            LoggedCall(
                project_id=ended.caller.project_id or SERVER_PROJECT,
                request_id=ended.request_id,
                method=ended.method,
                code=ended.code,
                reason=ended.reason,
                key_id=ended.caller.key_id,
                milliseconds=round(ended.milliseconds, 3),
                start_time=datetime.fromtimestamp(ended.start_time, UTC),
            )
        )

    async def write(self) -> None:
        """Writes what waits; after a failure it waits for the next time."""
        if self._dropped:
            _log.warning("calls missing in the request log", count=self._dropped)
            self._dropped = 0
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            try:
                await self._requests.append(batch)
            except MnemonError as error:
                _log.warning("request log not written", reason=error.reason.value)
                return
            for _ in batch:
                self._waiting.popleft()

    async def tidy(self) -> None:
        """Drops what its project does not keep any longer."""
        for project_id in await self._requests.projects():
            keep: timedelta = (await self._settings.of(project_id)).request_log_retention
            while await self._requests.drop_old(project_id, keep):
                pass

    async def each_time(self) -> None:
        """Writes, and tidies once a minute."""
        await self.write()
        if time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            try:
                await self.tidy()
            except MnemonError as error:
                _log.warning("request log not tidied", reason=error.reason.value)
