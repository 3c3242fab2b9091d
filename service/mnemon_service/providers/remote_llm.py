"""What every language model behind a network has in common; an adapter adds its provider's protocol."""

from __future__ import annotations

import abc
import asyncio
import copy
from dataclasses import replace
from typing import Self

from mnemon_service.model.errors import MnemonError
from mnemon_service.model.language_model import LanguageModelSettings
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.answer_stream import Lost
from mnemon_service.providers.llm import StructuredAnswer, StructuredRequest
from mnemon_service.providers.retry import ProviderFault, ProviderGuard
from mnemon_service.providers.structured_answer import Completion, answer_of


class RemoteLanguageModel(abc.ABC):
    """See `LanguageModel`.

    Args:
        model: its name at the provider.
        guard: timeouts, retries and limits; its `provider` names the provider in accounts and errors.
        settings: what is sent besides the question.
        sees_images: what holds if the settings do not say.

    Raises ValueError for settings that the provider has no parameter for.
    """

    def __init__(
        self, *, model: str, guard: ProviderGuard, settings: LanguageModelSettings, sees_images: bool
    ) -> None:
        self._model = model
        self._guard = guard
        self._settings = settings
        self._sees_images_unless_told = sees_images
        self._require_known(settings)

    @property
    def name(self) -> str:
        """Provider and model, as `openai/gpt-5-mini`."""
        return f"{self._guard.provider}/{self._model}"

    @property
    def sees_images(self) -> bool:
        """Whether the model was said to see images."""
        told = self._settings.sees_images
        return self._sees_images_unless_told if told is None else told

    def sibling(self, model: str, settings: LanguageModelSettings) -> Self:
        """Another model of the same provider over the same connections: closing one closes all."""
        self._require_known(settings)
        other = copy.copy(self)
        other._model = model
        other._settings = settings
        return other

    async def generate(self, request: StructuredRequest) -> StructuredAnswer:
        """See `LanguageModel.generate`."""

        lost = Lost()

        async def complete() -> Completion:
            async with asyncio.timeout(request.timeout):
                return await self._complete(request, lost)

        try:
            guarded = await self._guard.call(complete, self._classify, streamed=self._settings.stream)
        except MnemonError as error:
            if lost.input_tokens or lost.output_tokens:
                error.metadata |= {
                    "input_tokens": str(lost.input_tokens),
                    "output_tokens": str(lost.output_tokens),
                }
            raise
        provider, model = self._guard.provider, self._model
        answer = answer_of(guarded, provider=provider, model=model, schema=request.schema)
        broken = ProviderUsage(
            provider, model, input_tokens=lost.input_tokens, output_tokens=lost.output_tokens
        )
        return replace(answer, usage=answer.usage.plus(broken))

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    @abc.abstractmethod
    async def _complete(self, request: StructuredRequest, lost: Lost) -> Completion:
        """One try: the answer as a whole, or read as it is written if the settings say so; `lost` is
        charged with what a broken stream cost.

        Raises ValueError for a response that is no answer of the protocol, or ends before its end.
        """

    @abc.abstractmethod
    def _classify(self, error: Exception) -> ProviderFault:
        """What an exception of `_complete` means."""

    @abc.abstractmethod
    def _require_known(self, settings: LanguageModelSettings) -> None:
        """Raises ValueError for settings that the provider has no parameter for."""

    def _temperature(self, request: StructuredRequest) -> float | None:
        return self._settings.temperature if request.temperature is None else request.temperature
