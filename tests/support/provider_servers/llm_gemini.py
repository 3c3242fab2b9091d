"""Gemini's generateContent, as its API reference documents it."""

from __future__ import annotations

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

_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}


def gemini_llm_server(script: Script) -> AbstractContextManager[ProviderServer]:
    """A double of the Gemini API."""

    async def generate(request: Request) -> JSONResponse:
        body = await request.json()
        if request.headers.get("x-goog-api-key") != KEY:
            return JSONResponse(gemini_llm_error(400, reason="API_KEY_INVALID"), 400)
        config = body["generationConfig"]
        if config["responseMimeType"] != "application/json" or strict_fault(config["responseJsonSchema"]):
            return JSONResponse(gemini_llm_error(400), 400)
        return JSONResponse(gemini_answer(script(_asked(request.path_params["model"], body))))

    route = Route("/v1/models/{model}:generateContent", generate, methods=["POST"])
    return serve(Starlette(routes=[route]), gemini_llm_error)


def _asked(model: str, body: Any) -> Asked:
    config = body["generationConfig"]
    return Asked(
        model=model,
        system="".join(part["text"] for part in body["systemInstruction"]["parts"]),
        turns=tuple(_heard(content) for content in body["contents"]),
        schema=config["responseJsonSchema"],
        schema_name="",
        maximum_tokens=config["maxOutputTokens"],
        temperature=config.get("temperature"),
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
