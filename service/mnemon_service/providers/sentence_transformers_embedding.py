"""Any model of the sentence-transformers library in this process, for those who install the extra.

The library brings torch (gigabytes), so it is imported only when such an embedder is opened.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.embedding import (
    EmbeddingModelUnavailable,
    Embeddings,
    checked_vectors,
    no_embeddings,
    pool_windows,
)

PROVIDER = "sentence-transformers"
EXTRA = "mnemon-service[sentence-transformers]"
OVERLAP_SHARE = 8
"""Neighbouring windows of a long text share an eighth of their tokens."""


class SentenceTransformersEmbedder:
    """An embedder on the sentence-transformers library; see `Embedder`. Made by `open`."""

    def __init__(self, model: Any, name: str) -> None:  # noqa: ANN401 (the library may be absent)
        self._model = model
        self._name = name
        self._dimension = int(model.get_embedding_dimension())
        self._thread = ThreadPoolExecutor(1, "sentence-transformers")

    @classmethod
    async def open(
        cls,
        model: str,
        *,
        device: str = "cpu",
        cache: Path | None = None,
        download: bool = False,
    ) -> SentenceTransformersEmbedder:
        """The embedder of one model; loading takes seconds.

        Args:
            model: a folder, or a repository on Hugging Face as `BAAI/bge-small-en-v1.5`.
            device: as torch names it: `cpu`, `cuda`, `mps`.
            cache: folder of downloaded models; None for the library's own.
            download: fetch a repository that is not in the cache. Off by default: the service then
                needs no network.

        Raises EmbeddingModelUnavailable if the library is not installed or has no such model.
        """
        loaded = await asyncio.to_thread(_load, model, device, cache, download)
        return cls(loaded, model)

    @property
    def name(self) -> str:
        """Library and model, as `sentence-transformers/BAAI/bge-small-en-v1.5`."""
        return f"{PROVIDER}/{self._name}"

    @property
    def dimension(self) -> int:
        """As the model says."""
        return self._dimension

    async def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        """Vectors of texts to be found, with the model's prompt for documents if it has one."""
        return await self._embed(texts, self._model.encode_document)

    async def embed_query(self, text: str) -> Embeddings:
        """The vector of a text that looks for others, with the model's prompt for queries if it has one."""
        return await self._embed([text], self._model.encode_query)

    async def close(self) -> None:
        """Free the thread."""
        self._thread.shutdown(wait=False)

    async def _embed(self, texts: Sequence[str], encode: Any) -> Embeddings:  # noqa: ANN401
        if not texts:
            return no_embeddings(self._dimension, PROVIDER, self._name)

        def run() -> Embeddings:
            started = time.monotonic()
            windows = [
                (owner, window, tokens)
                for owner, text in enumerate(texts)
                for window, tokens in self._windows(text)
            ]
            raw = encode([window for _, window, _ in windows], convert_to_numpy=True, show_progress_bar=False)
            vectors = checked_vectors(raw, provider=self.name, count=len(windows), dimension=self._dimension)
            weights = [tokens for _, _, tokens in windows]
            pooled = pool_windows(vectors, [owner for owner, _, _ in windows], weights, len(texts))
            usage = ProviderUsage(
                PROVIDER,
                self._name,
                calls=1,
                input_tokens=sum(weights),
                milliseconds=(time.monotonic() - started) * 1000,
            )
            return Embeddings(pooled, usage)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _windows(self, text: str) -> list[tuple[str, int]]:
        """Parts of `text` that fit the model, each with its number of tokens; the library would cut it."""
        tokenizer = self._model.tokenizer
        encoded = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        offsets: list[tuple[int, int]] = encoded["offset_mapping"]
        limit = int(self._model.max_seq_length) - int(tokenizer.num_special_tokens_to_add())
        if len(offsets) <= limit:
            return [(text, max(len(offsets), 1))]
        # A part's own tokens can differ by one or two from its tokens within the text.
        size = limit - 2
        step = size - size // OVERLAP_SHARE
        parts = []
        for start in range(0, max(len(offsets) - size, 0) + step, step):
            part = offsets[start : start + size]
            parts.append((text[part[0][0] : part[-1][1]], len(part)))
        return parts


def _load(model: str, device: str, cache: Path | None, download: bool) -> Any:  # noqa: ANN401
    try:
        library: Any = importlib.import_module("sentence_transformers")
    except ImportError as error:
        raise EmbeddingModelUnavailable(
            f"sentence-transformers is not installed; install it with pip install '{EXTRA}'"
        ) from error
    try:
        loaded = library.SentenceTransformer(
            model,
            device=device,
            cache_folder=None if cache is None else str(cache),
            local_files_only=not download,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise EmbeddingModelUnavailable(f"sentence-transformers cannot load the model {model}") from error
    if not getattr(loaded.tokenizer, "is_fast", False):
        raise EmbeddingModelUnavailable(f"the model {model} has no fast tokeniser, which windows need")
    return loaded
