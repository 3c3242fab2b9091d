"""Gemini's generateContent, through google-genai."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, cast

import httpx
from google import genai
from google.genai import errors, types

from mnemon_service.model.language_model import PROVIDER_DEFAULTS, LanguageModelSettings
from mnemon_service.model.message import Image
from mnemon_service.providers.answer_stream import Lost, read_stream
from mnemon_service.providers.gemini_answer import StreamedResponse, completion
from mnemon_service.providers.llm import Finish, Speaker, StructuredRequest, Turn
from mnemon_service.providers.remote_llm import RemoteLanguageModel
from mnemon_service.providers.retry import FaultKind, ProviderFault, ProviderGuard, fault_from_status
from mnemon_service.providers.structured_answer import Completion, completion_of

_EFFORTS = ("", "minimal", "low", "medium", "high", "xhigh")
_DELAY = re.compile(r"^(\d+(?:\.\d+)?)s$")


class GeminiLanguageModel(RemoteLanguageModel):
    """A model of the Gemini API, with its JSON mode and a response schema.

    Args:
        model: as `gemini-2.5-flash`.
        api_key: sent as `x-goog-api-key`.
        guard: timeouts, retries and limits; its `provider` should be `gemini`.
        base_url: another address of the same service; empty for Google's.
        settings: see there. Thinking counts as output.

    Raises ValueError for an effort that the API does not know, or together with a budget.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        guard: ProviderGuard,
        base_url: str = "",
        settings: LanguageModelSettings = PROVIDER_DEFAULTS,
    ) -> None:
        super().__init__(model=model, guard=guard, settings=settings, sees_images=True)
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

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        self._client.close()

    def _require_known(self, settings: LanguageModelSettings) -> None:
        if settings.reasoning_effort not in _EFFORTS:
            raise ValueError("Gemini's reasoning_effort is one of minimal, low, medium, high, xhigh")
        if settings.reasoning_effort and settings.thinking_budget is not None:
            raise ValueError("Gemini takes reasoning_effort or thinking_budget, not both")

    def _classify(self, error: Exception) -> ProviderFault:
        return _classify(error)

    async def _complete(self, request: StructuredRequest, lost: Lost) -> Completion:
        contents: list[types.ContentUnion] = [self._content(turn) for turn in request.turns]
        try:
            return await self._ask(contents, self._config(request), lost)
        except errors.ClientError as error:
            if _is_too_long(error):
                return Completion("", Finish.LENGTH)
            raise

    async def _ask(
        self, contents: list[types.ContentUnion], config: types.GenerateContentConfig, lost: Lost
    ) -> Completion:
        models = self._client.aio.models
        if not self._settings.stream:
            response = await models.generate_content(model=self._model, contents=contents, config=config)
            return completion_of(response, completion)
        chunks: AsyncIterator[types.GenerateContentResponse]
        chunks = await models.generate_content_stream(model=self._model, contents=contents, config=config)
        async with aclosing(cast(Any, chunks)):
            return await read_stream(chunks, StreamedResponse(), self._guard.timeout, lost)

    def _config(self, request: StructuredRequest) -> types.GenerateContentConfig:
        budget, effort = self._settings.thinking_budget, self._settings.reasoning_effort
        thinking = None
        if budget is not None or effort:
            level = types.ThinkingLevel(effort.upper()) if effort else None
            thinking = types.ThinkingConfig(thinking_budget=budget, thinking_level=level)
        return types.GenerateContentConfig(
            system_instruction=request.system,
            temperature=self._temperature(request),
            max_output_tokens=request.maximum_output_tokens + max(budget or 0, 0),
            response_mime_type="application/json",
            response_json_schema=dict(request.schema),
            thinking_config=thinking,
            automatic_continuation=False,
        )

    def _content(self, turn: Turn) -> types.Content:
        parts = [types.Part.from_text(text=turn.text)]
        if self.sees_images:
            parts.extend(_image_part(image) for image in turn.images)
        return types.Content(role="user" if turn.speaker is Speaker.USER else "model", parts=parts)


def _image_part(image: Image) -> types.Part:
    if image.uri:
        return types.Part.from_uri(file_uri=image.uri, mime_type=image.media_type or None)
    return types.Part.from_bytes(data=image.data, mime_type=image.media_type)


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
