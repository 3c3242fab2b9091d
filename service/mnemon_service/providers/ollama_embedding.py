"""Embeddings of Ollama, over its own route `/api/embed`.

Not over its OpenAI-compatible route: that one cuts long texts silently, while this one can be told
to refuse them (`truncate: false`).
"""

from __future__ import annotations

from collections.abc import Sequence

from mnemon_service.providers.remote_embedding import (
    Answer,
    EmbeddingLimits,
    JsonOverHttp,
    Purpose,
    RemoteEmbedder,
    classify_http,
    unusable,
)
from mnemon_service.providers.retry import ProviderFault, ProviderGuard

OLLAMA_LIMITS = EmbeddingLimits(texts=64, window_tokens=2048)


class _OllamaBackend:
    def __init__(
        self, http: JsonOverHttp, url: str, *, provider: str, model: str, dimensions: int | None
    ) -> None:
        self._http = http
        self._url = url
        self._provider = provider
        self._model = model
        self._dimensions = dimensions

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Answer:
        body: dict[str, object] = {"model": self._model, "input": list(texts), "truncate": False}
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        answer = (await self._http.post(self._url, body)).json()
        return unusable(
            self._provider, lambda: Answer(answer["embeddings"], int(answer.get("prompt_eval_count") or 0))
        )

    def classify(self, error: Exception) -> ProviderFault:
        return classify_http(error)

    async def close(self) -> None:
        await self._http.close()


def ollama_embedder(
    *,
    model: str,
    dimension: int,
    guard: ProviderGuard,
    base_url: str = "http://127.0.0.1:11434",
    api_key: str = "",
    shorten: bool = False,
    limits: EmbeddingLimits = OLLAMA_LIMITS,
    document_prefix: str = "",
    query_prefix: str = "",
) -> RemoteEmbedder:
    """Embeddings of a model that Ollama serves.

    Args:
        model: as `nomic-embed-text`; it must have been pulled.
        dimension: of the model's vectors.
        guard: timeout, retries and limits; its `provider` should be `ollama`. The first call loads the
            model, so give it a minute.
        api_key: for an Ollama behind a gateway; empty for none.
        shorten: ask for `dimension`; only for models that know how.
        limits: `window_tokens` must not exceed the model's context (256 for all-minilm, 512 for
            mxbai-embed-large, 2,048 for nomic-embed-text): Ollama then refuses the text.
        document_prefix, query_prefix: what the model wants before each text, as `search_query: `.
    """
    backend = _OllamaBackend(
        JsonOverHttp(api_key),
        f"{base_url.rstrip('/')}/api/embed",
        provider=guard.provider,
        model=model,
        dimensions=dimension if shorten else None,
    )
    return RemoteEmbedder(
        backend,
        guard=guard,
        model=model,
        dimension=dimension,
        limits=limits,
        document_prefix=document_prefix,
        query_prefix=query_prefix,
    )
