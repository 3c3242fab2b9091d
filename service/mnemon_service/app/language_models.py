"""The language models that the settings offer, made when they are first asked for."""

from __future__ import annotations

import os
from typing import Final

from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.app.guards import provider_guard
from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.providers.llm_presets import PRESETS
from mnemon_service.providers.retry import ProviderGuard
from mnemon_service.settings import Settings

NONE: Final = "none"
"""The name that chooses the deterministic extractor."""
AZURE_API_VERSION: Final = "2024-10-21"
"""The first stable one with structured outputs."""


class ConfiguredLanguageModels:
    """Models by name, `provider/model`; one client and one guard for each provider's models."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models: dict[str, LanguageModel] = {}
        self._guards: dict[str, ProviderGuard] = {}

    def get(self, name: str) -> LanguageModel | None:
        """The model; the server's own for an empty name, None for `none`.

        Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for a provider without credentials here.
        """
        name = name or self._settings.extraction_model
        if name == NONE:
            return None
        if name not in self._models:
            try:
                self._models[name] = self._build(name)
            except (SettingsWrong, ValueError) as error:
                raise FailedPrecondition(
                    f"the model {name!r} is not configured on this server: {error}",
                    reason=Reason.PROVIDER_NOT_CONFIGURED,
                ) from None
        return self._models[name]

    def check(self) -> None:
        """Raises `SettingsWrong` if the server's own model cannot be made of the settings."""
        try:
            self.get("")
        except FailedPrecondition as error:
            raise SettingsWrong(error.message) from None

    async def close(self) -> None:
        """Closes every client."""
        for model in self._models.values():
            await model.close()
        self._models.clear()

    def _build(self, name: str) -> LanguageModel:
        provider, _, model = name.partition("/")
        if not model:
            raise SettingsWrong("name it provider/model, as openai/gpt-5-mini")
        if provider == "openai":
            return self._openai(model)
        if provider == "azure":
            return self._azure(model)
        if provider == "gemini":
            return self._gemini(model)
        if provider == "anthropic":
            return self._anthropic(model)
        if provider in PRESETS or provider == "compatible":
            return self._compatible(provider, model)
        known = ", ".join(["openai", "azure", "gemini", "anthropic", "compatible", *sorted(PRESETS)])
        raise SettingsWrong(f"the provider {provider!r} is none of {known}")

    def _openai(self, model: str) -> LanguageModel:
        from mnemon_service.providers.openai_llm import openai_model

        return openai_model(
            model=model,
            api_key=self._key("openai_api_key", "OPENAI_API_KEY"),
            guard=self._guard("openai"),
            base_url=self._settings.openai_base_url or "https://api.openai.com/v1",
        )

    def _azure(self, deployment: str) -> LanguageModel:
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
        )

    def _gemini(self, model: str) -> LanguageModel:
        from mnemon_service.providers.gemini_llm import GeminiLanguageModel

        return GeminiLanguageModel(
            model=model,
            api_key=self._key("gemini_api_key", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
            guard=self._guard("gemini"),
            base_url=self._settings.gemini_base_url,
        )

    def _anthropic(self, model: str) -> LanguageModel:
        from mnemon_service.providers.anthropic_llm import AnthropicLanguageModel

        return AnthropicLanguageModel(
            model=model,
            api_key=self._key("anthropic_api_key", "ANTHROPIC_API_KEY"),
            guard=self._guard("anthropic"),
            base_url=self._settings.anthropic_base_url or "https://api.anthropic.com",
        )

    def _compatible(self, provider: str, model: str) -> LanguageModel:
        from mnemon_service.providers.openai_llm import compatible_model

        if provider in PRESETS:
            # The preset's own address and key only: a key never goes to another provider's address.
            variable = PRESETS[provider].key_variable
            key = os.environ.get(variable, "") if variable else ""
            return compatible_model(model=model, guard=self._guard(provider), preset=provider, api_key=key)
        if not self._settings.compatible_base_url:
            raise SettingsWrong("set MNEMON_COMPATIBLE_BASE_URL")
        return compatible_model(
            model=model,
            guard=self._guard(provider),
            base_url=self._settings.compatible_base_url,
            api_key=self._settings.compatible_api_key.get_secret_value(),
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
