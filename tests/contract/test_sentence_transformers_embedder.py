"""The optional embedder: a clear error without its library, and the reference's vectors with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mnemon_service.providers import local_model
from mnemon_service.providers.embedding import EmbeddingModelUnavailable
from mnemon_service.providers.sentence_transformers_embedding import SentenceTransformersEmbedder


async def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(
        EmbeddingModelUnavailable, match=r"pip install 'mnemon-service\[sentence-transformers\]'"
    ):
        await SentenceTransformersEmbedder.open("any/model")


async def test_with_the_library_vectors_are_its_own_and_long_texts_are_whole() -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EmbeddingModelUnavailable, match="cannot load"):
        await SentenceTransformersEmbedder.open("/nowhere/at/all")
    embedder = await SentenceTransformersEmbedder.open(str(local_model.model_folder()))
    data = Path(__file__).parents[1] / "unit" / "data" / "minilm_reference.json"
    reference = json.loads(data.read_text(encoding="utf-8"))
    short = reference["texts"][:-1]  # the folder's own window of 128 tokens splits the last one
    answer = await embedder.embed_documents(short)
    assert (answer.vectors * np.array(reference["vectors"][:-1])).sum(axis=1).min() >= 0.9999
    filler = "We talked about the weather and the garden for a while. " * 60
    plain = await embedder.embed_documents([filler])
    ending = await embedder.embed_documents([filler + "The launch code of the rocket is in Houston. " * 10])
    query = (await embedder.embed_query("Where is the rocket's launch code?")).vectors
    assert (ending.vectors @ query.T)[0, 0] > (plain.vectors @ query.T)[0, 0] + 0.05
    await embedder.close()
