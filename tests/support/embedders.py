"""Every embedder, each before the double of its provider, for tests that hold for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mnemon_service.providers.embedding import Embedder
from mnemon_service.providers.gemini_embedding import gemini_embedder
from mnemon_service.providers.huggingface_embedding import huggingface_embedder
from mnemon_service.providers.ollama_embedding import ollama_embedder
from mnemon_service.providers.openai_embedding import azure_embedder, compatible_embedder, openai_embedder
from mnemon_service.providers.retry import ProviderGuard
from support.provider_servers.embedding_gemini import gemini_answer, gemini_server
from support.provider_servers.embedding_huggingface import huggingface_answer, huggingface_server
from support.provider_servers.embedding_ollama import ollama_answer, ollama_server
from support.provider_servers.embedding_openai import openai_answer, openai_server
from support.provider_servers.server import ProviderServer

DIMENSION = 32
KEY = "key-that-nobody-may-see"


class Pauses:
    """Takes the place of sleeping between tries: remembers the time and goes on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def guard_for(provider: str, pauses: Pauses, *, timeout: float = 10, attempts: int = 3) -> ProviderGuard:
    """A guard that does not wait between tries."""
    return ProviderGuard(
        provider,
        timeout=timeout,
        attempts=attempts,
        concurrency=4,
        breaker_failures=50,
        breaker_seconds=30,
        sleep=pauses,
    )


@dataclass(frozen=True)
class RemoteKind:
    """One embedder behind a network: its double, how it is built, and its protocol's particulars."""

    provider: str
    serve: Callable[[], AbstractContextManager[ProviderServer]]
    build: Callable[[str, ProviderGuard], Embedder]
    """From the double's address and a guard."""
    answer: Callable[[Sequence[Sequence[float]]], bytes]
    texts: Callable[[Any], list[str]]
    """The texts in the body of a request."""
    texts_in_a_call: int
    window_bytes: int
    key_header: str = "authorization"


def _input(body: Any) -> list[str]:
    return list(body["input"])


REMOTE = [
    RemoteKind(
        "openai",
        lambda: openai_server(DIMENSION),
        lambda url, guard: openai_embedder(
            api_key=KEY,
            guard=guard,
            model="text-embedding-3-small",
            dimension=DIMENSION,
            base_url=f"{url}/v1",
        ),
        openai_answer,
        _input,
        2048,
        8191,
    ),
    RemoteKind(
        "azure",
        lambda: openai_server(DIMENSION),
        lambda url, guard: azure_embedder(
            endpoint=url, deployment="embeddings", api_key=KEY, guard=guard, dimension=DIMENSION
        ),
        openai_answer,
        _input,
        2048,
        8191,
        "api-key",
    ),
    RemoteKind(
        "compatible",
        lambda: openai_server(DIMENSION),
        lambda url, guard: compatible_embedder(
            base_url=f"{url}/v1", model="m", dimension=DIMENSION, guard=guard, api_key=KEY
        ),
        openai_answer,
        _input,
        64,
        2048,
    ),
    RemoteKind(
        "gemini",
        gemini_server,
        lambda url, guard: gemini_embedder(api_key=KEY, guard=guard, dimension=DIMENSION, base_url=url),
        gemini_answer,
        lambda body: [one["content"]["parts"][0]["text"] for one in body["requests"]],
        100,
        2048,
        "x-goog-api-key",
    ),
    RemoteKind(
        "ollama",
        lambda: ollama_server(DIMENSION),
        lambda url, guard: ollama_embedder(
            model="m", dimension=DIMENSION, guard=guard, base_url=url, api_key=KEY
        ),
        ollama_answer,
        _input,
        64,
        2048,
    ),
    RemoteKind(
        "huggingface",
        lambda: huggingface_server(DIMENSION),
        lambda url, guard: huggingface_embedder(
            model="m", dimension=DIMENSION, guard=guard, api_key=KEY, url=f"{url}/embed"
        ),
        huggingface_answer,
        lambda body: list(body["inputs"]),
        32,
        512,
    ),
]


@contextlib.contextmanager
def remote_servers() -> Iterator[dict[str, ProviderServer]]:
    """A running double for every kind, by provider."""
    with contextlib.ExitStack() as stack:
        yield {kind.provider: stack.enter_context(kind.serve()) for kind in REMOTE}
