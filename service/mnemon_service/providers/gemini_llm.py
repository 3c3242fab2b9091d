"""Gemini's generateContent, through google-genai."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx
from google import genai
from google.genai import errors, types

from mnemon_service.model.message import Image
from mnemon_service.providers.llm import Finish, Speaker, StructuredAnswer, StructuredRequest, Turn
from mnemon_service.providers.retry import FaultKind, ProviderFault, ProviderGuard, fault_from_status
from mnemon_service.providers.structured_answer import Completion, answer_of, completion_of

_CUT = frozenset({types.FinishReason.MAX_TOKENS, types.FinishReason.CONTINUATION})
_SAID = frozenset(
    {
        types.FinishReason.STOP,
        types.FinishReason.FINISH_REASON_UNSPECIFIED,
        types.FinishReason.OTHER,
        types.FinishReason.MALFORMED_RESPONSE,
        types.FinishReason.MALFORMED_FUNCTION_CALL,
        types.FinishReason.UNEXPECTED_TOOL_CALL,
    }
)
"""Stops that withhold nothing; every other reason is one of Gemini's filters."""
_DELAY = re.compile(r"^(\d+(?:\.\d+)?)s$")


class GeminiLanguageModel:
    """A model of the Gemini API, with its JSON mode and a response schema.

    Args:
        model: as `gemini-2.5-flash`.
        api_key: sent as `x-goog-api-key`.
        guard: timeouts, retries and limits; its `provider` should be `gemini`.
        base_url: another address of the same service; empty for Google's.
        temperature: None for the model's default.
        thinking_budget: tokens the model may think before it answers; 0 turns thinking off where the
            model allows that, None leaves it to the model. Thinking counts as output.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        guard: ProviderGuard,
        base_url: str = "",
        sees_images: bool = True,
        temperature: float | None = None,
        thinking_budget: int | None = None,
    ) -> None:
        self._model = model
        self._guard = guard
        self._sees_images = sees_images
        self._temperature = temperature
        self._thinking_budget = thinking_budget
        # A client of our own: the SDK's choice of HTTP library depends on what else is installed.
        # The guard alone decides how long to wait.
        self._http = httpx.AsyncClient(timeout=None)  # noqa: S113
        self._client = genai.Client(
            api_key=api_key or "none",
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url or "https://generativelanguage.googleapis.com/",
                httpx_async_client=self._http,
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )

    @property
    def name(self) -> str:
        """Provider and model, as `gemini/gemini-2.5-flash`."""
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
        await self._http.aclose()
        self._client.close()

    async def _complete(self, request: StructuredRequest) -> Completion:
        try:
            response = await self._client.aio.models.generate_content(
                model=self._model,
                contents=[self._content(turn) for turn in request.turns],
                config=self._config(request),
            )
        except errors.ClientError as error:
            if _is_too_long(error):
                return Completion("", Finish.LENGTH)
            raise
        return completion_of(response, _completion)

    def _config(self, request: StructuredRequest) -> types.GenerateContentConfig:
        thinking = None
        if self._thinking_budget is not None:
            thinking = types.ThinkingConfig(thinking_budget=self._thinking_budget)
        return types.GenerateContentConfig(
            system_instruction=request.system,
            temperature=request.temperature if request.temperature is not None else self._temperature,
            max_output_tokens=request.maximum_output_tokens,
            response_mime_type="application/json",
            response_json_schema=dict(request.schema),
            thinking_config=thinking,
            automatic_continuation=False,
        )

    def _content(self, turn: Turn) -> types.Content:
        parts = [types.Part.from_text(text=turn.text)]
        if self._sees_images:
            parts.extend(_image_part(image) for image in turn.images)
        return types.Content(role="user" if turn.speaker is Speaker.USER else "model", parts=parts)


def _image_part(image: Image) -> types.Part:
    if image.uri:
        return types.Part.from_uri(file_uri=image.uri, mime_type=image.media_type or None)
    return types.Part.from_bytes(data=image.data, mime_type=image.media_type)


def _completion(response: types.GenerateContentResponse) -> Completion:
    usage = response.usage_metadata
    tokens = {
        "input_tokens": (usage.prompt_token_count or 0) if usage else 0,
        "output_tokens": ((usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0))
        if usage
        else 0,
    }
    if not response.candidates:
        if response.prompt_feedback is None or response.prompt_feedback.block_reason is None:
            raise ValueError("no candidates")
        return Completion("", Finish.FILTERED, **tokens)
    candidate = response.candidates[0]
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    return Completion(text, _finish(candidate.finish_reason), **tokens)


def _finish(reason: types.FinishReason | None) -> Finish:
    if reason is None or reason in _SAID:
        return Finish.STOP
    return Finish.LENGTH if reason in _CUT else Finish.FILTERED


def _is_too_long(error: errors.ClientError) -> bool:
    """Whether a 400 says that the prompt is longer than the model's window; it has no code of its own."""
    text = (error.message or "").lower()
    return error.code == 400 and "token" in text and "exceeds the maximum" in text


def _classify(error: Exception) -> ProviderFault:
    if isinstance(error, errors.APIError):
        headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
        if error.code == 400 and _reason(error) == "API_KEY_INVALID":
            return ProviderFault(FaultKind.CREDENTIALS, detail="HTTP 400, API_KEY_INVALID")
        fault = fault_from_status(error.code or 500, headers)
        if fault.kind is FaultKind.RATE_LIMITED and fault.retry_after is None:
            return ProviderFault(fault.kind, _retry_delay(error), fault.detail)
        return fault
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return ProviderFault(FaultKind.TRANSIENT, detail="no answer in time")
    if isinstance(error, httpx.TransportError):
        return ProviderFault(FaultKind.TRANSIENT, detail="connection failed")
    if isinstance(error, ValueError):
        return ProviderFault(FaultKind.TRANSIENT, detail="the response is no answer of this protocol")
    return ProviderFault(FaultKind.BAD_REQUEST, detail=type(error).__name__)


def _details(error: errors.APIError) -> list[dict[str, Any]]:
    """The `google.rpc` details of an error; Google puts there what other services put into headers."""
    body = error.details if isinstance(error.details, dict) else {}
    found = body.get("error", body).get("details", [])
    return [detail for detail in found if isinstance(detail, dict)] if isinstance(found, list) else []


def _reason(error: errors.APIError) -> str:
    return next((str(detail["reason"]) for detail in _details(error) if "reason" in detail), "")


def _retry_delay(error: errors.APIError) -> float | None:
    """Seconds from `google.rpc.RetryInfo`."""
    for detail in _details(error):
        if found := _DELAY.match(str(detail.get("retryDelay", ""))):
            return float(found.group(1))
    return None
