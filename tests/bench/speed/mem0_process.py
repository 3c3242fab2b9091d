"""mem0 with the bench's memories, as a library and behind FastAPI: run by mem0's interpreter, never by ours.

    <mem0's python> mem0_process.py task.json      (PYTHONPATH=service:tests)

Memories are put into its vector store in batches, with vectors that are given: `Memory.add` one at a time
would take hours for a hundred thousand and leave the same points behind. Then it writes one JSON line:
the time of each search as a library, and the port of its server. The server has the shape of mem0's own
(`server/main.py`): a plain function behind POST /search, so that FastAPI calls it in a thread. It serves
until its standard input ends; each line there ("dense", "dense + BM25") says how to search from now on.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.quality.mem0_process import Embedder, keyword_encoder, open_memory

BATCH: Final = 500
TOP_K: Final = 10
DENSE: Final = "dense"
BOTH: Final = "dense + BM25"


def fill(memory: Any, texts: Sequence[str], users: Sequence[str], vectors: np.ndarray[Any, Any]) -> None:
    """Puts points into the store that equal those of `Memory.add(infer=False)`."""
    main_module: Any = importlib.import_module("mem0.memory.main")
    now = datetime.now(UTC).isoformat()
    for start in range(0, len(texts), BATCH):
        batch = range(start, min(start + BATCH, len(texts)))
        payloads = [
            {
                "user_id": users[place],
                "role": "user",
                "data": texts[place],
                "hash": hashlib.md5(texts[place].encode(), usedforsecurity=False).hexdigest(),
                "created_at": now,
                "updated_at": now,
                "text_lemmatized": main_module.lemmatize_for_bm25(texts[place]),
            }
            for place in batch
        ]
        memory.vector_store.insert(
            vectors=vectors[start : start + BATCH].tolist(),
            payloads=payloads,
            ids=[str(uuid.uuid4()) for _ in batch],
        )


def search(memory: Any, user_id: str, query: str) -> Any:
    """As the quality bench asks: no threshold, which would cut its lists short."""
    return memory.search(query, filters={"user_id": user_id}, top_k=TOP_K, threshold=0.0)


def timed(memory: Any, searches: Sequence[Sequence[str]], seconds: float) -> dict[str, Any]:
    """Milliseconds of each search, as many as fit into this time, five at least."""
    milliseconds: list[float] = []
    begun = time.perf_counter()
    for user_id, query in searches:
        started = time.perf_counter()
        if len(milliseconds) >= 5 and started - begun > seconds:
            break
        search(memory, user_id, query)
        milliseconds.append((time.perf_counter() - started) * 1000)
    return {"milliseconds": milliseconds, "seconds": time.perf_counter() - begun}


def application(memory: Any) -> Any:
    """A server in the shape of mem0's own."""
    fastapi: Any = importlib.import_module("fastapi")
    pydantic: Any = importlib.import_module("pydantic")
    request_type = pydantic.create_model("SearchRequest", query=(str, ...), user_id=(str, ...))
    app = fastapi.FastAPI()

    def search_memories(asked: Any) -> Any:
        return search(memory, asked.user_id, asked.query)

    search_memories.__annotations__ = {"asked": request_type}
    app.post("/search")(search_memories)
    return app


def serve(memory: Any) -> tuple[Any, int]:
    """A running server, and its port on the loopback address."""
    uvicorn: Any = importlib.import_module("uvicorn")
    # By its protocol asyncio knows that it may send small answers at once; without, each waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(memory), log_level="error"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    return server, int(listener.getsockname()[1])


def main() -> None:
    """Do the task."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    vectors = np.load(task["vectors"])
    with tempfile.TemporaryDirectory(prefix="mem0-bench-") as name:
        folder = Path(name)
        embedder = Embedder({}, Path(task["model"]))
        memory = open_memory(folder, embedder, vectors.shape[1], keyword=True, stop_words=False)
        encoder = memory.vector_store._bm25_encoder or keyword_encoder(folder)
        ways = {DENSE: False, BOTH: encoder}
        begun = time.perf_counter()
        fill(memory, task["texts"], task["users"], vectors)
        answer: dict[str, Any] = {
            "version": importlib.import_module("mem0").__version__,
            "fill_seconds": time.perf_counter() - begun,
            "library": {},
        }
        for way, used in ways.items():
            memory.vector_store._bm25_encoder = used
            search(memory, *task["searches"][0])  # what is loaded at first use
            answer["library"][way] = timed(memory, task["searches"], task["seconds"])
        server, answer["port"] = serve(memory)
        print(json.dumps(answer), flush=True)
        for line in sys.stdin:
            memory.vector_store._bm25_encoder = ways[line.strip()]
            print("ready", flush=True)
        server.should_exit = True
        memory.vector_store.client.close()


if __name__ == "__main__":
    main()
