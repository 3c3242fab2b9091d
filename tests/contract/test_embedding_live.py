"""Real providers, only where their keys are in the environment: `pytest -m live`."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from mnemon_service.providers.gemini_embedding import gemini_embedder
from mnemon_service.providers.openai_embedding import openai_embedder
from mnemon_service.providers.remote_embedding import RemoteEmbedder
from mnemon_service.providers.retry import ProviderGuard

pytestmark = pytest.mark.live

BUILDERS: dict[str, Callable[[str, ProviderGuard], RemoteEmbedder]] = {
    "OPENAI_API_KEY": lambda key, guard: openai_embedder(api_key=key, guard=guard, dimension=256),
    "GEMINI_API_KEY": lambda key, guard: gemini_embedder(api_key=key, guard=guard, dimension=256),
}


@pytest.mark.parametrize("variable", BUILDERS)
async def test_a_question_is_nearest_to_its_answer(variable: str) -> None:
    key = os.environ.get(variable)
    if not key:
        pytest.skip(f"{variable} is not set")
    guard = ProviderGuard(
        variable.partition("_")[0].lower(),
        timeout=30,
        attempts=3,
        concurrency=2,
        breaker_failures=5,
        breaker_seconds=30,
    )
    embedder = BUILDERS[variable](key, guard)
    documents = await embedder.embed_documents(["Anna moved to Lisbon in May.", "The cat sleeps all day."])
    query = await embedder.embed_query("Where does Anna live?")
    await embedder.close()
    np.testing.assert_allclose(np.linalg.norm(documents.vectors, axis=1), 1, atol=1e-5)
    scores = (documents.vectors @ query.vectors.T)[:, 0]
    assert scores[0] > scores[1]
    assert documents.usage.calls == 1
