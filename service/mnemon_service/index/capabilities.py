"""What the engines differ in, in one table. Measured with pymilvus 3.0.2 and milvus-lite 3.2.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one kind of engine can do."""

    sharded: bool
    """Rows lie in many small collections without an index: search time follows the rows of one."""
    json_paths: bool
    """Expressions may look into metadata. Milvus Lite can, at 50 µs a row of the collection: checking
    the few rows of a scope here is faster."""
    erases_by_rewriting: bool
    """Deleted rows stay in files until the collection is written anew. A server compacts by itself."""
    candidates: int
    """Rows that one search of the engine may give at most."""


CAPABILITIES: Final = {
    "milvus-lite": Capabilities(sharded=True, json_paths=False, erases_by_rewriting=True, candidates=16_384),
    "milvus": Capabilities(sharded=False, json_paths=True, erases_by_rewriting=False, candidates=16_384),
    "zilliz-cloud": Capabilities(
        sharded=False, json_paths=True, erases_by_rewriting=False, candidates=16_384
    ),
}
