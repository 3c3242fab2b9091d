"""Rows for the tests of the index: made from a seed, so that a failure can be run again."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import numpy as np

from mnemon_service.index.protocol import IndexRow, Vector
from mnemon_service.model.scope import Scope

DIMENSIONS = 8
EMBEDDER = "test"


def new_project() -> str:
    """A project that no other test uses."""
    return f"project-{uuid.uuid4().hex[:12]}"


def unit_vector(seed: int) -> Vector:
    """A direction of its own for each seed."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def row(project_id: str, number: int, *, user: str = "ana", **changes: Any) -> IndexRow:
    """The row of the memory of this number."""
    made = IndexRow(
        project_id=project_id,
        memory_id=memory_id(number),
        scope=Scope(user_id=user),
        sequence=number,
        version=1,
        tokens=(f"word{number}", "common"),
        vector=unit_vector(number),
        create_time=number * 1_000_000,
        update_time=number * 1_000_000,
    )
    return replace(made, **changes)


def memory_id(number: int) -> str:
    """A UUIDv7 for each number."""
    return str(uuid.UUID(int=(7 << 76) | (2 << 62) | number))
