"""Gemini's `models.batchEmbedContents`, as its REST reference documents it."""

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

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    429: "RESOURCE_EXHAUSTED",
}


def gemini_server() -> AbstractContextManager[ProviderServer]:
    """A double whose vectors differ between the two tasks of retrieval."""

    async def embed(request: Request) -> JSONResponse:
        requests = (await request.json())["requests"]
        texts = [one["content"]["parts"][0]["text"] for one in requests]
        # The first generation has a field for the task; the second refuses it and reads 8,192 tokens.
        first = "001" in request.path_params["model"]
        window = 2048 if first else 8192
        if any(("taskType" in one) != first for one in requests):
            return JSONResponse(gemini_error(400), 400)
        if not requests or len(requests) > 100 or any(len(text.encode()) > window for text in texts):
            return JSONResponse(gemini_error(400), 400)
        vectors = [
            {"values": vector_of(text, one["outputDimensionality"], one.get("taskType", ""))}
            for text, one in zip(texts, requests, strict=True)
        ]
        return JSONResponse({"embeddings": vectors, "usageMetadata": {"promptTokenCount": 3 * len(texts)}})

    path = "/{version}/models/{model}:batchEmbedContents"
    return serve(Starlette(routes=[Route(path, embed, methods=["POST"])]), gemini_error)


def gemini_answer(vectors: Sequence[Sequence[float]]) -> bytes:
    """An answer with these vectors."""
    return json.dumps({"embeddings": [{"values": list(row)} for row in vectors]}).encode()


def gemini_error(status: int, *details: Any) -> Any:
    """The JSON of an error, with details such as google.rpc.RetryInfo."""
    word = _STATUSES.get(status, "INTERNAL")
    return {"error": {"code": status, "message": "secret words", "status": word, "details": list(details)}}
