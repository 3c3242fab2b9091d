"""Anthropic's messages, as its API reference documents them."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from support.provider_servers.llm_script import (
    KEY,
    SECRET_WORDS,
    Asked,
    Heard,
    Reply,
    Script,
    strict_fault,
)
from support.provider_servers.server import ProviderServer, serve

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def anthropic_llm_server(script: Script) -> AbstractContextManager[ProviderServer]:
    """A double of Anthropic's API; it knows structured outputs and forced tools."""

    async def create(request: Request) -> JSONResponse:
        body = await request.json()
        # The API takes a key in either header; the SDK chose the older one before version 2.
        if KEY not in (request.headers.get("x-api-key"), request.headers.get("authorization", "")[7:]):
            return JSONResponse(anthropic_llm_error(401), 401)
        name, schema = _shape(body)
        if "anthropic-version" not in request.headers or body.get("stream") or strict_fault(schema):
            return JSONResponse(anthropic_llm_error(400), 400)
        reply = script(_asked(body, name, schema))
        return JSONResponse(_answer(reply, body["model"], name))

    return serve(Starlette(routes=[Route("/v1/messages", create, methods=["POST"])]), anthropic_llm_error)


def _shape(body: Any) -> tuple[str, Any]:
    """Name and schema of the answer asked for; the name is that of the tool, or empty."""
    if "output_config" in body:
        wanted = body["output_config"]["format"]
        return "", wanted["schema"] if wanted["type"] == "json_schema" else None
    (tool,) = body["tools"]
    forced = body["tool_choice"] == {"type": "tool", "name": tool["name"], "disable_parallel_tool_use": True}
    return tool["name"], tool["input_schema"] if forced else None


def _asked(body: Any, name: str, schema: Any) -> Asked:
    return Asked(
        model=body["model"],
        system=body["system"],
        turns=tuple(_heard(message) for message in body["messages"]),
        schema=schema,
        schema_name=name,
        maximum_tokens=body["max_tokens"],
        temperature=body.get("temperature"),
    )


def _heard(message: Any) -> Heard:
    content = message["content"]
    if isinstance(content, str):
        return Heard(message["role"], content)
    images = []
    for block in content:
        if block["type"] == "image":
            source = block["source"]
            by_address = source["type"] == "url"
            images.append(source["url"] if by_address else f"{source['media_type']};base64,{source['data']}")
    texts = [block["text"] for block in content if block["type"] == "text"]
    return Heard(message["role"], "".join(texts), tuple(images))


def _answer(reply: Reply, model: str, tool: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}]
    if tool and reply.finish != "refusal":
        content = [{"type": "tool_use", "id": "toolu_1", "name": tool, "input": _tool_input(reply.text)}]
    stop = {"length": "max_tokens", "refusal": "refusal", "filtered": "refusal", "blocked": "refusal"}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop.get(reply.finish, "tool_use" if tool else "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens - 5,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 2,
            "output_tokens": reply.output_tokens,
        },
    }


def _tool_input(text: str) -> Any:
    """A tool's input is always an object; of a cut or chatty one nothing arrives."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def anthropic_llm_error(status: int) -> Any:
    """The JSON of an error."""
    kind = _TYPES.get(status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": f"{SECRET_WORDS} {KEY}"},
        "request_id": "req_1",
    }
