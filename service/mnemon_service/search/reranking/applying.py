"""Lets a reranker reorder the best hits; if it fails or is late, the fused order stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from mnemon_service.model.errors import MnemonError
from mnemon_service.model.settings import SettingsSource
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.reranking import Reranker
from mnemon_service.search.question import Hit, Notice, NoticeCode, Question

_log = structlog.get_logger("mnemon.search")

ANSWER_SECONDS: Final = 0.1
"""Left of the caller's deadline to send the fused order if the reranker does not come back."""
_NONE: Final = Notice(NoticeCode.RERANK_FAILED, "no reranker is configured; the fused order stands")
_LATE: Final = Notice(NoticeCode.RERANK_LATE, "the reranker did not answer in time; the fused order stands")


class Rerankers(Protocol):
    """The configured rerankers."""

    def get(self, name: str) -> Reranker | None:
        """The reranker of a project's setting `reranker`; the server's default for an empty name, None if
        there is none. Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for an unknown name."""
        ...


class NoRerankers:
    """None is configured."""

    def get(self, name: str) -> Reranker | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class Reranked:
    """Hits after the second look."""

    hits: tuple[Hit, ...]
    usage: tuple[ProviderUsage, ...] = ()
    notices: tuple[Notice, ...] = ()
    judged: bool = False
    """False if the order is still the fused one."""


class Reranking:
    """Finds a project's reranker and asks it within bounds."""

    def __init__(self, rerankers: Rerankers, settings: SettingsSource, seconds: float) -> None:
        self._rerankers = rerankers
        self._settings = settings
        self._seconds = seconds

    async def apply(
        self, question: Question, hits: Sequence[Hit], time_remaining: float | None = None
    ) -> Reranked:
        """The hits by the reranker's score, ties in their fused order, without those below the threshold.

        `time_remaining` is the caller's own, in seconds. Failures become notices; only being cancelled is
        passed on, and ends the reranker's work.
        """
        fused = tuple(hits)
        try:
            project = await self._settings.of(question.access.project_id)
            reranker = self._rerankers.get(project.reranker)
            if reranker is None:
                return Reranked(fused, notices=(_NONE,))
            if not fused:
                return Reranked(fused)
            async with asyncio.timeout(self._patience(time_remaining)):
                made = await reranker.rerank(question.text, [hit.text for hit in fused])
        except TimeoutError:
            return Reranked(fused, notices=(_LATE,))
        except MnemonError as error:
            _log.warning("rerank_failed", reason=error.reason.value)
            failed = Notice(NoticeCode.RERANK_FAILED, f"{error.message}; the fused order stands")
            return Reranked(fused, notices=(failed,))
        judged = [
            replace(hit, score=score, rerank=score) for hit, score in zip(fused, made.scores, strict=True)
        ]
        # Sorting is stable: what the reranker likes equally stays in the fused order.
        ordered = sorted(judged, key=lambda hit: -hit.score)
        kept = tuple(hit for hit in ordered if hit.score >= question.threshold)
        return Reranked(kept, (made.usage,), judged=True)

    def _patience(self, time_remaining: float | None) -> float:
        if time_remaining is None:
            return self._seconds
        return max(min(self._seconds, time_remaining - ANSWER_SECONDS), 0.0)
