"""Embedders: texts in, unit vectors out; and what all of them have in common."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mnemon_service.model.errors import FailedPrecondition, Reason, Unavailable
from mnemon_service.model.usage import ProviderUsage

Vectors = npt.NDArray[np.float32]


class EmbeddingModelUnavailable(Unavailable):
    """The local model cannot be loaded. The service then starts with keyword search only."""

    default_reason = Reason.EMBEDDER_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text, and what they cost."""

    vectors: Vectors
    """Shape (number of texts, dimension); every row has length 1 and is finite."""
    usage: ProviderUsage


class Embedder(Protocol):
    """Maps texts to points of one vector space.

    A text of any length is embedded whole: past the model's window it is split and its parts are
    pooled. An empty sequence costs nothing and gives an array of shape (0, dimension).

    Errors of both embed methods: FailedPrecondition PROVIDER_CREDENTIALS, ResourceExhausted
    PROVIDER_RATE_LIMITED or QUEUE_FULL, Unavailable PROVIDER_UNAVAILABLE or PROVIDER_ANSWER_UNUSABLE.
    """

    @property
    def name(self) -> str:
        """Identifies the vector space, such as `local/all-MiniLM-L6-v2/int8`; stored beside each vector.

        Vectors of two names must not be compared.
        """
        ...

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        """Vectors of texts to be found."""
        ...

    async def embed_query(self, text: str) -> Embeddings:
        """The vector, as an array of one row, of a text that looks for others."""
        ...

    async def close(self) -> None:
        """Free threads and connections; calling it again does nothing."""
        ...


def no_embeddings(dimension: int, provider: str, model: str) -> Embeddings:
    """The answer to no texts."""
    return Embeddings(np.zeros((0, dimension), np.float32), ProviderUsage(provider, model))


def checked_vectors(raw: object, *, provider: str, count: int, dimension: int) -> Vectors:
    """`raw` as unit rows of float32, if it is what was asked for.

    Raises:
        FailedPrecondition: PROVIDER_ANSWER_UNUSABLE; the vectors have another dimension, so the model
            is not the one that was set up.
        Unavailable: PROVIDER_ANSWER_UNUSABLE; vectors are missing, not numbers, not finite or zero.
    """
    try:
        vectors = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _unusable(provider, "vectors that are not rows of numbers of equal length") from None
    if vectors.ndim != 2 or vectors.shape[0] != count:
        raise _unusable(provider, f"an answer that does not hold one vector for each of {count} texts")
    if vectors.shape[1] != dimension:
        raise FailedPrecondition(
            f"{provider} gave vectors of {vectors.shape[1]} dimensions where {dimension} were expected; "
            f"set the dimension of the embedding model to {vectors.shape[1]}, or choose another model",
            reason=Reason.PROVIDER_ANSWER_UNUSABLE,
            metadata={"provider": provider},
        )
    if not np.isfinite(vectors).all():
        raise _unusable(provider, "a vector with a number that is not finite")
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not largest.all():
        raise _unusable(provider, "a vector of length zero")
    scaled = vectors / largest  # so that the squares below cannot overflow
    unit: Vectors = (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _unusable(provider: str, what: str) -> Unavailable:
    return Unavailable(
        f"{provider} gave {what}",
        reason=Reason.PROVIDER_ANSWER_UNUSABLE,
        metadata={"provider": provider},
    )


def pool_windows(vectors: Vectors, owners: Sequence[int], weights: Sequence[float], count: int) -> Vectors:
    """One unit vector for each of `count` texts from the vectors of their windows.

    `owners[i]` is the text that window i belongs to and `weights[i]` its share, usually its length. A
    text of a single window keeps that window's vector to the last bit.
    """
    if len(owners) == count:
        return vectors
    total = np.zeros((count, vectors.shape[1]), np.float64)
    np.add.at(total, np.asarray(owners), vectors * np.asarray(weights, np.float64)[:, None])
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    pooled: Vectors = (total / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
    owned, first, windows = np.unique(np.asarray(owners), return_index=True, return_counts=True)
    alone = windows == 1
    pooled[owned[alone]] = vectors[first[alone]]
    return pooled


_BREAK = re.compile(r"\s")


def byte_windows(text: str, limit: int, overlap: int) -> list[str]:
    """`text` in overlapping parts of at most `limit` bytes of UTF-8, cut at white space where there is some.

    For models whose tokeniser we do not have: byte-level BPE and SentencePiece with byte fallback
    never make more tokens than bytes, so a part of `limit` bytes surely fits a window of `limit` tokens.
    """
    if len(text) * 4 <= limit or len(text.encode()) <= limit:
        return [text]
    parts: list[str] = []
    start = 0
    while True:
        end = start + len(text[start : start + limit].encode()[:limit].decode(errors="ignore"))
        if end >= len(text):
            parts.append(text[start:])
            return parts
        half = start + (end - start) // 2
        breaks = [match.end() for match in _BREAK.finditer(text, half, end)]
        end = breaks[-1] if breaks else end
        parts.append(text[start:end])
        start = max(end - overlap, start + 1)


class CachingEmbedder:
    """An embedder that remembers the vectors of the latest texts.

    Args:
        inner: does the work, and is closed with this one.
        entries: vectors kept of documents, and as many again of queries if they differ; the least
            recently used goes first. A vector of 384 dimensions takes about 2 kB.
        queries_differ: whether `inner` embeds a query otherwise than a document. If not, both share
            one cache, so that a search for a stored text costs nothing.

    Texts are remembered by a digest only, so that no content outlives its erasure here.
    """

    def __init__(self, inner: Embedder, *, entries: int, queries_differ: bool) -> None:
        self._inner = inner
        self._documents = _VectorCache(entries)
        self._queries = _VectorCache(entries) if queries_differ else self._documents

    @property
    def name(self) -> str:
        """As of the embedder within."""
        return self._inner.name

    @property
    def dimension(self) -> int:
        """As of the embedder within."""
        return self._inner.dimension

    async def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        """Vectors of texts to be found; usage counts only what was not remembered."""
        return await self._embed(self._documents, texts, self._inner.embed_documents)

    async def embed_query(self, text: str) -> Embeddings:
        """The vector of a text that looks for others; usage is zero if it was remembered."""

        async def embed(missing: Sequence[str]) -> Embeddings:
            return await self._inner.embed_query(missing[0])

        return await self._embed(self._queries, [text], embed)

    async def close(self) -> None:
        """Forget all and close the embedder within."""
        self._documents.clear()
        self._queries.clear()
        await self._inner.close()

    async def _embed(
        self,
        cache: _VectorCache,
        texts: Sequence[str],
        embed: Callable[[Sequence[str]], Awaitable[Embeddings]],
    ) -> Embeddings:
        keys = [
            hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest() for text in texts
        ]
        found = {key: vector for key in keys if (vector := cache.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        provider, _, model = self._inner.name.partition("/")
        usage = ProviderUsage(provider, model)
        if missing:
            fresh = await embed(list(missing.values()))
            usage = fresh.usage
            for key, row in zip(missing, fresh.vectors, strict=True):
                found[key] = row.copy()  # a row alone would keep the whole batch alive
                cache.put(key, found[key])
        if not texts:
            return Embeddings(np.zeros((0, self.dimension), np.float32), usage)
        return Embeddings(np.stack([found[key] for key in keys]), usage)


class _VectorCache:
    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    def get(self, key: bytes) -> Vectors | None:
        vector = self._vectors.get(key)
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def put(self, key: bytes, vector: Vectors) -> None:
        self._vectors[key] = vector
        self._vectors.move_to_end(key)
        if len(self._vectors) > self._entries:
            self._vectors.popitem(last=False)

    def clear(self) -> None:
        self._vectors.clear()
