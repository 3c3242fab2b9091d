"""mem0 as a library, driven by files: run by mem0's own interpreter, never by ours.

    <mem0's python> mem0_process.py task.json answer.json     (PYTHONPATH=service, for the same encoder)

The task names the memories to add (`infer=False`) and the searches to make; the answer has the place of
each hit among the memories and the milliseconds of each search. The embedder is a plain object with mem0's
interface over the vectors of a file, and over the same local model for texts that the file does not have.

Keyword search of mem0's Qdrant store is its `extras`: fastembed's "Qdrant/bm25", which is a stemmer and
a list of stop words, fetched from a hub. Here the list below stands in its place, so that no network is
needed. mem0 also takes stop words out of a query with a spaCy model before it counts the query's words
(the count sets how BM25 is scaled); without that model it counts them all. `"stop_words": true` does with
the same list what the model would do there.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Read by mem0 as it is imported: nothing is sent anywhere.
os.environ["MEM0_TELEMETRY"] = "False"

Vector = npt.NDArray[np.float32]

_LIST: Final = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
herself it its itself they them their theirs themselves what which who whom this that these those am is
are was were be been being have has had having do does did doing a an the and but if or because as until
while of at by for with about against between into through during before after above below to from up
down in out on off over under again further then once here there when where why how all any both each few
more most other some such no nor not only own same so than too very s t can will just don should now d ll
m o re ve y ain aren couldn didn doesn hadn hasn haven isn ma mightn mustn needn shan shouldn wasn weren
won wouldn
"""
STOP_WORDS: Final = frozenset(_LIST.split())
"""The usual English list (Snowball's, with the halves of contractions)."""


class Embedder:
    """Looks vectors up, and makes those that it does not know."""

    def __init__(self, vectors: Mapping[str, Vector], model: Path) -> None:
        encoder = importlib.import_module("mnemon_service.providers.onnx_encoder")
        self._vectors = vectors
        self._encoder = encoder.OnnxEncoder(model, window=256, overlap=32, intra_operator_threads=1)

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """The vector of a text."""
        known = self._vectors.get(text)
        vector = self._encoder.run(self._encoder.windows([text]))[0] if known is None else known
        numbers: list[float] = vector.tolist()
        return numbers

    def embed_batch(self, texts: Sequence[str], memory_action: str = "add") -> list[list[float]]:
        """The vectors of several texts."""
        return [self.embed(text, memory_action) for text in texts]


def read_vectors(path: str) -> dict[str, Vector]:
    """The texts and vectors of a file as `offline_ranking.vectors_of` keeps them."""
    with np.load(path, allow_pickle=False) as held:
        return dict(zip(held["texts"].tolist(), held["vectors"], strict=True))


def open_memory(folder: Path, embedder: Embedder, dimension: int, *, keyword: bool, stop_words: bool) -> Any:
    """mem0 with Qdrant on a folder, ready to add without a language model."""
    mem0 = importlib.import_module("mem0")
    store = {"collection_name": "bench", "path": str(folder / "qdrant"), "embedding_model_dims": dimension}
    memory = mem0.Memory.from_config(
        {
            "vector_store": {"provider": "qdrant", "config": {**store, "on_disk": False}},
            # Never called: what is added is not inferred from.
            "llm": {"provider": "openai", "config": {"api_key": "unused"}},
            "embedder": {"provider": "openai", "config": {"api_key": "unused", "embedding_dims": dimension}},
            "history_db_path": str(folder / "history.db"),
        }
    )
    memory.embedding_model = embedder
    # What mem0 sets itself: False where fastembed is not installed, else the encoder.
    memory.vector_store._bm25_encoder = keyword and keyword_encoder(folder)
    if stop_words:
        main_module: Any = importlib.import_module("mem0.memory.main")
        main_module.lemmatize_for_bm25 = without_stop_words
    return memory


def keyword_encoder(folder: Path) -> Any:
    """fastembed's BM25 with the list of stop words above."""
    words = folder / "bm25"
    words.mkdir()
    (words / "english.txt").write_text("\n".join(sorted(STOP_WORDS)))
    fastembed = importlib.import_module("fastembed")
    return fastembed.SparseTextEmbedding(model_name="Qdrant/bm25", specific_model_path=str(words))


def without_stop_words(text: str) -> str:
    """The words of a text but for stop words; fastembed stems them."""
    letters = "".join(character if character.isalnum() else " " for character in text.lower())
    return " ".join(word for word in letters.split() if word not in STOP_WORDS)


def add(memory: Any, memories: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """Adds all memories of one user at a time; their places in the task by mem0's ids."""
    places: dict[str, int] = {}
    by_user: dict[str, list[int]] = {}
    for place, one in enumerate(memories):
        by_user.setdefault(one["user_id"], []).append(place)
    for user_id, held in by_user.items():
        messages = [{"role": "user", "content": memories[place]["text"]} for place in held]
        added = memory.add(messages, user_id=user_id, infer=False)["results"]
        places.update((one["id"], place) for one, place in zip(added, held, strict=True))
    return places


def search(
    memory: Any, searches: Sequence[Mapping[str, str]], places: Mapping[str, int], top_k: int
) -> list[dict[str, Any]]:
    """Each search's hits, best first, and its time."""
    answers = []
    for one in searches:
        started = time.perf_counter()
        # A threshold of 0: mem0's default of 0.1 on the cosine would cut its lists short.
        found = memory.search(one["query"], filters={"user_id": one["user_id"]}, top_k=top_k, threshold=0.0)
        milliseconds = (time.perf_counter() - started) * 1000
        hits = [places[hit["id"]] for hit in found["results"]]
        answers.append({"hits": hits, "milliseconds": milliseconds})
    return answers


def main() -> None:
    """Do the task."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    vectors = read_vectors(task["vectors"])
    dimension = len(next(iter(vectors.values())))
    with tempfile.TemporaryDirectory(prefix="mem0-bench-") as folder:
        embedder = Embedder(vectors, Path(task["model"]))
        memory = open_memory(
            Path(folder), embedder, dimension, keyword=task["keyword"], stop_words=task["stop_words"]
        )
        started = time.perf_counter()
        places = add(memory, task["memories"])
        seconds = time.perf_counter() - started
        search(memory, task["searches"][:3], places, task["top_k"])  # what is loaded at first use
        answers = search(memory, task["searches"], places, task["top_k"])
        memory.vector_store.client.close()
    version = importlib.import_module("mem0").__version__
    answer = {"version": version, "add_seconds": seconds, "answers": answers}
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
