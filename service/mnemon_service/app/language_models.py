"""The language models that the settings offer, made when they are first asked for."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.app.guards import provider_guard
from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.model.language_model import PROVIDER_DEFAULTS, LanguageModelSettings
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.providers.llm_presets import PRESETS
from mnemon_service.providers.remote_llm import RemoteLanguageModel
from mnemon_service.providers.retry import ProviderGuard
from mnemon_service.settings import Settings

NONE: Final = "none"
"""The name that chooses the deterministic extractor."""
AZURE_API_VERSION: Final = "2024-10-21"
"""The first stable one with structured outputs."""
MODELS_KEPT: Final = 64
"""Models at hand; the one unused for longest is made anew when it is asked for, which costs nothing."""
_MODEL: Final = re.compile(r"[\w/][\w.:@/+-]*")
"""Names of models: two providers take them as part of an address."""


class ConfiguredLanguageModels:
    """Models by name, `provider/model`. A provider's models share one client and one guard."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._providers: dict[str, RemoteLanguageModel] = {}
        """The first model of each provider: it holds the connections, for as long as the server runs."""
        self._models: OrderedDict[str, RemoteLanguageModel] = OrderedDict()
        self._guards: dict[str, ProviderGuard] = {}

    def __len__(self) -> int:
        """Models at hand."""
        return len(self._models)

    def get(self, name: str) -> LanguageModel | None:
        """The model; the server's own for an empty name, None for `none`.

        Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for a provider without credentials here.
        """
        name = name or self._settings.extraction_model
        if name == NONE:
            return None
        if name in self._models:
            self._models.move_to_end(name)
            return self._models[name]
        try:
            self._models[name] = model = self._model(name)
        except (SettingsWrong, ValueError) as error:
            raise FailedPrecondition(
                f"the model {name!r} is not configured on this server: {error}",
                reason=Reason.PROVIDER_NOT_CONFIGURED,
            ) from None
        if len(self._models) > MODELS_KEPT:
            self._models.popitem(last=False)
        return model

    def check(self) -> None:
        """Raises `SettingsWrong` if the server's own model cannot be made of the settings, or if they say
        something of a model that cannot be."""
        try:
            self.get("")
            for name in self._settings.language_models:
                self.get(name)
        except FailedPrecondition as error:
            raise SettingsWrong(error.message) from None

    async def close(self) -> None:
        """Closes every client."""
        for model in self._providers.values():
            await model.close()
        self._providers.clear()
        self._models.clear()

    def _model(self, name: str) -> RemoteLanguageModel:
        provider, _, model = name.partition("/")
        if not _MODEL.fullmatch(model) or ".." in model:
            raise SettingsWrong("name it provider/model, as openai/gpt-5-mini")
        settings = self._settings.language_models.get(name, PROVIDER_DEFAULTS)
        if provider in self._providers:
            return self._providers[provider].sibling(model, settings)
        first = self._builder(provider)(model, settings)
        self._providers[provider] = first
        return first

    def _builder(self, provider: str) -> Callable[[str, LanguageModelSettings], RemoteLanguageModel]:
        builders: Mapping[str, Callable[[str, LanguageModelSettings], RemoteLanguageModel]] = {
            "openai": self._openai,
            "azure": self._azure,
            "gemini": self._gemini,
            "anthropic": self._anthropic,
            "compatible": self._compatible,
            **{preset: partial(self._preset, preset) for preset in sorted(PRESETS)},
        }
        if provider not in builders:
            raise SettingsWrong(f"the provider {provider!r} is none of {', '.join(builders)}")
        return builders[provider]

    def _openai(self, model: str, settings: LanguageModelSettings) -> RemoteLanguageModel:
        from mnemon_service.providers.openai_access import OPENAI_ADDRESS
        from mnemon_service.providers.openai_llm import openai_model

        return openai_model(
            model=model,
            api_key=self._key("openai_api_key", "OPENAI_API_KEY"),
            guard=self._guard("openai"),
            base_url=self._settings.openai_base_url or OPENAI_ADDRESS,
            settings=settings,
        )

    def _azure(self, deployment: str, settings: LanguageModelSettings) -> RemoteLanguageModel:
        from mnemon_service.providers.openai_llm import azure_model

        endpoint = self._settings.azure_endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT", "")
        if not endpoint:
            raise SettingsWrong("set MNEMON_AZURE_ENDPOINT")
        return azure_model(
            deployment=deployment,
            endpoint=endpoint,
            api_key=self._key("azure_api_key", "AZURE_OPENAI_API_KEY"),
            api_version=AZURE_API_VERSION,
            guard=self._guard("azure"),
            settings=settings,
        )

    def _gemini(self, model: str, settings: LanguageModelSettings) -> RemoteLanguageModel:
        from mnemon_service.providers.gemini_llm import GeminiLanguageModel

        return GeminiLanguageModel(
            model=model,
            api_key=self._key("gemini_api_key", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
            guard=self._guard("gemini"),
            base_url=self._settings.gemini_base_url,
            settings=settings,
        )

    def _anthropic(self, model: str, settings: LanguageModelSettings) -> RemoteLanguageModel:
        from mnemon_service.providers.anthropic_llm import AnthropicLanguageModel

        return AnthropicLanguageModel(
            model=model,
            api_key=self._key("anthropic_api_key", "ANTHROPIC_API_KEY"),
            guard=self._guard("anthropic"),
            base_url=self._settings.anthropic_base_url or "https://api.anthropic.com",
            settings=settings,
        )

    def _preset(self, preset: str, model: str, settings: LanguageModelSettings) -> RemoteLanguageModel:
        from mnemon_service.providers.openai_llm import compatible_model

        # The preset's own address and key only: a key never goes to another provider's address.
        variable = PRESETS[preset].key_variable
        key = os.environ.get(variable, "") if variable else ""
        return compatible_model(
            model=model, guard=self._guard(preset), preset=preset, api_key=key, settings=settings
        )

    def _compatible(self, model: str, settings: LanguageModelSettings) -> RemoteLanguageModel:
        from mnemon_service.providers.openai_llm import compatible_model

        if not self._settings.compatible_base_url:
            raise SettingsWrong("set MNEMON_COMPATIBLE_BASE_URL")
        return compatible_model(
            model=model,
            guard=self._guard("compatible"),
            base_url=self._settings.compatible_base_url,
            api_key=self._settings.compatible_api_key.get_secret_value(),
            settings=settings,
        )

    def _guard(self, provider: str) -> ProviderGuard:
        if provider not in self._guards:
            self._guards[provider] = provider_guard(provider, self._settings)
        return self._guards[provider]

    def _key(self, setting: str, *variables: str) -> str:
        key = self._settings.secret(setting, *variables)
        if not key:
            raise SettingsWrong(f"set {variables[0]}")
        return key
