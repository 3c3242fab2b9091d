"""Anthropic's messages."""

from __future__ import annotations

import asyncio
import base64
import enum
import json
from collections.abc import Mapping
from typing import Any, cast

import anthropic
from anthropic.types import Message

from mnemon_service.model.message import Image
from mnemon_service.providers.llm import Finish, StructuredAnswer, StructuredRequest, Turn
from mnemon_service.providers.retry import FaultKind, ProviderFault, ProviderGuard, fault_from_status
from mnemon_service.providers.structured_answer import Completion, answer_of, completion_of

_FINISHES: Mapping[str, Finish] = {
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal": Finish.REFUSAL,
}


class AnthropicMethod(enum.StrEnum):
    """How a model is asked for an answer of one shape."""

    OUTPUT_FORMAT = "output_format"
    """Structured outputs (`output_config.format`), which models since Claude 4.5 know."""
    TOOL = "tool"
    """One tool that must be called, for the models before."""


class AnthropicLanguageModel:
    """A model of Anthropic's API.

    Args:
        model: as `claude-haiku-4-5`.
        api_key: an API key; nothing is taken from the SDK's own environment variables.
        guard: timeouts, retries and limits; its `provider` should be `anthropic`.
        base_url: another address of the same service, such as a gateway.
        method: structured outputs, or a forced tool call for older models.

    A request's temperature is not sent: the API, as of the installed SDK, takes none.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        guard: ProviderGuard,
        base_url: str = "https://api.anthropic.com",
        method: AnthropicMethod = AnthropicMethod.OUTPUT_FORMAT,
        sees_images: bool = True,
    ) -> None:
        self._model = model
        self._guard = guard
        self._method = method
        self._sees_images = sees_images
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key or "none",
            base_url=base_url,
            # The guard alone decides how long to wait. A number also keeps the SDK from insisting on
            # streaming where it expects more than ten minutes.
            timeout=3600.0,
            max_retries=0,
            open_telemetry=False,
        )

    @property
    def name(self) -> str:
        """Provider and model, as `anthropic/claude-haiku-4-5`."""
        return f"{self._guard.provider}/{self._model}"

    @property
    def sees_images(self) -> bool:
        """Whether the model was said to see images."""
        return self._sees_images

    async def generate(self, request: StructuredRequest) -> StructuredAnswer:
        """See `LanguageModel.generate`."""

        async def complete() -> Completion:
            async with asyncio.timeout(request.timeout):
                return await self._complete(request)

        guarded = await self._guard.call(complete, _classify)
        return answer_of(guarded, provider=self._guard.provider, model=self._model, schema=request.schema)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _complete(self, request: StructuredRequest) -> Completion:
        create = cast(Any, self._client.messages.create)
        try:
            response = await create(
                model=self._model,
                system=request.system,
                messages=[
                    {"role": turn.speaker.value, "content": self._content(turn)} for turn in request.turns
                ],
                max_tokens=request.maximum_output_tokens,
                **self._shape(request),
            )
        except (anthropic.BadRequestError, anthropic.RequestTooLargeError) as error:
            if _is_too_long(error):
                return Completion("", Finish.LENGTH)
            raise
        return completion_of(cast(Message, response), _completion)

    def _shape(self, request: StructuredRequest) -> dict[str, Any]:
        if self._method is AnthropicMethod.OUTPUT_FORMAT:
            return {"output_config": {"format": {"type": "json_schema", "schema": dict(request.schema)}}}
        tool = {
            "name": request.schema_name,
            "description": "Takes the answer. Call it once, with everything.",
            "input_schema": dict(request.schema),
        }
        choice = {"type": "tool", "name": request.schema_name, "disable_parallel_tool_use": True}
        return {"tools": [tool], "tool_choice": choice}

    def _content(self, turn: Turn) -> str | list[dict[str, Any]]:
        if not turn.images or not self._sees_images:
            return turn.text
        pictures = [{"type": "image", "source": _image_source(image)} for image in turn.images]
        return [*pictures, {"type": "text", "text": turn.text}]


def _image_source(image: Image) -> dict[str, str]:
    if image.uri:
        return {"type": "url", "url": image.uri}
    data = base64.b64encode(image.data).decode("ascii")
    return {"type": "base64", "media_type": image.media_type, "data": data}


def _completion(response: Message) -> Completion:
    usage = response.usage
    read = (
        usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    )
    finish = _FINISHES.get(response.stop_reason or "", Finish.STOP)
    text = ""
    for block in response.content:
        if block.type == "text":
            text += block.text
        elif block.type == "tool_use":
            return Completion(json.dumps(block.input, ensure_ascii=False), finish, read, usage.output_tokens)
    return Completion(text, finish, read, usage.output_tokens)


def _is_too_long(error: anthropic.APIStatusError) -> bool:
    """Whether the prompt is longer than the model's window (a 400 without a code) or than the API takes."""
    return error.status_code == 413 or "prompt is too long" in str(error.body or error.message).lower()


def _classify(error: Exception) -> ProviderFault:
    if isinstance(error, anthropic.APIStatusError):
        return fault_from_status(error.status_code, error.response.headers)
    if isinstance(error, anthropic.APITimeoutError | TimeoutError):
        return ProviderFault(FaultKind.TRANSIENT, detail="no answer in time")
    if isinstance(error, anthropic.APIConnectionError):
        return ProviderFault(FaultKind.TRANSIENT, detail="connection failed")
    if isinstance(error, anthropic.APIError | ValueError):
        return ProviderFault(FaultKind.TRANSIENT, detail="the response is no answer of this protocol")
    return ProviderFault(FaultKind.BAD_REQUEST, detail=type(error).__name__)
