"""Embeddings of Gemini, through google-genai."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import httpx
from google import genai
from google.genai import errors, types

from mnemon_service.providers.remote_embedding import (
    Answer,
    EmbeddingLimits,
    Purpose,
    RemoteEmbedder,
    classify_http,
    unusable,
)
from mnemon_service.providers.retry import FaultKind, ProviderFault, ProviderGuard, fault_from_status

FIRST_LIMITS = EmbeddingLimits(texts=100, window_tokens=2048)
"""gemini-embedding-001 reads 2,048 tokens of a text and silently drops the rest; a batch holds 100."""
SECOND_LIMITS = EmbeddingLimits(texts=100, window_tokens=8192)
"""gemini-embedding-2 reads 8,192."""
_TASKS = {Purpose.DOCUMENT: "RETRIEVAL_DOCUMENT", Purpose.QUERY: "RETRIEVAL_QUERY"}
_SECOND_DOCUMENT_PREFIX = "title: none | text: "
_SECOND_QUERY_PREFIX = "task: search result | query: "
"""From gemini-embedding-2 on the task is told in the text; there is no field for it any more."""
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


class _GeminiBackend:
    def __init__(
        self, *, provider: str, model: str, dimension: int, task_field: bool, api_key: str, base_url: str
    ) -> None:
        self._provider = provider
        self._model = model
        self._dimension = dimension
        self._task_field = task_field
        # A client of our own: the SDK's choice of HTTP library depends on what else is installed.
        # The guard alone decides how long to wait.
        self._http = httpx.AsyncClient(timeout=None)  # noqa: S113
        self._client = genai.Client(
            api_key=api_key or "none",
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url,
                httpx_async_client=self._http,
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Answer:
        # One Content for each text: of plain strings the SDK makes a single one for newer models.
        contents: list[Any] = [types.Content(parts=[types.Part(text=text)]) for text in texts]
        response = await self._client.aio.models.embed_content(
            model=self._model,
            contents=contents,
            config=types.EmbedContentConfig(
                task_type=_TASKS[purpose] if self._task_field else None, output_dimensionality=self._dimension
            ),
        )
        return unusable(self._provider, lambda: _answer(response))

    def classify(self, error: Exception) -> ProviderFault:
        if not isinstance(error, errors.APIError):
            return classify_http(error)
        details = _details(error)
        if error.code == 400 and any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
            return ProviderFault(FaultKind.CREDENTIALS, detail="HTTP 400, API_KEY_INVALID")
        fault = fault_from_status(error.code or 500, getattr(error.response, "headers", None) or {})
        if fault.kind is FaultKind.RATE_LIMITED and fault.retry_after is None:
            return ProviderFault(fault.kind, _retry_delay(details), fault.detail)
        return fault

    async def close(self) -> None:
        await self._client.aio.aclose()
        await self._http.aclose()


def gemini_embedder(
    *,
    api_key: str,
    guard: ProviderGuard,
    model: str = "gemini-embedding-001",
    dimension: int = 768,
    base_url: str = "https://generativelanguage.googleapis.com/",
    limits: EmbeddingLimits | None = None,
) -> RemoteEmbedder:
    """Embeddings of Gemini. Documents and queries are embedded each for its task.

    Args:
        api_key: of the Gemini API; nothing is taken from the SDK's own environment variables.
        guard: timeout, retries and limits; its `provider` should be `gemini`.
        model: `gemini-embedding-001`, which is told the task in a field, or `gemini-embedding-2` and
            later, which are told it in the text.
        dimension: 128 to 3,072; Google recommends 768, 1,536 or 3,072. Shortened vectors of
            gemini-embedding-001 do not come with length 1; they are brought to it here.
        limits: what one call may hold; None for the model's own.
    """
    first = _is_first_generation(model)
    backend = _GeminiBackend(
        provider=guard.provider,
        model=model,
        dimension=dimension,
        task_field=first,
        api_key=api_key,
        base_url=base_url,
    )
    return RemoteEmbedder(
        backend,
        guard=guard,
        model=model,
        dimension=dimension,
        limits=limits or (FIRST_LIMITS if first else SECOND_LIMITS),
        document_prefix="" if first else _SECOND_DOCUMENT_PREFIX,
        query_prefix="" if first else _SECOND_QUERY_PREFIX,
    )


def _is_first_generation(model: str) -> bool:
    name = model.rpartition("/")[2]
    return "gemini" not in name or name.startswith(("gemini-embedding-001", "gemini-embedding-exp"))


def _answer(response: types.EmbedContentResponse) -> Answer:
    usage = response.usage_metadata
    tokens = usage.prompt_token_count if usage else 0
    return Answer([embedding.values for embedding in response.embeddings or []], tokens or 0)


def _details(error: errors.APIError) -> list[dict[str, Any]]:
    """The `google.rpc` details of an error; Google puts there what other services put into headers."""
    body = error.details if isinstance(error.details, dict) else {}
    inner = body.get("error", body)
    found = inner.get("details", []) if isinstance(inner, dict) else []
    return [detail for detail in found if isinstance(detail, dict)] if isinstance(found, list) else []


def _retry_delay(details: Sequence[dict[str, Any]]) -> float | None:
    """Seconds from `google.rpc.RetryInfo`."""
    for detail in details:
        if found := _SECONDS.fullmatch(str(detail.get("retryDelay", ""))):
            return float(found.group(1))
    return None
