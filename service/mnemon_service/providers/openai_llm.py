"""OpenAI's chat completions, and every server that speaks them: Azure, Ollama, Groq, vLLM and others."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any, cast

import openai
import structlog
from openai.types.chat import ChatCompletion

from mnemon_service.model.language_model import PROVIDER_DEFAULTS, LanguageModelSettings
from mnemon_service.model.message import Image
from mnemon_service.providers.answer_stream import Lost, read_stream
from mnemon_service.providers.llm import Finish, StructuredRequest, Turn
from mnemon_service.providers.llm_presets import PRESETS, StructuredMethod
from mnemon_service.providers.openai_access import OPENAI_ADDRESS, azure_client, openai_client, openai_fault
from mnemon_service.providers.openai_answer import StreamedCompletion, completion
from mnemon_service.providers.remote_llm import RemoteLanguageModel
from mnemon_service.providers.retry import ProviderFault, ProviderGuard
from mnemon_service.providers.structured_answer import Completion, completion_of

_log = structlog.get_logger(__name__)

_WEAKER = {
    StructuredMethod.JSON_SCHEMA: StructuredMethod.JSON_OBJECT,
    StructuredMethod.JSON_OBJECT: StructuredMethod.PROMPT,
}


class OpenAILanguageModel(RemoteLanguageModel):
    """A model behind OpenAI's chat completions. Built by `openai_model`, `azure_model`, `compatible_model`.

    A compatible server that refuses the way it is asked for JSON (400 or 422 naming
    `response_format`) is asked in the next weaker way, in the same call and from then on.
    """

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        *,
        model: str,
        guard: ProviderGuard,
        settings: LanguageModelSettings,
        sees_images: bool,
        method: StructuredMethod = StructuredMethod.JSON_SCHEMA,
        may_weaken: bool = False,
        limit_parameter: str = "max_completion_tokens",
        temperature: float | None = None,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(model=model, guard=guard, settings=settings, sees_images=sees_images)
        self._client = client
        self._strongest = self._method = method
        self._may_weaken = may_weaken
        self._limit_parameter = limit_parameter
        self._temperature_unless_told = temperature
        self._extra_body = dict(extra_body or {})

    def sibling(self, model: str, settings: LanguageModelSettings) -> OpenAILanguageModel:
        """See `RemoteLanguageModel.sibling`; what one model did not understand another one may."""
        other = super().sibling(model, settings)
        other._method = self._strongest
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _require_known(self, settings: LanguageModelSettings) -> None:
        if settings.thinking_budget is not None:
            raise ValueError("OpenAI's protocol has no thinking_budget; set reasoning_effort")

    def _classify(self, error: Exception) -> ProviderFault:
        return openai_fault(error)

    async def _complete(self, request: StructuredRequest, lost: Lost) -> Completion:
        method = self._method
        while True:
            try:
                return await self._ask(self._parameters(request, method), lost)
            except openai.APIError as error:
                finish = _finish_of_refused(error)
                if finish is not None:
                    return Completion("", finish)
                weaker = _WEAKER.get(method)
                if not self._may_weaken or weaker is None or not _names_response_format(error):
                    raise
                _log.info(
                    "server takes no such response format",
                    provider=self._guard.provider,
                    method=method.value,
                )
                method = self._method = weaker

    async def _ask(self, parameters: Mapping[str, object], lost: Lost) -> Completion:
        create = cast(Any, self._client.chat.completions.create)
        if not self._settings.stream:
            return completion_of(cast(ChatCompletion, await create(**parameters)), completion)
        async with asyncio.timeout(self._guard.timeout):
            stream = await create(**parameters, stream=True, stream_options={"include_usage": True})
        async with stream:
            return await read_stream(stream, StreamedCompletion(), self._guard.timeout, lost)

    def _parameters(self, request: StructuredRequest, method: StructuredMethod) -> dict[str, object]:
        parameters: dict[str, object] = {
            "model": self._model,
            "messages": self._messages(request, method),
            "extra_body": self._extra_body or None,
            self._limit_parameter: request.maximum_output_tokens,
        }
        temperature = self._temperature(request)
        if temperature is None:
            temperature = self._temperature_unless_told
        if temperature is not None:
            parameters["temperature"] = temperature
        if self._settings.reasoning_effort:
            parameters["reasoning_effort"] = self._settings.reasoning_effort
        if response_format := _response_format(request, method):
            parameters["response_format"] = response_format
        return parameters

    def _messages(self, request: StructuredRequest, method: StructuredMethod) -> list[dict[str, object]]:
        system = request.system
        if method is not StructuredMethod.JSON_SCHEMA:
            schema = json.dumps(request.schema, ensure_ascii=False)
            system = f"{system}\n\nAnswer with one JSON object and nothing else. Its JSON schema:\n{schema}"
        messages: list[dict[str, object]] = [{"role": "system", "content": system}]
        messages.extend(
            {"role": turn.speaker.value, "content": self._content(turn)} for turn in request.turns
        )
        return messages

    def _content(self, turn: Turn) -> str | list[dict[str, object]]:
        if not turn.images or not self.sees_images:
            return turn.text
        pictures: list[dict[str, object]] = [
            {"type": "image_url", "image_url": {"url": _image_url(image)}} for image in turn.images
        ]
        return [{"type": "text", "text": turn.text}, *pictures]


def openai_model(
    *,
    model: str,
    api_key: str,
    guard: ProviderGuard,
    base_url: str = OPENAI_ADDRESS,
    organization: str = "",
    settings: LanguageModelSettings = PROVIDER_DEFAULTS,
) -> OpenAILanguageModel:
    """A model of OpenAI itself, with strict structured outputs.

    Args:
        model: as `gpt-5-mini`; it must know structured outputs (gpt-4o-2024-08-06 and later).
        api_key: sent as the bearer token; nothing is taken from the SDK's own environment variables.
        guard: timeouts, retries and limits; its `provider` should be `openai`.
        base_url: another address of the same service, such as a regional endpoint or a gateway.
        organization: OpenAI's organization id, if the key belongs to several.
        settings: see there; ValueError for a `thinking_budget`.
    """
    client = openai_client(api_key=api_key, base_url=base_url, organization=organization)
    return OpenAILanguageModel(client, model=model, guard=guard, settings=settings, sees_images=True)


def azure_model(
    *,
    deployment: str,
    endpoint: str,
    api_key: str,
    api_version: str,
    guard: ProviderGuard,
    settings: LanguageModelSettings = PROVIDER_DEFAULTS,
) -> OpenAILanguageModel:
    """A deployment on Azure OpenAI.

    Args:
        deployment: the deployment's name; it stands for the model in accounts.
        endpoint: as `https://<resource>.openai.azure.com`.
        api_version: as `2024-10-21`, the first stable one with structured outputs, or later.

    The rest is as in `openai_model`.
    """
    client = azure_client(api_key=api_key, endpoint=endpoint, api_version=api_version)
    return OpenAILanguageModel(client, model=deployment, guard=guard, settings=settings, sees_images=True)


def compatible_model(
    *,
    model: str,
    guard: ProviderGuard,
    preset: str = "",
    base_url: str = "",
    api_key: str = "",
    method: StructuredMethod | None = None,
    settings: LanguageModelSettings = PROVIDER_DEFAULTS,
) -> OpenAILanguageModel:
    """A model of any server that speaks OpenAI's protocol; it sees images only if the settings say so.

    Args:
        preset: a name in `llm_presets.PRESETS`, or empty for a server known by its address alone.
        base_url: the address up to and with `/v1`; empty for the preset's.
        api_key: empty if the server asks for none.
        method: how to ask for JSON; None for the preset's way (`json_schema` without a preset). A
            server that refuses is asked in a weaker way.
        settings: without a temperature the preset's holds.

    Raises ValueError for an unknown preset, or if neither preset nor address is given.
    """
    if preset and preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; known: {', '.join(sorted(PRESETS))}")
    known = PRESETS.get(preset)
    address = base_url or (known.base_url if known else "")
    if not address:
        raise ValueError("an OpenAI-compatible model needs a preset or a base URL")
    return OpenAILanguageModel(
        openai_client(api_key=api_key, base_url=address),
        model=model,
        guard=guard,
        settings=settings,
        sees_images=False,
        method=method or (known.method if known else StructuredMethod.JSON_SCHEMA),
        may_weaken=True,
        limit_parameter="max_tokens",
        temperature=known.temperature if known else None,
        extra_body=known.extra_body if known else None,
    )


def _response_format(request: StructuredRequest, method: StructuredMethod) -> dict[str, object] | None:
    if method is StructuredMethod.PROMPT:
        return None
    if method is StructuredMethod.JSON_OBJECT:
        return {"type": "json_object"}
    schema = {"name": request.schema_name, "schema": dict(request.schema), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def _image_url(image: Image) -> str:
    if image.uri:
        return image.uri
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode('ascii')}"


def _finish_of_refused(error: openai.APIError) -> Finish | None:
    """An error that is an answer in truth: the prompt was filtered (Azure) or is longer than the window."""
    if error.code == "content_filter":
        return Finish.FILTERED
    if error.code == "context_length_exceeded":
        return Finish.LENGTH
    return None


def _names_response_format(error: openai.APIError) -> bool:
    if not isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return False
    text = str(error.body or error.message).lower()
    return any(word in text for word in ("response_format", "response format", "json_schema", "json_object"))
