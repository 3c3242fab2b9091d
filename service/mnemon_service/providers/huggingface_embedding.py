"""Embeddings of Hugging Face's feature extraction: its router, an Inference Endpoint, or a server of
text-embeddings-inference of one's own. All three take the same request."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

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

HUGGINGFACE_LIMITS = EmbeddingLimits(texts=32, window_tokens=512)
"""text-embeddings-inference takes 32 texts by default (`--max-client-batch-size`); 512 tokens is the
window of most encoders."""


class _HuggingFaceBackend:
    def __init__(self, http: JsonOverHttp, url: str, *, provider: str) -> None:
        self._http = http
        self._url = url
        self._provider = provider

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Answer:
        body = {"inputs": list(texts), "normalize": True, "truncate": False}
        response = await self._http.post(self._url, body)
        vectors = response.json()
        return unusable(self._provider, lambda: Answer(vectors, _tokens(response)))

    def classify(self, error: Exception) -> ProviderFault:
        return classify_http(error)

    async def close(self) -> None:
        await self._http.close()


def huggingface_embedder(
    *,
    model: str,
    dimension: int,
    guard: ProviderGuard,
    api_key: str = "",
    url: str = "",
    limits: EmbeddingLimits = HUGGINGFACE_LIMITS,
    document_prefix: str = "",
    query_prefix: str = "",
) -> RemoteEmbedder:
    """Embeddings of a sentence encoder on Hugging Face.

    Args:
        model: its repository, as `BAAI/bge-small-en-v1.5`.
        dimension: of the model's vectors.
        guard: timeout, retries and limits; its `provider` should be `huggingface`.
        api_key: a token that may call inference; empty for a server that asks for none.
        url: the whole address of an Inference Endpoint, or of a text-embeddings-inference server with
            `/embed`; empty for Hugging Face's router.
        limits: what the server takes in one call.
        document_prefix, query_prefix: what the model wants before each text, as `query: `.
    """
    address = url or f"https://router.huggingface.co/hf-inference/models/{model}/pipeline/feature-extraction"
    backend = _HuggingFaceBackend(JsonOverHttp(api_key), address, provider=guard.provider)
    return RemoteEmbedder(
        backend,
        guard=guard,
        model=model,
        dimension=dimension,
        limits=limits,
        document_prefix=document_prefix,
        query_prefix=query_prefix,
    )


def _tokens(response: httpx.Response) -> int:
    """As text-embeddings-inference counts them; other servers do not say."""
    text = response.headers.get("x-compute-tokens", "")
    return int(text) if text.isdigit() else 0
