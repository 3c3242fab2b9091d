"""What every embedder behind a network has in common: windows, batches, the guard, checks, accounts."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx
import numpy as np

from mnemon_service.model.errors import MnemonError, Reason, Unavailable, first_of
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.embedding import (
    Embeddings,
    byte_windows,
    checked_vectors,
    no_embeddings,
    pool_windows,
)
from mnemon_service.providers.retry import FaultKind, Guarded, ProviderFault, ProviderGuard, fault_from_status

SPECIAL_TOKENS = 2
"""Most encoders put a token before and one behind each text."""
OVERLAP_SHARE = 16
"""Neighbouring windows of a long text share a sixteenth of their length."""


class Purpose(enum.Enum):
    """What a text is embedded for; some models embed the two differently."""

    DOCUMENT = "document"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class EmbeddingLimits:
    """What a provider takes in one call."""

    texts: int
    """Texts in one call."""
    window_tokens: int
    """Tokens of one text; longer ones are embedded in windows and pooled."""
    call_tokens: int = 1_000_000
    """Tokens of all texts of one call."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave, as it came."""

    vectors: object
    """One row of numbers for each text, if the provider keeps its word."""
    input_tokens: int = 0
    """As the provider counted them; 0 if it does not say."""


class EmbeddingBackend(Protocol):
    """One call of one provider's protocol."""

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Answer:
        """The vectors of `texts`, in their order; raises what its SDK raises."""
        ...

    def classify(self, error: Exception) -> ProviderFault:
        """What an exception of `embed` means."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class RemoteEmbedder:
    """An embedder behind a network; see `Embedder`.

    Args:
        backend: speaks the provider's protocol.
        guard: timeout, retries and limits; its `provider` names the provider in accounts and errors.
        model: as in accounts and in the vector space's name.
        dimension: numbers in a vector; an answer of another dimension is an error.
        limits: what one call may hold. Tokens are counted as bytes of UTF-8, which no byte-level
            tokeniser exceeds, so that nothing is ever cut silently.
        document_prefix, query_prefix: put before each text (and each window), for models that were
            trained with such, as `search_query: `.
    """

    def __init__(
        self,
        backend: EmbeddingBackend,
        *,
        guard: ProviderGuard,
        model: str,
        dimension: int,
        limits: EmbeddingLimits,
        document_prefix: str = "",
        query_prefix: str = "",
    ) -> None:
        self._backend = backend
        self._guard = guard
        self._model = model
        self._dimension = dimension
        self._limits = limits
        self._prefixes = {Purpose.DOCUMENT: document_prefix, Purpose.QUERY: query_prefix}

    @property
    def name(self) -> str:
        """Provider, model and dimension, as `openai/text-embedding-3-small/1536`."""
        return f"{self._guard.provider}/{self._model}/{self._dimension}"

    @property
    def dimension(self) -> int:
        """As set up."""
        return self._dimension

    async def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        """Vectors of texts to be found."""
        return await self._embed(texts, Purpose.DOCUMENT)

    async def embed_query(self, text: str) -> Embeddings:
        """The vector of a text that looks for others."""
        return await self._embed([text], Purpose.QUERY)

    async def close(self) -> None:
        """Close the connections."""
        await self._backend.close()

    async def _embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        if not texts:
            return no_embeddings(self._dimension, self._guard.provider, self._model)
        prefix = self._prefixes[purpose]
        limit = max(self._limits.window_tokens - SPECIAL_TOKENS - len(prefix.encode()), 1)
        owners: list[int] = []
        windows: list[str] = []
        for owner, text in enumerate(texts):
            for window in byte_windows(text, limit, limit // OVERLAP_SHARE):
                owners.append(owner)
                windows.append(prefix + window)
        answers = await self._all_batches(windows, purpose)
        vectors = np.concatenate(
            [
                checked_vectors(
                    guarded.value.vectors,
                    provider=self._guard.provider,
                    count=count,
                    dimension=self._dimension,
                )
                for guarded, count in answers
            ]
        )
        pooled = pool_windows(vectors, owners, [len(window) for window in windows], len(texts))
        return Embeddings(pooled, self._usage([guarded for guarded, _ in answers]))

    async def _all_batches(
        self, windows: Sequence[str], purpose: Purpose
    ) -> list[tuple[Guarded[Answer], int]]:
        """All batches at once, as far as the guard lets them; the first error stops the others."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    (group.create_task(self._batch(batch, purpose)), len(batch))
                    for batch in self._batches(windows)
                ]
        except* MnemonError as errors:
            raise first_of(errors) from None
        return [(task.result(), count) for task, count in tasks]

    async def _batch(self, batch: Sequence[str], purpose: Purpose) -> Guarded[Answer]:
        async def embed() -> Answer:
            return await self._backend.embed(batch, purpose)

        return await self._guard.call(embed, self._backend.classify)

    def _batches(self, windows: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        tokens = 0
        for window in windows:
            size = len(window.encode())
            if batch and (len(batch) == self._limits.texts or tokens + size > self._limits.call_tokens):
                yield batch
                batch, tokens = [], 0
            batch.append(window)
            tokens += size
        yield batch

    def _usage(self, answers: Sequence[Guarded[Answer]]) -> ProviderUsage:
        return ProviderUsage(
            provider=self._guard.provider,
            model=self._model,
            calls=sum(guarded.attempts for guarded in answers),
            failed_calls=sum(guarded.failed for guarded in answers),
            input_tokens=sum(guarded.value.input_tokens for guarded in answers),
            milliseconds=max(guarded.milliseconds for guarded in answers),
        )


class JsonOverHttp:
    """POSTs JSON with httpx, for providers that are spoken to without an SDK.

    Args:
        api_key: sent as a bearer token; empty for none.
    """

    def __init__(self, api_key: str = "") -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        # The guard alone decides how long to wait.
        self._client = httpx.AsyncClient(headers=headers, timeout=None)  # noqa: S113

    async def post(self, url: str, body: object) -> httpx.Response:
        """The answer; raises httpx.HTTPStatusError for a status of 400 or more."""
        response = await self._client.post(url, json=body)
        if response.is_error:
            raise httpx.HTTPStatusError("refused", request=response.request, response=response)
        return response

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def classify_http(error: Exception) -> ProviderFault:
    """What an exception of httpx, or of reading its answer, means."""
    if isinstance(error, httpx.HTTPStatusError):
        return fault_from_status(error.response.status_code, error.response.headers)
    if isinstance(error, httpx.TimeoutException):
        return ProviderFault(FaultKind.TRANSIENT, detail="no answer in time")
    if isinstance(error, httpx.TransportError):
        return ProviderFault(FaultKind.TRANSIENT, detail="connection failed")
    if isinstance(error, ValueError):
        return ProviderFault(FaultKind.TRANSIENT, detail="the response is no answer of this protocol")
    return ProviderFault(FaultKind.BAD_REQUEST, detail=type(error).__name__)


def unusable(provider: str, read: Callable[[], Answer]) -> Answer:
    """`read()`; if the answer has not the documented shape, Unavailable with PROVIDER_ANSWER_UNUSABLE."""
    try:
        return read()
    except (AttributeError, IndexError, KeyError, TypeError):
        raise Unavailable(
            f"{provider} gave an answer that is no list of vectors",
            reason=Reason.PROVIDER_ANSWER_UNUSABLE,
            metadata={"provider": provider},
        ) from None
