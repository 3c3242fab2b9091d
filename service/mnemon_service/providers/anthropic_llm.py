"""Anthropic's messages."""

from __future__ import annotations

import asyncio
import base64
import enum
from collections.abc import Mapping
from typing import Any, cast

import anthropic
import httpx2
from anthropic.types import Message

from mnemon_service.model.language_model import PROVIDER_DEFAULTS, LanguageModelSettings
from mnemon_service.model.message import Image
from mnemon_service.providers.answer_stream import Lost, read_stream
from mnemon_service.providers.anthropic_answer import StreamedMessage, completion
from mnemon_service.providers.llm import Finish, StructuredRequest, Turn
from mnemon_service.providers.remote_llm import RemoteLanguageModel
from mnemon_service.providers.retry import FaultKind, ProviderFault, ProviderGuard, fault_from_status
from mnemon_service.providers.structured_answer import Completion, completion_of

_EFFORTS = ("", "low", "medium", "high", "xhigh", "max")
_LEAST_THINKING = 1024
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
"""docs.anthropic.com, "Errors": the status that a kind of error has where it is not an event of a stream.
Whatever is not named here is a fault of the server's."""


class AnthropicMethod(enum.StrEnum):
    """How a model is asked for an answer of one shape."""

    OUTPUT_FORMAT = "output_format"
    """Structured outputs (`output_config.format`), which models since Claude 4.5 know."""
    TOOL = "tool"
    """One tool that must be called, for the models before."""


class AnthropicLanguageModel(RemoteLanguageModel):
    """A model of Anthropic's API.

    Args:
        model: as `claude-haiku-4-5`.
        api_key: an API key; nothing is taken from the SDK's own environment variables.
        guard: timeouts, retries and limits; its `provider` should be `anthropic`.
        base_url: another address of the same service, such as a gateway.
        method: structured outputs, or a forced tool call for older models, which then cannot think.
        settings: see there.

    A request's temperature is not sent: the API, as of the installed SDK, takes none.

    Raises ValueError for a temperature in the settings, or thinking that the API does not know.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        guard: ProviderGuard,
        base_url: str = "https://api.anthropic.com",
        method: AnthropicMethod = AnthropicMethod.OUTPUT_FORMAT,
        settings: LanguageModelSettings = PROVIDER_DEFAULTS,
    ) -> None:
        super().__init__(model=model, guard=guard, settings=settings, sees_images=True)
        self._method = method
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key or "none",
            base_url=base_url,
            # The guard alone decides how long to wait. A number also keeps the SDK from insisting on
            # streaming where it expects more than ten minutes.
            timeout=3600.0,
            max_retries=0,
            open_telemetry=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _require_known(self, settings: LanguageModelSettings) -> None:
        if settings.temperature is not None:
            raise ValueError("Anthropic's API takes no temperature")
        if settings.reasoning_effort not in _EFFORTS:
            raise ValueError("Anthropic's reasoning_effort is one of low, medium, high, xhigh, max")
        if settings.thinking_budget is not None and 0 != settings.thinking_budget < _LEAST_THINKING:
            raise ValueError(f"Anthropic's thinking_budget is 0, or {_LEAST_THINKING} or more")

    def _classify(self, error: Exception) -> ProviderFault:
        return _classify(error)

    async def _complete(self, request: StructuredRequest, lost: Lost) -> Completion:
        try:
            return await self._ask(self._parameters(request), lost)
        except anthropic.APIStatusError as error:
            if _is_too_long(error):
                return Completion("", Finish.LENGTH)
            raise

    async def _ask(self, parameters: Mapping[str, object], lost: Lost) -> Completion:
        create = cast(Any, self._client.messages.create)
        if not self._settings.stream:
            return completion_of(cast(Message, await create(**parameters)), completion)
        async with asyncio.timeout(self._guard.timeout):
            stream = await create(**parameters, stream=True)
        async with stream:
            return await read_stream(stream, StreamedMessage(), self._guard.timeout, lost)

    def _parameters(self, request: StructuredRequest) -> dict[str, object]:
        budget = self._settings.thinking_budget
        parameters: dict[str, object] = {
            "model": self._model,
            "system": request.system,
            "messages": [
                {"role": turn.speaker.value, "content": self._content(turn)} for turn in request.turns
            ],
            "max_tokens": request.maximum_output_tokens + (budget or 0),
        }
        if budget is not None:
            thinking = {"type": "enabled", "budget_tokens": budget} if budget else {"type": "disabled"}
            parameters["thinking"] = thinking
        output: dict[str, object] = {}
        if self._settings.reasoning_effort:
            output["effort"] = self._settings.reasoning_effort
        if self._method is AnthropicMethod.OUTPUT_FORMAT:
            output["format"] = {"type": "json_schema", "schema": dict(request.schema)}
        else:
            parameters |= _forced_tool(request)
        return {**parameters, "output_config": output} if output else parameters

    def _content(self, turn: Turn) -> str | list[dict[str, Any]]:
        if not turn.images or not self.sees_images:
            return turn.text
        pictures = [{"type": "image", "source": _image_source(image)} for image in turn.images]
        return [*pictures, {"type": "text", "text": turn.text}]


def _forced_tool(request: StructuredRequest) -> dict[str, object]:
    tool = {
        "name": request.schema_name,
        "description": "Takes the answer. Call it once, with everything.",
        "input_schema": dict(request.schema),
    }
    choice = {"type": "tool", "name": request.schema_name, "disable_parallel_tool_use": True}
    return {"tools": [tool], "tool_choice": choice}


def _image_source(image: Image) -> dict[str, str]:
    if image.uri:
        return {"type": "url", "url": image.uri}
    data = base64.b64encode(image.data).decode("ascii")
    return {"type": "base64", "media_type": image.media_type, "data": data}


def _is_too_long(error: anthropic.APIStatusError) -> bool:
    """Whether the prompt is longer than the model's window (a 400 without a code) or than the API takes."""
    if error.status_code not in (400, 413):
        return False
    return error.status_code == 413 or "prompt is too long" in str(error.body or error.message).lower()


def _classify(error: Exception) -> ProviderFault:
    if isinstance(error, anthropic.APIStatusError):
        if error.status_code < 400:
            return _fault_of_event(error)
        return fault_from_status(error.status_code, error.response.headers)
    if isinstance(error, anthropic.APITimeoutError | TimeoutError):
        return ProviderFault(FaultKind.TRANSIENT, detail="no answer in time")
    # What breaks in the middle of a stream the SDK passes on as its HTTP library raised it.
    if isinstance(error, anthropic.APIConnectionError | httpx2.TransportError):
        return ProviderFault(FaultKind.TRANSIENT, detail="connection failed")
    if isinstance(error, anthropic.APIError | ValueError):
        return ProviderFault(FaultKind.TRANSIENT, detail="the response is no answer of this protocol")
    return ProviderFault(FaultKind.BAD_REQUEST, detail=type(error).__name__)


def _fault_of_event(error: anthropic.APIStatusError) -> ProviderFault:
    """Of an error that came as an event, under the status 200 of a stream that had begun."""
    body = error.body if isinstance(error.body, dict) else {}
    described = body.get("error")
    kind = described.get("type") if isinstance(described, dict) else None
    fault = fault_from_status(_STATUSES.get(str(kind), 500), {})
    return ProviderFault(fault.kind, detail="an error inside the stream")
