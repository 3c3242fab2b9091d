"""Embeddings of OpenAI, of Azure OpenAI, and of every server that speaks their protocol."""

from __future__ import annotations

from collections.abc import Sequence

import openai
from openai.types import CreateEmbeddingResponse

from mnemon_service.providers.openai_access import OPENAI_ADDRESS, azure_client, openai_client, openai_fault
from mnemon_service.providers.remote_embedding import (
    Answer,
    EmbeddingLimits,
    Purpose,
    RemoteEmbedder,
    unusable,
)
from mnemon_service.providers.retry import ProviderFault, ProviderGuard

OPENAI_LIMITS = EmbeddingLimits(texts=2048, window_tokens=8191, call_tokens=300_000)
"""OpenAI's API reference, "Create embeddings": 8,192 tokens a text, 2,048 texts, 300,000 tokens in all."""
COMPATIBLE_LIMITS = EmbeddingLimits(texts=64, window_tokens=2048)
"""What servers for local models commonly take; a setting of theirs, so a parameter here."""


class _OpenAIBackend:
    def __init__(
        self, client: openai.AsyncOpenAI, *, provider: str, model: str, dimensions: int | None
    ) -> None:
        self._client = client
        self._provider = provider
        self._model = model
        self._dimensions = dimensions

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Answer:
        # Plain numbers: not all compatible servers know base64, the SDK's default.
        response = await self._client.embeddings.create(
            model=self._model,
            input=list(texts),
            encoding_format="float",
            dimensions=openai.omit if self._dimensions is None else self._dimensions,
        )
        return unusable(self._provider, lambda: _answer(response))

    def classify(self, error: Exception) -> ProviderFault:
        return openai_fault(error)

    async def close(self) -> None:
        await self._client.close()


def _answer(response: CreateEmbeddingResponse) -> Answer:
    rows = response.data
    if all(isinstance(row.index, int) for row in rows):
        rows = sorted(rows, key=lambda row: row.index)
    tokens = response.usage.prompt_tokens if getattr(response, "usage", None) else 0
    return Answer([row.embedding for row in rows], int(tokens or 0))


def openai_embedder(
    *,
    api_key: str,
    guard: ProviderGuard,
    model: str = "text-embedding-3-small",
    dimension: int = 1536,
    base_url: str = OPENAI_ADDRESS,
    organization: str = "",
) -> RemoteEmbedder:
    """Embeddings of OpenAI itself.

    Args:
        api_key: sent as the bearer token; nothing is taken from the SDK's own environment variables.
        guard: timeout, retries and limits; its `provider` should be `openai`.
        model: `text-embedding-3-small` (1,536 dimensions), `text-embedding-3-large` (3,072) or an
            older one.
        dimension: fewer than the model's own shortens its vectors (`text-embedding-3` and later).
        base_url: another address of the same service, such as a regional endpoint or a gateway.
        organization: OpenAI's organization id, if the key belongs to several.
    """
    client = openai_client(api_key=api_key, base_url=base_url, organization=organization)
    dimensions = dimension if model.startswith("text-embedding-3") else None
    backend = _OpenAIBackend(client, provider=guard.provider, model=model, dimensions=dimensions)
    return RemoteEmbedder(backend, guard=guard, model=model, dimension=dimension, limits=OPENAI_LIMITS)


def azure_embedder(
    *,
    endpoint: str,
    deployment: str,
    api_key: str,
    guard: ProviderGuard,
    dimension: int = 1536,
    api_version: str = "2024-10-21",
    shorten: bool = False,
) -> RemoteEmbedder:
    """Embeddings of a deployment on Azure OpenAI.

    Args:
        endpoint: as `https://<resource>.openai.azure.com`.
        deployment: the deployment's name; it stands for the model in accounts.
        dimension: of the deployed model's vectors.
        shorten: ask for `dimension` (`text-embedding-3` and later know how) instead of expecting it.
    """
    client = azure_client(api_key=api_key, endpoint=endpoint, api_version=api_version)
    backend = _OpenAIBackend(
        client, provider=guard.provider, model=deployment, dimensions=dimension if shorten else None
    )
    return RemoteEmbedder(backend, guard=guard, model=deployment, dimension=dimension, limits=OPENAI_LIMITS)


def compatible_embedder(
    *,
    base_url: str,
    model: str,
    dimension: int,
    guard: ProviderGuard,
    api_key: str = "",
    shorten: bool = False,
    limits: EmbeddingLimits = COMPATIBLE_LIMITS,
    document_prefix: str = "",
    query_prefix: str = "",
) -> RemoteEmbedder:
    """Embeddings of any server that speaks OpenAI's protocol: vLLM, LM Studio, llama.cpp, gateways.

    Args:
        base_url: the address up to and with `/v1`.
        dimension: of the model's vectors.
        api_key: empty if the server asks for none.
        shorten: ask for `dimension`; only for servers and models that know how.
        limits: what the server takes in one call.
        document_prefix, query_prefix: what the model wants before each text.
    """
    client = openai_client(api_key=api_key, base_url=base_url)
    backend = _OpenAIBackend(
        client, provider=guard.provider, model=model, dimensions=dimension if shorten else None
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
