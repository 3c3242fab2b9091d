"""Anthropic's messages, as its API reference documents them."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from support.provider_servers.llm_script import (
    KEY,
    SECRET_WORDS,
    Asked,
    Heard,
    Reply,
    Script,
    pieces,
    strict_fault,
)
from support.provider_servers.server import ProviderServer, event, event_stream, serve

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def anthropic_llm_server(script: Script) -> AbstractContextManager[ProviderServer]:
    """A double of Anthropic's API; it knows structured outputs and forced tools."""

    async def create(request: Request) -> Response:
        body = await request.json()
        # The API takes a key in either header; the SDK chose the older one before version 2.
        if KEY not in (request.headers.get("x-api-key"), request.headers.get("authorization", "")[7:]):
            return JSONResponse(anthropic_llm_error(401), 401)
        name, schema = _shape(body)
        if "anthropic-version" not in request.headers or strict_fault(schema):
            return JSONResponse(anthropic_llm_error(400), 400)
        if body.get("thinking", {}).get("budget_tokens", 0) >= body["max_tokens"]:
            return JSONResponse(anthropic_llm_error(400), 400)
        reply = script(_asked(body, name, schema))
        if body.get("stream"):
            return event_stream(anthropic_events(reply, body["model"], name), reply.seconds)
        return JSONResponse(_answer(reply, body["model"], name))

    return serve(Starlette(routes=[Route("/v1/messages", create, methods=["POST"])]), anthropic_llm_error)


def _shape(body: Any) -> tuple[str, Any]:
    """Name and schema of the answer asked for; the name is that of the tool, or empty."""
    if "format" in body.get("output_config", {}):
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
        streamed=body.get("stream", False),
        thinking={
            **{name: body[name] for name in ("thinking",) if name in body},
            **{name: value for name, value in body.get("output_config", {}).items() if name == "effort"},
        },
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


def anthropic_events(reply: Reply, model: str, tool: str) -> list[bytes]:
    """The events of a streamed answer, with a ping, and thinking before the words.

    The first one tells the tokens read and one written; the last but one all that were written.
    """
    whole = _answer(reply, model, tool)
    usage, stop = whole["usage"], whole["stop_reason"]
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    by_tool = bool(tool) and reply.finish != "refusal"
    opened: dict[str, Any] = {"type": "text", "text": ""}
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces(reply.text)]
    if by_tool:
        opened = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(reply.text)]
    ended = {"stop_reason": stop, "stop_sequence": None}
    thought = {"type": "thinking_delta", "thinking": "Let me think {"}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": thought},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": opened},
        *({"type": "content_block_delta", "index": 1, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": usage["output_tokens"]}},
        {"type": "message_stop"},
    ]
    return [event(one, one["type"]) for one in events]


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
