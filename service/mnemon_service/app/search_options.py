"""What the settings say about searching."""

from __future__ import annotations

from mnemon_service.search.settings import MEBIBYTE, SearchSettings
from mnemon_service.settings import Settings


def search_settings(settings: Settings) -> SearchSettings:
    """Bounds of the views and of rerankers; the rest is the room's default."""
    return SearchSettings(
        views=settings.search_views,
        view_bytes=settings.search_view_megabytes * MEBIBYTE,
        rerank_seconds=settings.reranker_seconds,
        # On SQLite this process is the only writer: the data directory's lock sees to it.
        sole_writer=not settings.database_url.get_secret_value(),
    )
