"""The embedder that the settings ask for. Each provider's SDK is imported only if it is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mnemon_service.app.guards import provider_guard
from mnemon_service.providers.embedding import CachingEmbedder, Embedder, EmbeddingModelUnavailable
from mnemon_service.settings import Settings


class SettingsWrong(Exception):
    """The settings cannot be carried out; the message says in one line what to change."""


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """The embedder in use, or why there is none."""

    embedder: Embedder | None
    provider: str
    model: str
    unavailable: str = ""
    """Why it could not be loaded; empty if it was, or if none was asked for."""


async def build_embedder(settings: Settings, cache: Path) -> EmbedderChoice:
    """Loads or reaches the embedding model; `cache` keeps what is prepared of local ones.

    A local model that cannot be loaded leaves keyword search. Raises `SettingsWrong`.
    """
    provider = settings.embedding_provider
    if provider == "none":
        return EmbedderChoice(None, provider, "")
    try:
        embedder = await _BUILDERS[provider](settings, cache)
    except EmbeddingModelUnavailable as error:
        return EmbedderChoice(None, provider, settings.embedding_model, error.message)
    if settings.embedding_cache_entries:
        embedder = CachingEmbedder(
            embedder,
            entries=settings.embedding_cache_entries,
            queries_differ=provider in ("gemini", "sentence-transformers"),
        )
    return EmbedderChoice(embedder, provider, embedder.name)


async def _local(settings: Settings, cache: Path) -> Embedder:
    from mnemon_service.providers.local_embedding import LocalEmbedder

    if settings.embedding_model_dir is not None:
        return await LocalEmbedder.open_folder(
            settings.embedding_model_dir, threads=settings.embedding_threads
        )
    return await LocalEmbedder.open(
        cache, precision=settings.embedding_precision, threads=settings.embedding_threads
    )


async def _openai(settings: Settings, cache: Path) -> Embedder:
    from mnemon_service.providers.openai_embedding import openai_embedder

    return openai_embedder(
        api_key=_needed(settings.secret("openai_api_key", "OPENAI_API_KEY"), "OPENAI_API_KEY"),
        guard=provider_guard("openai", settings),
        **_given(settings, base_url=True),
    )


async def _azure(settings: Settings, cache: Path) -> Embedder:
    import os

    from mnemon_service.providers.openai_embedding import azure_embedder

    endpoint = settings.azure_endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT", "")
    given = _given(settings)
    given["deployment"] = _needed(given.pop("model", ""), "MNEMON_EMBEDDING_MODEL (the deployment's name)")
    return azure_embedder(
        endpoint=_needed(endpoint, "MNEMON_AZURE_ENDPOINT"),
        api_key=_needed(settings.secret("azure_api_key", "AZURE_OPENAI_API_KEY"), "AZURE_OPENAI_API_KEY"),
        guard=provider_guard("azure", settings),
        **given,
    )


async def _gemini(settings: Settings, cache: Path) -> Embedder:
    from mnemon_service.providers.gemini_embedding import gemini_embedder

    return gemini_embedder(
        api_key=_needed(
            settings.secret("gemini_api_key", "GEMINI_API_KEY", "GOOGLE_API_KEY"), "GEMINI_API_KEY"
        ),
        guard=provider_guard("gemini", settings),
        **_given(settings, base_url=True),
    )


async def _ollama(settings: Settings, cache: Path) -> Embedder:
    from mnemon_service.providers.ollama_embedding import ollama_embedder

    return ollama_embedder(guard=provider_guard("ollama", settings), **_sized(settings, base_url=True))


async def _huggingface(settings: Settings, cache: Path) -> Embedder:
    from mnemon_service.providers.huggingface_embedding import huggingface_embedder

    return huggingface_embedder(
        guard=provider_guard("huggingface", settings),
        api_key=settings.secret("huggingface_api_key", "HF_TOKEN"),
        url=settings.embedding_base_url,
        **_sized(settings),
    )


async def _compatible(settings: Settings, cache: Path) -> Embedder:
    from mnemon_service.providers.openai_embedding import compatible_embedder

    given = _sized(settings)
    return compatible_embedder(
        base_url=_needed(settings.embedding_base_url, "MNEMON_EMBEDDING_BASE_URL"),
        guard=provider_guard("compatible", settings),
        api_key=settings.secret("compatible_api_key"),
        **given,
    )


async def _sentence_transformers(settings: Settings, cache: Path) -> Embedder:
    from mnemon_service.providers.sentence_transformers_embedding import SentenceTransformersEmbedder

    model = _needed(settings.embedding_model, "MNEMON_EMBEDDING_MODEL")
    return await SentenceTransformersEmbedder.open(model, cache=cache)


_BUILDERS: Final[dict[str, Callable[[Settings, Path], Awaitable[Embedder]]]] = {
    "local": _local,
    "openai": _openai,
    "azure": _azure,
    "gemini": _gemini,
    "ollama": _ollama,
    "huggingface": _huggingface,
    "compatible": _compatible,
    "sentence-transformers": _sentence_transformers,
}


def _given(settings: Settings, *, base_url: bool = False) -> dict[str, Any]:
    """Model, dimension and address as far as they are set: the rest is the adapter's default."""
    given: dict[str, Any] = {}
    if settings.embedding_model:
        given["model"] = settings.embedding_model
    if settings.embedding_dimension:
        given["dimension"] = settings.embedding_dimension
    if base_url and settings.embedding_base_url:
        given["base_url"] = settings.embedding_base_url
    return given


def _sized(settings: Settings, *, base_url: bool = False) -> dict[str, Any]:
    """The same where the adapter knows no default model."""
    _needed(settings.embedding_model, "MNEMON_EMBEDDING_MODEL")
    if not settings.embedding_dimension:
        raise SettingsWrong("set MNEMON_EMBEDDING_DIMENSION to the dimensions of the model's vectors")
    return _given(settings, base_url=base_url)


def _needed(value: str, variable: str) -> str:
    if not value:
        raise SettingsWrong(f"set {variable} for the chosen provider")
    return value
