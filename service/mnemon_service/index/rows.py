"""A row of the index as a record of Milvus, and back: the one schema of every collection.

Every field has a value in every record. Lists of names are kept in one string each, so that plain
string kernels answer for them on every engine; tokens are kept as words of ASCII letters and digits,
which every engine's analyser leaves whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from mnemon_service.index.engine import Record
from mnemon_service.index.expressions import ABSENT_TIME, SEPARATOR, escape_name, owner_key, unescape_name
from mnemon_service.index.protocol import IndexEntry, IndexKey, IndexRow, Vector
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.ids import is_id
from mnemon_service.model.memory import MemoryState
from mnemon_service.model.scope import SCOPE_FIELDS, Scope

MAXIMUM_BYTES: Final = 65_535
"""Of one string field or JSON field: Milvus' own bound."""
LONGEST_ID: Final = 512
"""Bytes of a project's id, a separator and a memory's id."""

TIME_FIELDS: Final = ("event_time", "expire_time", "create_time", "update_time")
INTEGER_FIELDS: Final = (*TIME_FIELDS, "sequence", "version", "run_position")
STRING_FIELDS: Final = (
    "project_id",
    "owner_key",
    *SCOPE_FIELDS,
    "state",
    "type",
    "attributed_to",
    "categories",
    "entities",
)
ENTRY_FIELDS: Final = ("id", "project_id", *SCOPE_FIELDS, "version", "sequence")
FILTER_FIELDS: Final = ("id", *SCOPE_FIELDS, "type", "attributed_to", "categories", *TIME_FIELDS, "metadata")
"""What deciding a filter needs."""
ALL_FIELDS: Final = ("id", *STRING_FIELDS, *INTEGER_FIELDS, "metadata", "tokens", "has_vector", "vector")

_OVERSIZED: Final = "\x1foversized"
"""The only key of metadata that did not fit: every filter takes such a row, and the record decides."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEXADECIMAL: Final = "0x"


@dataclass(frozen=True, slots=True)
class FilterView:
    """What `matches_fields` needs of one row."""

    known: dict[str, object]
    metadata: Mapping[str, Any]
    complete: bool
    """False if the metadata did not fit: nobody but the record can tell."""


def row_id(project_id: str, memory_id: str) -> str:
    """The primary key: projects may hold the same memory id. Raises `InvalidArgument` for a bad one."""
    if not is_id(memory_id):
        raise InvalidArgument.of("memory_id", "must be a UUID in its canonical text form")
    if not project_id:
        raise InvalidArgument.of("project_id", "must not be empty")
    key = f"{project_id}/{memory_id}"
    if len(key.encode()) > LONGEST_ID:
        raise InvalidArgument.of("project_id", f"must be at most {LONGEST_ID - 37} bytes long")
    return key


def memory_id_of(key: str) -> str:
    """The memory's id in a primary key."""
    return key[-36:]


def checked_vector(vector: Vector, dimensions: int) -> Vector:
    """The vector as float32; `InvalidArgument` if its length is wrong or a component is not finite."""
    array = np.asarray(vector, dtype=np.float32)
    if array.shape != (dimensions,):
        raise InvalidArgument.of("vector", f"must have {dimensions} components")
    if not np.isfinite(array).all():
        raise InvalidArgument.of("vector", "every component must be finite")
    return array


def encode_tokens(tokens: Iterable[str]) -> str:
    """Tokens separated by blanks, cut at `MAXIMUM_BYTES`."""
    words: list[str] = []
    room = MAXIMUM_BYTES
    for token in tokens:
        plain = token.isascii() and token.isalnum() and not token.startswith(_HEXADECIMAL)
        word = token if plain else _HEXADECIMAL + token.encode().hex()
        room -= len(word) + 1
        if room < 0:
            break
        words.append(word)
    return " ".join(words)


def decode_tokens(text: str) -> tuple[str, ...]:
    """The tokens that `encode_tokens` wrote."""
    return tuple(
        bytes.fromhex(word[2:]).decode() if word.startswith(_HEXADECIMAL) else word for word in text.split()
    )


def encode_names(names: Sequence[str]) -> str:
    """A list of names in one string, cut at `MAXIMUM_BYTES`; empty for none."""
    if not names:
        return ""
    text, size = SEPARATOR, 1
    for name in names:
        escaped = escape_name(name)
        size += len(escaped.encode()) + 1
        if size > MAXIMUM_BYTES:
            break
        text += escaped + SEPARATOR
    return text


def decode_names(text: str) -> tuple[str, ...]:
    """The names that `encode_names` wrote."""
    return tuple(map(unescape_name, text[1:-1].split(SEPARATOR))) if text else ()


def encode(row: IndexRow, dimensions: int) -> Record:
    """The record of a row. Raises `InvalidArgument` for a bad id or vector."""
    vector = None if row.vector is None else checked_vector(row.vector, dimensions)
    record: Record = {
        "id": row_id(row.project_id, row.memory_id),
        "project_id": row.project_id,
        "owner_key": owner_key(row.project_id, row.scope.owner),
        **{field: getattr(row.scope, field) for field in SCOPE_FIELDS},
        "state": row.state.value,
        "type": row.type,
        "attributed_to": row.attributed_to,
        "categories": encode_names(row.categories),
        "entities": encode_names(row.entities),
        "sequence": row.sequence,
        "version": row.version,
        "run_position": row.run_position,
        "metadata": _encode_metadata(row.metadata),
        "tokens": encode_tokens(row.tokens),
        "has_vector": vector is not None,
        "vector": np.zeros(max(dimensions, 2), dtype=np.float32) if vector is None else vector,
    }
    for field in TIME_FIELDS:
        time = getattr(row, field)
        record[field] = ABSENT_TIME if time is None else time
    return record


def decode(record: Record) -> IndexRow:
    """The row of a record with `ALL_FIELDS`."""
    times = {field: _present_time(record[field]) for field in TIME_FIELDS}
    return IndexRow(
        project_id=record["project_id"],
        memory_id=memory_id_of(record["id"]),
        scope=_scope(record),
        sequence=int(record["sequence"]),
        version=int(record["version"]),
        tokens=decode_tokens(record["tokens"]),
        vector=np.asarray(record["vector"], dtype=np.float32) if record["has_vector"] else None,
        entities=decode_names(record["entities"]),
        state=MemoryState(record["state"]),
        type=record["type"],
        categories=decode_names(record["categories"]),
        attributed_to=record["attributed_to"],
        metadata=_decode_metadata(record["metadata"]),
        run_position=int(record["run_position"]),
        **times,
    )


def decode_entry(record: Record) -> IndexEntry:
    """The entry of a record with `ENTRY_FIELDS`."""
    return IndexEntry(
        project_id=record["project_id"],
        memory_id=memory_id_of(record["id"]),
        owner=_scope(record).owner,
        version=int(record["version"]),
        sequence=int(record["sequence"]),
    )


def entry_key(entry: IndexEntry) -> IndexKey:
    """Where the row of an entry lies."""
    return IndexKey(entry.project_id, entry.memory_id, entry.owner, entry.sequence)


def filter_view(record: Record) -> FilterView:
    """What deciding a filter needs, of a record with `FILTER_FIELDS`."""
    metadata = _decode_metadata(record["metadata"])
    known: dict[str, object] = {
        field: record[field] or None for field in (*SCOPE_FIELDS, "type", "attributed_to")
    }
    known["categories"] = list(decode_names(record["categories"])) or None
    for field in TIME_FIELDS:
        time = _present_time(record[field])
        known[field] = None if time is None else _EPOCH + timedelta(microseconds=time)
    return FilterView(known, metadata, complete=_OVERSIZED not in metadata)


def _scope(record: Record) -> Scope:
    return Scope(**{field: record[field] for field in SCOPE_FIELDS})


def _present_time(stored: int) -> int | None:
    return None if stored == ABSENT_TIME else int(stored)


def _encode_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(metadata, ensure_ascii=False, default=str).encode("utf-8", "replace"))
    return dict(metadata) if size <= MAXIMUM_BYTES else {_OVERSIZED: True}


def _decode_metadata(stored: object) -> dict[str, Any]:
    value = json.loads(stored) if isinstance(stored, str | bytes) else stored
    return dict(value) if isinstance(value, Mapping) else {}
