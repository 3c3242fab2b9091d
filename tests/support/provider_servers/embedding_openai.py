"""OpenAI's "Create embeddings", as its API reference documents it; also under Azure's path."""

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


def openai_server(dimension: int) -> AbstractContextManager[ProviderServer]:
    """A double whose model has vectors of `dimension`, or of as many as a request asks for."""

    async def embeddings(request: Request) -> JSONResponse:
        body = await request.json()
        texts = body["input"]
        if not texts or len(texts) > 2048 or any(not 0 < len(text.encode()) <= 8192 for text in texts):
            return JSONResponse(openai_error(400), 400)
        size = body.get("dimensions", dimension)
        # Out of order, as the protocol allows: `index` says where a vector belongs.
        rows = [
            {"object": "embedding", "index": index, "embedding": vector_of(text, size)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 3 * len(texts), "total_tokens": 3 * len(texts)}
        return JSONResponse({"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage})

    paths = ("/v1/embeddings", "/openai/deployments/{deployment}/embeddings")
    return serve(
        Starlette(routes=[Route(path, embeddings, methods=["POST"]) for path in paths]), openai_error
    )


def openai_answer(vectors: Sequence[Sequence[float]]) -> bytes:
    """An answer with these vectors."""
    rows = [{"object": "embedding", "index": i, "embedding": list(row)} for i, row in enumerate(vectors)]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": rows, "model": "m", "usage": usage}).encode()


def openai_error(status: int) -> Any:
    """The JSON of an error."""
    return {"error": {"message": f"secret words, {status}", "type": "error", "param": None, "code": None}}
