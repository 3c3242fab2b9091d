"""Every adapter of a language model, each before the double of its provider, for tests that hold for all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mnemon_service.model.language_model import LanguageModelSettings
from mnemon_service.providers.anthropic_llm import AnthropicLanguageModel, AnthropicMethod
from mnemon_service.providers.gemini_llm import GeminiLanguageModel
from mnemon_service.providers.llm_presets import StructuredMethod
from mnemon_service.providers.openai_llm import azure_model, compatible_model, openai_model
from mnemon_service.providers.remote_llm import RemoteLanguageModel
from mnemon_service.providers.retry import ProviderGuard
from support.provider_servers.llm_anthropic import (
    anthropic_events,
    anthropic_llm_error,
    anthropic_llm_server,
)
from support.provider_servers.llm_gemini import gemini_chunks, gemini_llm_error, gemini_llm_server
from support.provider_servers.llm_openai import openai_events, openai_llm_error, openai_llm_server
from support.provider_servers.llm_script import KEY, Asked, Reply, Script
from support.provider_servers.server import ProviderServer, event

MODEL = "model-of-the-test"


@dataclass(frozen=True)
class Kind:
    """One adapter: its double, how it is built, and its protocol's particulars."""

    name: str
    """As in the test's id; the provider's name in errors is the guard's."""
    serve: Callable[[Script], AbstractContextManager[ProviderServer]]
    build: Callable[[str, str, ProviderGuard, LanguageModelSettings], RemoteLanguageModel]
    """From the double's address, the key, a guard and the model's settings."""
    keeps_text: bool = True
    """Whether the model's words arrive as they are (a forced tool's input is always an object)."""
    too_long: Any = None
    """The body of the 400 that says that the prompt is longer than the window, if it can be told."""
    takes_temperature: bool = True
    schema_arrives: bool = True
    """Whether the protocol's own parameter carries the schema."""
    protocol: str = "openai"

    @property
    def tokens_of_a_broken_stream(self) -> tuple[int, int]:
        """Read and written, as far as a stream tells before its end: OpenAI's tells nothing."""
        if self.protocol == "openai":
            return 0, 0
        return (11, 1) if self.protocol == "anthropic" else (11, 3)

    def error_event(self, status: int) -> bytes:
        """How the provider says inside a stream what otherwise has this HTTP status."""
        match self.protocol:
            case "openai" if self.name == "openrouter":
                return event({**openai_llm_error(status), **_OPENROUTER_FAILED, "error": {"code": status}})
            case "openai":
                kind = {400: "invalid_request_error", 429: "rate_limit_exceeded"}.get(status, "server_error")
                return event({"error": {**openai_llm_error(status)["error"], "type": kind}})
            case "gemini":
                return event(gemini_llm_error(status))
            case _:
                return event(anthropic_llm_error(529 if status == 503 else status), "error")

    def events_before_the_end(self, reply: Reply) -> int:
        """Events of the streamed answer before the one that says how it ended."""
        match self.protocol:
            case "openai":
                return len(openai_events(reply, MODEL, usage=True)) - 3
            case "gemini":
                return len(gemini_chunks(reply)) - 1
            case _:
                return len(anthropic_events(reply, MODEL, "" if self.keeps_text else "tool")) - 1


def _old_server(script: Script) -> AbstractContextManager[ProviderServer]:
    return openai_llm_server(script, limit="max_tokens")


def _error(message: str, code: str | None = None) -> Any:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


_OPENROUTER_FAILED = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}
_OPENAI_TOO_LONG = _error("maximum context length is 1 token", "context_length_exceeded")
_COUNT = "The input token count (9) exceeds the maximum number of tokens allowed (1)."
_GEMINI_TOO_LONG = {"error": {"code": 400, "message": _COUNT, "status": "INVALID_ARGUMENT"}}
_ANTHROPIC_TOO_LONG = {"type": "error", **_error("prompt is too long: 9 tokens > 1 maximum")}

KINDS = (
    Kind(
        "openai",
        openai_llm_server,
        lambda url, key, guard, settings: openai_model(
            model=MODEL, api_key=key, guard=guard, base_url=f"{url}/v1", settings=settings
        ),
        too_long=_OPENAI_TOO_LONG,
    ),
    Kind(
        "azure",
        openai_llm_server,
        lambda url, key, guard, settings: azure_model(
            deployment=MODEL,
            endpoint=url,
            api_key=key,
            api_version="2024-10-21",
            guard=guard,
            settings=settings,
        ),
        too_long=_OPENAI_TOO_LONG,
    ),
    Kind(
        "vllm",
        _old_server,
        lambda url, key, guard, settings: compatible_model(
            model=MODEL, guard=guard, preset="vllm", base_url=f"{url}/v1", api_key=key, settings=settings
        ),
        too_long=_OPENAI_TOO_LONG,
    ),
    Kind(
        "openrouter",
        _old_server,
        lambda url, key, guard, settings: compatible_model(
            model=MODEL,
            guard=guard,
            preset="openrouter",
            base_url=f"{url}/v1",
            api_key=key,
            settings=settings,
        ),
        too_long=_OPENAI_TOO_LONG,
    ),
    Kind(
        "json-object",
        _old_server,
        lambda url, key, guard, settings: compatible_model(
            model=MODEL,
            guard=guard,
            base_url=f"{url}/v1",
            api_key=key,
            method=StructuredMethod.JSON_OBJECT,
            settings=settings,
        ),
        too_long=_OPENAI_TOO_LONG,
        schema_arrives=False,
    ),
    Kind(
        "gemini",
        gemini_llm_server,
        lambda url, key, guard, settings: GeminiLanguageModel(
            model=MODEL, api_key=key, guard=guard, base_url=url, settings=settings
        ),
        too_long=_GEMINI_TOO_LONG,
        protocol="gemini",
    ),
    Kind(
        "anthropic",
        anthropic_llm_server,
        lambda url, key, guard, settings: AnthropicLanguageModel(
            model=MODEL, api_key=key, guard=guard, base_url=url, settings=settings
        ),
        too_long=_ANTHROPIC_TOO_LONG,
        protocol="anthropic",
        takes_temperature=False,
    ),
    Kind(
        "anthropic-tool",
        anthropic_llm_server,
        lambda url, key, guard, settings: AnthropicLanguageModel(
            model=MODEL,
            api_key=key,
            guard=guard,
            base_url=url,
            settings=settings,
            method=AnthropicMethod.TOOL,
        ),
        keeps_text=False,
        too_long=_ANTHROPIC_TOO_LONG,
        protocol="anthropic",
        takes_temperature=False,
    ),
)


class Mind:
    """What the model behind all doubles says; a test sets it."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Reply:
        """Answer one request."""
        self.asked.append(asked)
        return self.reply


@contextlib.contextmanager
def language_model_servers(mind: Mind) -> Iterator[dict[str, ProviderServer]]:
    """The doubles of all kinds, by the kind's name."""
    with contextlib.ExitStack() as stack:
        yield {kind.name: stack.enter_context(kind.serve(mind)) for kind in KINDS}


__all__ = ["KEY", "KINDS", "MODEL", "Kind", "Mind", "language_model_servers"]
