"""The index that the settings ask for, and the name under which its progress is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from mnemon_service.app.embedders import EmbedderChoice, SettingsWrong
from mnemon_service.app.index_lease import SharedIndexLease
from mnemon_service.index.milvus import MilvusIndex, lite_index
from mnemon_service.model.ids import is_id, new_id
from mnemon_service.record.record import Record
from mnemon_service.settings import Settings

INDEX_DIRECTORY: Final = "index"
_NAME_FILE: Final = "index.id"


def build_index(settings: Settings, directory: Path, choice: EmbedderChoice) -> MilvusIndex:
    """The index, not yet opened: on the server at `index_uri`, else on Milvus Lite in the data directory."""
    name = choice.embedder.name if choice.embedder else ""
    dimensions = choice.embedder.dimension if choice.embedder else 0
    uri = settings.index_uri.get_secret_value()
    if not uri:
        return lite_index(directory / INDEX_DIRECTORY, embedder=name, dimensions=dimensions)
    # Imported here: pymilvus brings pandas, a second and 60 MB that Lite's parent does not need.
    from mnemon_service.index.server_engine import server_index

    return server_index(
        uri,
        embedder=name,
        dimensions=dimensions,
        token=settings.index_token.get_secret_value(),
        alias=settings.index_name,
        consistency="Strong" if _is_shared(settings) else "Session",
    )


def index_lease(settings: Settings, record: Record) -> SharedIndexLease | None:
    """What makes this process the index's only writer; None where no other process could write to it."""
    return SharedIndexLease(record, settings.index_name) if _is_shared(settings) else None


def _is_shared(settings: Settings) -> bool:
    """Whether replicas may share the index: on a server, with the record on PostgreSQL."""
    return bool(settings.index_uri.get_secret_value()) and settings.uses_postgresql


def cursor_name(settings: Settings, directory: Path) -> str:
    """Under which name the record keeps how far this index is.

    An index on a server is shared by all replicas and named by the settings. One on Milvus Lite belongs to
    its directory and bears an id that lies in it: each replica follows the log for itself, and an index
    that was removed begins at the log's beginning again.
    """
    if settings.index_uri.get_secret_value():
        return settings.index_name
    file = directory / INDEX_DIRECTORY / _NAME_FILE
    known = file.read_text() if file.exists() else ""
    if not is_id(known):
        known = new_id()
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open("w") as written:
            written.write(known)
            written.flush()
            os.fsync(written.fileno())
    return f"lite-{known}"


def check_embedder(index: MilvusIndex, choice: EmbedderChoice) -> None:
    """Raises `SettingsWrong` if the index holds vectors of another embedder than the settings name.

    A model that could not be loaded is no other model: then the server answers by words until it is back.
    """
    if not index.needs_rebuild or choice.unavailable:
        return
    held = "another embedder" if index.made_with is None else _named(index.made_with)
    raise SettingsWrong(
        f"the index was made with {held}, the settings ask for {_named(index.description.embedder)}: "
        "run `mnemon-service reindex`, or set MNEMON_EMBEDDING_PROVIDER and MNEMON_EMBEDDING_MODEL back"
    )


def _named(embedder: str) -> str:
    return f"the embedder {embedder}" if embedder else "no embedder"
