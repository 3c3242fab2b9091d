"""Reranking over HTTP as Cohere defined it and Jina, Voyage's gateways, vLLM and others took it over."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.remote_embedding import JsonOverHttp, classify_http
from mnemon_service.providers.reranking import Reranking, checked_scores
from mnemon_service.providers.retry import ProviderGuard

COHERE_URL: Final = "https://api.cohere.com/v2/rerank"


class CohereReranker:
    """See `Reranker`.

    Args:
        model: as `rerank-v3.5`.
        guard: timeout, retries and limits; its `provider` names the provider in accounts and errors.
        api_key: sent as a bearer token; empty for a server that asks for none.
        url: the whole address of the endpoint.
    """

    def __init__(self, *, model: str, guard: ProviderGuard, api_key: str = "", url: str = COHERE_URL) -> None:
        self._http = JsonOverHttp(api_key)
        self._model = model
        self._guard = guard
        self._url = url

    @property
    def name(self) -> str:
        """Provider and model, as `cohere/rerank-v3.5`."""
        return f"{self._guard.provider}/{self._model}"

    def sibling(self, model: str) -> CohereReranker:
        """Another model over the same connections: closing one closes both."""
        other = copy.copy(self)
        other._model = model
        return other

    async def rerank(self, query: str, texts: Sequence[str]) -> Reranking:
        """See `Reranker.rerank`."""
        provider = self._guard.provider
        if not texts:
            return Reranking((), ProviderUsage(provider, self._model))
        body = {"model": self._model, "query": query, "documents": list(texts), "top_n": len(texts)}

        async def ask() -> Any:  # noqa: ANN401 (JSON)
            return (await self._http.post(self._url, body)).json()

        answered = await self._guard.call(ask, classify_http)
        try:
            scores: list[float | None] = [None] * len(texts)
            for result in answered.value["results"]:
                scores[_place(result["index"], len(texts))] = float(result["relevance_score"])
            tokens = _tokens(answered.value)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise Unavailable(
                f"{provider} gave an answer that is no list of relevances",
                reason=Reason.PROVIDER_ANSWER_UNUSABLE,
                metadata={"provider": provider},
            ) from None
        usage = ProviderUsage(
            provider,
            self._model,
            calls=answered.attempts,
            failed_calls=answered.failed,
            input_tokens=tokens,
            milliseconds=answered.milliseconds,
        )
        return Reranking(checked_scores(provider, scores), usage)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _place(index: object, count: int) -> int:
    """The text that a result means; a negative index would silently mean another."""
    if not isinstance(index, int) or not 0 <= index < count:
        raise IndexError
    return index


def _tokens(answer: Any) -> int:  # noqa: ANN401 (JSON)
    """As Cohere (`meta.tokens`) or Jina (`usage`) counts them; others do not say."""
    counted = (answer.get("meta") or {}).get("tokens") or {}
    usage = answer.get("usage") or {}
    return int(counted.get("input_tokens") or usage.get("total_tokens") or 0)
