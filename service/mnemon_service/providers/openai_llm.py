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

from mnemon_service.model.message import Image
from mnemon_service.providers.llm import Finish, StructuredAnswer, StructuredRequest, Turn
from mnemon_service.providers.llm_presets import PRESETS, StructuredMethod
from mnemon_service.providers.retry import FaultKind, ProviderFault, ProviderGuard, fault_from_status
from mnemon_service.providers.structured_answer import Completion, answer_of, completion_of

_log = structlog.get_logger(__name__)

_FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "content_filter": Finish.FILTERED,
}
_NO_KEY = "none"
"""The SDK insists on a key and would otherwise take OPENAI_API_KEY and send it to a foreign server."""
_WEAKER = {
    StructuredMethod.JSON_SCHEMA: StructuredMethod.JSON_OBJECT,
    StructuredMethod.JSON_OBJECT: StructuredMethod.PROMPT,
}


class OpenAILanguageModel:
    """A model behind OpenAI's chat completions. Built by `openai_model`, `azure_model`, `compatible_model`.

    A compatible server that refuses the way it is asked for JSON (400 or 422 naming
    `response_format`) is asked in the next weaker way, in the same call and from then on.
    """

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        *,
        provider: str,
        model: str,
        guard: ProviderGuard,
        sees_images: bool,
        method: StructuredMethod = StructuredMethod.JSON_SCHEMA,
        may_weaken: bool = False,
        limit_parameter: str = "max_completion_tokens",
        parameters: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        self._client = client
        self._provider = provider
        self._model = model
        self._guard = guard
        self._sees_images = sees_images
        self._method = method
        self._may_weaken = may_weaken
        self._limit_parameter = limit_parameter
        self._parameters = dict(parameters or {})
        self._extra_body = dict(extra_body or {})

    @property
    def name(self) -> str:
        """Provider and model, as `openai/gpt-5-mini`."""
        return f"{self._provider}/{self._model}"

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
        return answer_of(guarded, provider=self._provider, model=self._model, schema=request.schema)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _complete(self, request: StructuredRequest) -> Completion:
        method = self._method
        while True:
            try:
                return completion_of(await self._create(request, method), _completion)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                finish = _finish_of_refused(error)
                if finish is not None:
                    return Completion("", finish)
                weaker = _WEAKER.get(method)
                if not self._may_weaken or weaker is None or not _names_response_format(error):
                    raise
                _log.info(
                    "server takes no such response format", provider=self._provider, method=method.value
                )
                method = self._method = weaker

    async def _create(self, request: StructuredRequest, method: StructuredMethod) -> ChatCompletion:
        parameters: dict[str, object] = {
            **self._parameters,
            self._limit_parameter: request.maximum_output_tokens,
        }
        if request.temperature is not None:
            parameters["temperature"] = request.temperature
        if response_format := _response_format(request, method):
            parameters["response_format"] = response_format
        create = cast(Any, self._client.chat.completions.create)
        return cast(
            ChatCompletion,
            await create(
                model=self._model,
                messages=self._messages(request, method),
                extra_body=self._extra_body or None,
                **parameters,
            ),
        )

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
        if not turn.images or not self._sees_images:
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
    base_url: str = "https://api.openai.com/v1",
    organization: str = "",
    sees_images: bool = True,
    temperature: float | None = None,
    reasoning_effort: str = "",
) -> OpenAILanguageModel:
    """A model of OpenAI itself, with strict structured outputs.

    Args:
        model: as `gpt-5-mini`; it must know structured outputs (gpt-4o-2024-08-06 and later).
        api_key: sent as the bearer token; nothing is taken from the SDK's own environment variables.
        guard: timeouts, retries and limits; its `provider` should be `openai`.
        base_url: another address of the same service, such as a regional endpoint or a gateway.
        organization: OpenAI's organization id, if the key belongs to several.
        temperature: None for the model's default; reasoning models take no other.
        reasoning_effort: `minimal`, `low`, `medium`, `high`; empty for the model's default.
    """
    client = openai.AsyncOpenAI(
        api_key=api_key or _NO_KEY,
        base_url=base_url,
        organization=organization,
        project="",
        timeout=None,
        max_retries=0,
        default_headers=_only_what_is_set(organization),
    )
    return OpenAILanguageModel(
        client,
        provider=guard.provider,
        model=model,
        guard=guard,
        sees_images=sees_images,
        parameters=_parameters(temperature, reasoning_effort),
    )


def azure_model(
    *,
    deployment: str,
    endpoint: str,
    api_key: str,
    api_version: str,
    guard: ProviderGuard,
    sees_images: bool = True,
    temperature: float | None = None,
    reasoning_effort: str = "",
) -> OpenAILanguageModel:
    """A deployment on Azure OpenAI.

    Args:
        deployment: the deployment's name; it stands for the model in accounts.
        endpoint: as `https://<resource>.openai.azure.com`.
        api_version: as `2024-10-21`, the first stable one with structured outputs, or later.

    The rest is as in `openai_model`.
    """
    client = openai.AsyncAzureOpenAI(
        azure_endpoint=endpoint,
        azure_deployment=deployment,
        api_key=api_key or _NO_KEY,
        api_version=api_version,
        organization="",
        project="",
        timeout=None,
        max_retries=0,
        default_headers=_only_what_is_set(""),
    )
    return OpenAILanguageModel(
        client,
        provider=guard.provider,
        model=deployment,
        guard=guard,
        sees_images=sees_images,
        parameters=_parameters(temperature, reasoning_effort),
    )


def compatible_model(
    *,
    model: str,
    guard: ProviderGuard,
    preset: str = "",
    base_url: str = "",
    api_key: str = "",
    method: StructuredMethod | None = None,
    sees_images: bool = False,
    temperature: float | None = None,
) -> OpenAILanguageModel:
    """A model of any server that speaks OpenAI's protocol.

    Args:
        preset: a name in `llm_presets.PRESETS`, or empty for a server known by its address alone.
        base_url: the address up to and with `/v1`; empty for the preset's.
        api_key: empty if the server asks for none.
        method: how to ask for JSON; None for the preset's way (`json_schema` without a preset). A
            server that refuses is asked in a weaker way.
        temperature: None for the preset's.

    Raises ValueError for an unknown preset, or if neither preset nor address is given.
    """
    if preset and preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; known: {', '.join(sorted(PRESETS))}")
    known = PRESETS.get(preset)
    address = base_url or (known.base_url if known else "")
    if not address:
        raise ValueError("an OpenAI-compatible model needs a preset or a base URL")
    if temperature is None and known:
        temperature = known.temperature
    client = openai.AsyncOpenAI(
        api_key=api_key or _NO_KEY,
        base_url=address,
        organization="",
        project="",
        timeout=None,
        max_retries=0,
        default_headers=_only_what_is_set(""),
    )
    return OpenAILanguageModel(
        client,
        provider=guard.provider,
        model=model,
        guard=guard,
        sees_images=sees_images,
        method=method or (known.method if known else StructuredMethod.JSON_SCHEMA),
        may_weaken=True,
        limit_parameter="max_tokens",
        parameters=_parameters(temperature, ""),
        extra_body=known.extra_body if known else None,
    )


def _only_what_is_set(organization: str) -> Mapping[str, Any]:
    """Keeps the SDK from sending empty headers, or the environment's organization and project."""
    headers: dict[str, Any] = {"OpenAI-Project": openai.omit}
    if not organization:
        headers["OpenAI-Organization"] = openai.omit
    return headers


def _parameters(temperature: float | None, reasoning_effort: str) -> dict[str, object]:
    parameters: dict[str, object] = {}
    if temperature is not None:
        parameters["temperature"] = temperature
    if reasoning_effort:
        parameters["reasoning_effort"] = reasoning_effort
    return parameters


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


def _completion(response: ChatCompletion) -> Completion:
    usage = response.usage
    tokens = {
        "input_tokens": usage.prompt_tokens if usage else 0,
        "output_tokens": usage.completion_tokens if usage else 0,
    }
    if not response.choices:
        raise ValueError("no choices")
    choice = response.choices[0]
    if choice.message.refusal:
        return Completion(choice.message.refusal, Finish.REFUSAL, **tokens)
    finish = _FINISHES.get(choice.finish_reason, Finish.STOP)
    return Completion(choice.message.content or "", finish, **tokens)


def _finish_of_refused(error: openai.APIStatusError) -> Finish | None:
    """A 400 that is an answer in truth: the prompt was filtered (Azure) or is longer than the window."""
    if error.code == "content_filter":
        return Finish.FILTERED
    if error.code == "context_length_exceeded":
        return Finish.LENGTH
    return None


def _names_response_format(error: openai.APIStatusError) -> bool:
    text = str(error.body or error.message).lower()
    return any(word in text for word in ("response_format", "response format", "json_schema", "json_object"))


def _classify(error: Exception) -> ProviderFault:
    if isinstance(error, openai.APIStatusError):
        return fault_from_status(error.status_code, error.response.headers)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return ProviderFault(FaultKind.TRANSIENT, detail="no answer in time")
    if isinstance(error, openai.APIConnectionError):
        return ProviderFault(FaultKind.TRANSIENT, detail="connection failed")
    if isinstance(error, openai.APIError | ValueError):
        return ProviderFault(FaultKind.TRANSIENT, detail="the response is no answer of this protocol")
    return ProviderFault(FaultKind.BAD_REQUEST, detail=type(error).__name__)
