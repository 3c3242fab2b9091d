"""OpenAI's chat completions, as its API reference documents them; also under Azure's path.

`planned_openai_server` is a model that "understands": for tests of the whole service, whose process
is pointed at its URL. It reads the prompt as a model would and finds the facts that the test planned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
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

RESPONSE_FORMATS = ("json_schema", "json_object")


def openai_llm_server(
    script: Script,
    *,
    response_formats: Collection[str] = RESPONSE_FORMATS,
    limit: str = "max_completion_tokens",
) -> AbstractContextManager[ProviderServer]:
    """A double of OpenAI, or of a server that knows fewer response formats or the older `limit` parameter."""

    async def complete(request: Request) -> Response:
        body = await request.json()
        if (refused := _refusal(request, body, response_formats, limit)) is not None:
            status, message = refused
            return JSONResponse(openai_llm_error(status, message), status)
        reply = script(_asked(body, limit))
        if reply.finish == "blocked":
            return JSONResponse(openai_llm_error(400, "filtered", code="content_filter"), 400)
        if body.get("stream"):
            told = body.get("stream_options", {}).get("include_usage", False)
            return event_stream(openai_events(reply, body["model"], usage=told), reply.seconds)
        return JSONResponse(openai_completion(reply, body["model"]))

    paths = ("/v1/chat/completions", "/openai/deployments/{deployment}/chat/completions")
    return serve(
        Starlette(routes=[Route(path, complete, methods=["POST"]) for path in paths]), openai_llm_error
    )


def _refusal(
    request: Request, body: Any, response_formats: Collection[str], limit: str
) -> tuple[int, str] | None:
    """Status and message with which the service refuses a request; None if it takes it."""
    azure = "deployment" in request.path_params
    sent = request.headers.get("api-key") if azure else request.headers.get("authorization")
    if sent != (KEY if azure else f"Bearer {KEY}"):
        return 401, "Incorrect API key"
    if azure and "api-version" not in request.query_params:
        return 404, "Resource not found"
    unknown = body.keys() - {
        "model",
        "messages",
        "response_format",
        "temperature",
        "reasoning_effort",
        "provider",
        "stream",
        "stream_options",
        limit,
    }
    if "stream_options" in body and not body.get("stream"):
        return 400, "'stream_options' is only allowed when streaming"
    if unknown or not isinstance(body.get(limit), int):
        return 400, f"Unsupported parameter: {sorted(unknown)}"
    wanted = body.get("response_format", {"type": "text"})
    if wanted["type"] not in (*response_formats, "text"):
        return 400, f"'response_format.type' {wanted['type']} is not supported"
    if wanted["type"] == "json_schema":
        described = wanted["json_schema"]
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", described["name"]) or described["strict"] is not True:
            return 400, "Invalid schema name"
        if fault := strict_fault(described["schema"]):
            return 400, f"Invalid schema for response_format: {fault}"
    if wanted["type"] == "json_object" and "json" not in str(body["messages"]).lower():
        return 400, "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'"
    return None


def _asked(body: Any, limit: str) -> Asked:
    first, *others = body["messages"]
    assert first["role"] == "system"
    described = body.get("response_format", {}).get("json_schema", {})
    return Asked(
        model=body["model"],
        system=first["content"],
        turns=tuple(_heard(message) for message in others),
        schema=described.get("schema"),
        schema_name=described.get("name", ""),
        maximum_tokens=body[limit],
        temperature=body.get("temperature"),
        streamed=body.get("stream", False),
        thinking={name: body[name] for name in ("reasoning_effort",) if name in body},
    )


def _heard(message: Any) -> Heard:
    content = message["content"]
    if isinstance(content, str):
        return Heard(message["role"], content)
    texts = [part["text"] for part in content if part["type"] == "text"]
    images = [
        part["image_url"]["url"].removeprefix("data:") for part in content if part["type"] == "image_url"
    ]
    return Heard(message["role"], "".join(texts), tuple(images))


def openai_completion(reply: Reply, model: str) -> dict[str, Any]:
    """The JSON of an answer."""
    refused = reply.finish == "refusal"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused else reply.text,
        "refusal": reply.text if refused else None,
        "annotations": [],
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}],
        "usage": _usage(reply),
    }


def openai_events(reply: Reply, model: str, *, usage: bool) -> list[bytes]:
    """The chunks of a streamed answer: role, words, end; the usage if asked for; then [DONE].

    The usage's chunk has no choices, and where it was asked for all others have a null in its place.
    """
    common: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": model}
    common |= {"created": 1_700_000_000, **({"usage": None} if usage else {})}
    said = "refusal" if reply.finish == "refusal" else "content"
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{said: piece} for piece in pieces(reply.text)]
    choices: list[dict[str, Any]]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": _finish(reply)})
    chunks = [{**common, "choices": [choice]} for choice in choices]
    if usage:
        chunks.append({**common, "choices": [], "usage": _usage(reply)})
    # A comment, as OpenRouter sends them to keep the connection open, is no event.
    return [b": OPENROUTER PROCESSING\n\n" + event(chunks[0]), *map(event, chunks[1:]), event("[DONE]")]


def _finish(reply: Reply) -> str:
    return {"length": "length", "filtered": "content_filter"}.get(reply.finish, "stop")


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


def openai_llm_error(status: int, message: str = "", code: str | None = None) -> Any:
    """The JSON of an error."""
    text = f"{SECRET_WORDS} {KEY} {message}"
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": code}}


@dataclass(frozen=True)
class PlannedFact:
    """A fact that the double finds whenever a new message holds `quote`.

    If a memory has the same text it is known (NONE). Else, if a memory's text contains `target`, the
    fact does `action` to it; without such a memory it is added.
    """

    quote: str
    text: str
    action: str = "SUPERSEDE"
    target: str = ""
    type: str = "SEMANTIC"
    categories: tuple[str, ...] = ()
    entities: tuple[tuple[str, str], ...] = ()
    """Name and type of each."""
    attributed_to: str = ""
    event_time: str | None = None
    event_end: str | None = None
    confidence: float = 0.9


@dataclass
class PlannedModel:
    """A model that finds planned facts, and answers the other prompts with what it was given.

    `facts` may be changed while the server runs.
    """

    facts: Sequence[PlannedFact] = ()
    echo: bool = False
    """Also make each new user message a fact of its own, word for word."""
    procedure: Mapping[str, Any] = field(
        default_factory=lambda: {
            "goal": "the goal",
            "steps": [{"action": "the action", "result": "the result"}],
            "outcome": "the outcome",
            "open": [],
        }
    )
    instructions: Mapping[str, Any] = field(
        default_factory=lambda: {
            "instructions": ["Remember what matters"],
            "categories": [{"name": "matters", "description": "what matters"}],
            "conversation": [{"role": "USER", "name": "Ana", "content": "This matters"}],
        }
    )

    def __call__(self, asked: Asked) -> Reply:
        """The answer to one request."""
        if asked.schema_name.startswith("extract"):
            return Reply(json.dumps({"images": [], "facts": self._found(asked.text)}, ensure_ascii=False))
        planned = self.procedure if asked.schema_name.startswith("procedure") else self.instructions
        return Reply(json.dumps(planned, ensure_ascii=False))

    def _found(self, prompt: str) -> list[dict[str, Any]]:
        memories = _memories(prompt)
        found: list[dict[str, Any]] = []
        for number, role, text in _messages(prompt):
            planned = [fact for fact in self.facts if " ".join(fact.quote.split()) in text]
            found.extend(_fact(number, fact, memories) for fact in planned)
            if self.echo and role == "user":
                found.append(_fact(number, PlannedFact(text, text), memories))
        return found


def planned_openai_server(model: PlannedModel) -> AbstractContextManager[ProviderServer]:
    """The double with `model` behind it. Give the service `server.url + "/v1"` and `llm_script.KEY`."""
    return openai_llm_server(model)


def _memories(prompt: str) -> dict[int, str]:
    """The memories that the prompt offers, by number."""
    section = prompt.partition("\n# Memories\n")[2].partition("\n\n# ")[0]
    lines = re.findall(r"^\((\d+)\) (.*) \[[A-Z]+[^\]]*\]$", section, re.MULTILINE)
    return {int(number): text for number, text in lines}


def _messages(prompt: str) -> list[tuple[int, str, str]]:
    """Number, role and text of the new messages, white space as single blanks."""
    section = prompt.partition("\n# New messages\n")[2].removesuffix("\n</material>")
    head = re.compile(r"\[(\d+)\] (?:.*? \()?([a-z]+)\)?(?:, [A-Z][a-z]+day [^:]*:\d\d [^:]*)?: ")
    found: list[tuple[int, str, str]] = []
    for line in section.splitlines():
        if started := head.match(line):
            found.append((int(started[1]), started[2], line[started.end() :]))
        elif found and line.startswith("      "):
            number, role, text = found[-1]
            found[-1] = (number, role, f"{text} {line.strip()}")
    return [(number, role, " ".join(text.split())) for number, role, text in found]


def _fact(number: int, planned: PlannedFact, memories: Mapping[int, str]) -> dict[str, Any]:
    known = next((place for place, text in memories.items() if text == planned.text), None)
    matching = [place for place, text in memories.items() if planned.target and planned.target in text]
    target = known or (matching[0] if matching else None)
    return {
        "message": number,
        "quote": planned.quote,
        "text": planned.text,
        "type": planned.type,
        "categories": list(planned.categories),
        "entities": [{"name": name, "type": kind} for name, kind in planned.entities],
        "attributed_to": planned.attributed_to,
        "event_time": planned.event_time,
        "event_end": planned.event_end,
        "confidence": planned.confidence,
        "action": "NONE" if known else planned.action if target else "ADD",
        "target": target,
        "reason": "as planned",
    }
