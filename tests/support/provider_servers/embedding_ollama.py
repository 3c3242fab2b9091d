"""Ollama's `/api/embed`, as its API reference documents it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from support.provider_servers.embedding_vectors import vector_of
from support.provider_servers.server import ProviderServer, serve


def ollama_server(dimension: int) -> AbstractContextManager[ProviderServer]:
    """A double that, told not to cut, refuses a text past its context of 2,048 tokens."""

    async def embed(request: Request) -> JSONResponse:
        body = await request.json()
        texts = body["input"]
        if body["truncate"] is not False or any(len(text.encode()) > 2048 for text in texts):
            return JSONResponse({"error": "the input length exceeds the context length"}, 400)
        vectors = [vector_of(text, body.get("dimensions", dimension)) for text in texts]
        answer = {"model": body["model"], "embeddings": vectors, "prompt_eval_count": 3 * len(texts)}
        return JSONResponse({**answer, "total_duration": 14143917, "load_duration": 1019500})

    return serve(Starlette(routes=[Route("/api/embed", embed, methods=["POST"])]), ollama_error)


def ollama_answer(vectors: Sequence[Sequence[float]]) -> bytes:
    """An answer with these vectors."""
    return json.dumps({"model": "m", "embeddings": [list(row) for row in vectors]}).encode()


def ollama_error(status: int) -> Any:
    """The JSON of an error."""
    return {"error": f"secret words, {status}"}
