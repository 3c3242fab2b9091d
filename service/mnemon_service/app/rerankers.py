"""The rerankers that the settings offer, made when they are first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.app.guards import provider_guard
from mnemon_service.app.language_models import NONE, ConfiguredLanguageModels
from mnemon_service.model.errors import FailedPrecondition, MnemonError, Reason
from mnemon_service.providers.reranking import Reranker
from mnemon_service.settings import Settings

if TYPE_CHECKING:
    from mnemon_service.providers.cohere_reranking import CohereReranker

LANGUAGE_MODEL: Final = "llm"
"""`llm/<provider>/<model>`: a language model judges all hits in one call."""
COHERE: Final = "cohere"
"""`cohere/<model>`: Cohere's protocol, at Cohere's or at another address."""
ONNX: Final = "onnx"
"""The cross-encoder in the folder of the settings."""


class ConfiguredRerankers:
    """Rerankers by name. What holds connections or a model is made once, whatever names are asked for."""

    def __init__(self, settings: Settings, models: ConfiguredLanguageModels) -> None:
        self._settings = settings
        self._language_models = models
        self._first_of_cohere: CohereReranker | None = None
        self._cross_encoder: Reranker | None = None

    def get(self, name: str) -> Reranker | None:
        """The reranker; the server's own for an empty name, None for `none`.

        Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for one that this server does not offer.
        """
        name = name or self._settings.reranker
        if name == NONE:
            return None
        try:
            return self._reranker(name)
        except SettingsWrong as error:
            raise FailedPrecondition(
                f"the reranker {name!r} is not configured on this server: {error}",
                reason=Reason.PROVIDER_NOT_CONFIGURED,
            ) from None

    def check(self) -> None:
        """Raises `SettingsWrong` if the server's own reranker cannot be made of the settings."""
        try:
            self.get("")
        except MnemonError as error:
            raise SettingsWrong(error.message) from None

    async def close(self) -> None:
        """Closes every reranker."""
        for reranker in (self._first_of_cohere, self._cross_encoder):
            if reranker is not None:
                await reranker.close()
        self._first_of_cohere = self._cross_encoder = None

    def _reranker(self, name: str) -> Reranker:
        kind, _, model = name.partition("/")
        if kind == COHERE and model:
            return self._cohere(model)
        if kind == ONNX:
            return self._onnx()
        if kind == LANGUAGE_MODEL and model:
            return self._language_model(model)
        raise SettingsWrong("name it cohere/<model>, llm/<provider>/<model> or onnx")

    def _cohere(self, model: str) -> Reranker:
        from mnemon_service.providers.cohere_reranking import COHERE_URL, CohereReranker

        if self._first_of_cohere is not None:
            return self._first_of_cohere.sibling(model)
        self._first_of_cohere = CohereReranker(
            model=model,
            guard=provider_guard(COHERE, self._settings),
            api_key=self._settings.secret("cohere_api_key", "COHERE_API_KEY", "CO_API_KEY"),
            url=self._settings.cohere_url or COHERE_URL,
        )
        return self._first_of_cohere

    def _onnx(self) -> Reranker:
        from mnemon_service.providers.onnx_reranking import OnnxReranker

        folder = self._settings.reranker_model_dir
        if folder is None:
            raise SettingsWrong("set MNEMON_RERANKER_MODEL_DIR: a folder with model.onnx and tokenizer.json")
        if self._cross_encoder is None:
            self._cross_encoder = OnnxReranker(folder)
        return self._cross_encoder

    def _language_model(self, name: str) -> Reranker:
        from mnemon_service.providers.llm_reranking import LanguageModelReranker

        model = self._language_models.get(name)
        if model is None:
            raise SettingsWrong("name a language model: llm/<provider>/<model>")
        return LanguageModelReranker(model)
