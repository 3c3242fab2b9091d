"""Feature extraction as text-embeddings-inference documents it (`/embed`)."""

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


def huggingface_server(dimension: int) -> AbstractContextManager[ProviderServer]:
    """A double with the server's default limits: 32 texts of 512 tokens, refused and not cut."""

    async def embed(request: Request) -> JSONResponse:
        body = await request.json()
        texts = body["inputs"]
        if len(texts) > 32 or (not body["truncate"] and any(len(text.encode()) > 510 for text in texts)):
            return JSONResponse(huggingface_error(413), 413)
        headers = {"x-compute-tokens": str(3 * len(texts))}
        return JSONResponse([vector_of(text, dimension) for text in texts], headers=headers)

    return serve(Starlette(routes=[Route("/embed", embed, methods=["POST"])]), huggingface_error)


def huggingface_answer(vectors: Sequence[Sequence[float]]) -> bytes:
    """An answer with these vectors."""
    return json.dumps([list(row) for row in vectors]).encode()


def huggingface_error(status: int) -> Any:
    """The JSON of an error."""
    return {"error": "secret words", "error_type": "validation"}
