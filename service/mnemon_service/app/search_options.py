"""What the settings say about searching."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS
from mnemon_service.search.settings import MEBIBYTE, SearchSettings
from mnemon_service.settings import Settings


def search_settings(settings: Settings) -> SearchSettings:
    """Weights, bounds of the views and of rerankers; the rest is the room's default."""
    changed: dict[str, Any] = {str(name): weight for name, weight in settings.search_weights.items()}
    return SearchSettings(
        weights=replace(DEFAULT_WEIGHTS, **changed),
        views=settings.search_views,
        view_bytes=settings.search_view_megabytes * MEBIBYTE,
        rerank_seconds=settings.reranker_seconds,
        # On SQLite this process is the only writer: the data directory's lock sees to it.
        sole_writer=not settings.uses_postgresql,
    )
