"""Reranking as Cohere documents it (`POST /v2/rerank`)."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from support.provider_servers.server import ProviderServer, serve


def relevance(query: str, text: str) -> float:
    """The share of the text's words that the query does not hold: the opposite of what a search finds."""
    words = text.lower().split()
    return sum(word not in query.lower() for word in words) / max(len(words), 1)


def cohere_server(seconds: float = 0.0) -> AbstractContextManager[ProviderServer]:
    """A double that answers best first, as Cohere does, and takes so long for it."""

    async def rerank(request: Request) -> JSONResponse:
        body = await request.json()
        await asyncio.sleep(seconds)
        results = [
            {"index": index, "relevance_score": relevance(body["query"], text)}
            for index, text in enumerate(body["documents"])
        ]
        results.sort(key=lambda result: -result["relevance_score"])
        answer = {"results": results[: body["top_n"]], "meta": {"tokens": {"input_tokens": 42}}}
        return JSONResponse(answer)

    return serve(Starlette(routes=[Route("/v2/rerank", rerank, methods=["POST"])]), cohere_error)


def cohere_error(status: int) -> Any:
    """The JSON of an error."""
    return {"message": "secret words"}
