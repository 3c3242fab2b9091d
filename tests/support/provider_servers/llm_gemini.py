"""Gemini's generateContent and streamGenerateContent, as its API reference documents them."""

from __future__ import annotations

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

_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}


def gemini_llm_server(script: Script) -> AbstractContextManager[ProviderServer]:
    """A double of the Gemini API."""

    async def generate(request: Request) -> Response:
        body = await request.json()
        if request.headers.get("x-goog-api-key") != KEY:
            return JSONResponse(gemini_llm_error(400, reason="API_KEY_INVALID"), 400)
        config = body["generationConfig"]
        if config["responseMimeType"] != "application/json" or strict_fault(config["responseJsonSchema"]):
            return JSONResponse(gemini_llm_error(400), 400)
        streamed = request.path_params["method"] == "streamGenerateContent"
        reply = script(_asked(request.path_params["model"], body, streamed))
        if not streamed:
            return JSONResponse(gemini_answer(reply))
        assert request.query_params["alt"] == "sse", "without it the API sends one JSON list"
        return event_stream([event(chunk) for chunk in gemini_chunks(reply)], reply.seconds)

    route = Route("/v1/models/{model}:{method}", generate, methods=["POST"])
    return serve(Starlette(routes=[route]), gemini_llm_error)


def _asked(model: str, body: Any, streamed: bool) -> Asked:
    config = body["generationConfig"]
    return Asked(
        model=model,
        system="".join(part["text"] for part in body["systemInstruction"]["parts"]),
        turns=tuple(_heard(content) for content in body["contents"]),
        schema=config["responseJsonSchema"],
        schema_name="",
        maximum_tokens=config["maxOutputTokens"],
        temperature=config.get("temperature"),
        streamed=streamed,
        thinking={_camel(name): value for name, value in config.get("thinkingConfig", {}).items()},
    )


def _heard(content: Any) -> Heard:
    images = []
    for part in content["parts"]:
        if data := part.get("inlineData"):
            # The API takes both alphabets of base64.
            plain = data["data"].replace("-", "+").replace("_", "/")
            images.append(f"{_member(data, 'mimeType', 'mime_type')};base64,{plain}")
        elif file := part.get("fileData"):
            images.append(_member(file, "fileUri", "file_uri"))
    role = "assistant" if content["role"] == "model" else content["role"]
    return Heard(role, "".join(part.get("text", "") for part in content["parts"]), tuple(images))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _member(value: Any, *spellings: str) -> Any:
    """A field in either spelling: Protobuf's JSON form takes both, and the SDK sends both."""
    return next(value[name] for name in spellings if name in value)


def gemini_answer(reply: Reply) -> dict[str, Any]:
    """The JSON of an answer; a part of its output tokens is thinking."""
    usage = {
        "promptTokenCount": reply.input_tokens,
        "candidatesTokenCount": reply.output_tokens - 2,
        "thoughtsTokenCount": 2,
        "totalTokenCount": reply.input_tokens + reply.output_tokens,
    }
    if reply.finish == "blocked":
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
    finish = {"length": "MAX_TOKENS", "filtered": "SAFETY"}.get(reply.finish, "STOP")
    candidate: dict[str, Any] = {"finishReason": finish, "index": 0}
    if finish != "SAFETY":
        parts: list[dict[str, Any]] = [{"text": "Let me think {", "thought": True}, {"text": reply.text}]
        candidate["content"] = {"role": "model", "parts": parts}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}


def gemini_chunks(reply: Reply) -> list[dict[str, Any]]:
    """The chunks of a streamed answer: thoughts, words; only the last one says how it ended.

    Each tells the tokens up to it.
    """
    whole = gemini_answer(reply)
    if "candidates" not in whole:
        return [whole]
    (candidate,) = whole["candidates"]
    thought, *said = candidate.get("content", {}).get("parts", [{}])
    parts = [thought, *({"text": piece} for part in said for piece in pieces(part["text"]))]
    usage = {**whole["usageMetadata"], "candidatesTokenCount": 1}
    chunks = [
        {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}],
            **{"usageMetadata": usage, "modelVersion": "m"},
        }
        for part in parts
        if part
    ]
    nothing = {"role": "model", "parts": [{"text": ""}]}
    end = {"finishReason": candidate["finishReason"], "index": 0, "content": nothing}
    return [*chunks, {**whole, "candidates": [end]}]


def gemini_llm_error(status: int, reason: str = "", retry_delay: str = "") -> Any:
    """The JSON of an error."""
    details: list[dict[str, Any]] = []
    if reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        details.append({"@type": kind, "reason": reason, "domain": "googleapis.com"})
    if retry_delay:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay})
    message = f"{SECRET_WORDS} {KEY}"
    status_name = _STATUSES.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": status_name, "details": details}}
