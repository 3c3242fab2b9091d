"""Vectors of made-up memories: random directions, or the local model's, kept for the next run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mnemon_service.providers.embedding import Embedder
from mnemon_service.providers.local_embedding import LocalEmbedder

SPACE = "local/all-MiniLM-L6-v2/int8"
DIMENSION = 384
Vector = npt.NDArray[np.float32]


class Vectors(Protocol):
    """Gives texts their vectors, the same ones each time."""

    description: str
    """For the heading of a table."""

    async def of(self, texts: Sequence[str]) -> Sequence[Vector]:
        """A vector of length 1 for each text."""
        ...

    async def close(self) -> None:
        """Let go of the model."""
        ...


class RandomDirections:
    """A direction by chance for each text.

    Every engine here searches exactly, so how long a search takes does not depend on where vectors point,
    and embedding a hundred thousand memories takes a quarter of an hour.
    """

    description = "random vectors"

    async def of(self, texts: Sequence[str]) -> Sequence[Vector]:
        """See `Vectors.of`."""
        return [_direction_of(text) for text in texts]

    async def close(self) -> None:
        """Nothing to free."""


class Embedded:
    """The local model's vectors; each batch is kept in a file, so that a run that was stopped goes on."""

    description = "embedded by the local model"

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder = embedder
        self._folder = folder

    @classmethod
    async def open(cls, models: Path, folder: Path) -> Embedded:
        """With the model of this folder, and files in that one, which is there."""
        return cls(await LocalEmbedder.open(models), folder)

    async def of(self, texts: Sequence[str]) -> Sequence[Vector]:
        """See `Vectors.of`; 1 to 4 ms a text that is not in a file."""
        name = hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()
        path = self._folder / f"{name}.npy"
        if not path.exists():
            made = await self._embedder.embed_documents(texts)
            partial = path.with_suffix(".partial.npy")
            np.save(partial, made.vectors)
            partial.rename(path)
        return list(np.load(path))

    async def close(self) -> None:
        """See `Vectors.close`."""
        await self._embedder.close()


def direction(generator: np.random.Generator) -> Vector:
    """A random vector of length 1."""
    vector = generator.standard_normal(DIMENSION).astype(np.float32)
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


def _direction_of(text: str) -> Vector:
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    return direction(np.random.default_rng(seed))
