"""The local embedder: a model in this process, in threads of its own, batching what waits."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mnemon_service.model.errors import Reason, ResourceExhausted, Unavailable
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers import local_model
from mnemon_service.providers.embedding import (
    EmbeddingModelUnavailable,
    Embeddings,
    Vectors,
    checked_vectors,
    no_embeddings,
    pool_windows,
)
from mnemon_service.providers.onnx_encoder import OnnxEncoder, Pooling, Window

PROVIDER = "local"
INLINE_CHARACTERS = 1_000
"""Texts of up to so many characters together are tokenised on the event loop (0.4 ms at most); longer
ones in a thread, since 1 MB takes 0.7 s."""
TOKENS_IN_A_RUN = 512
"""Padded tokens of one run, about 80 ms with int8: larger batches gain next to nothing and let a query
wait longer behind them."""
OVERLAP_TOKENS = 32


class LocalEmbedder:
    """Embeds with a model that runs here; no network, no key.

    Concurrent calls share runs of the model: while one runs, what arrives waits, and the next run takes
    as much of it as is worth while, queries first, texts of like length together. There is no timer.
    Made by `open` (the built-in model) or `open_folder` (a model of the user's).
    """

    def __init__(self, encoder: OnnxEncoder, *, model: str, threads: int, queue_windows: int) -> None:
        self._encoder = encoder
        self._model = model
        self._tokenising = ThreadPoolExecutor(1, "tokenise")
        self._batches = _Batches(encoder, threads, queue_windows)

    @classmethod
    async def open(
        cls,
        cache: Path,
        *,
        precision: str = "int8",
        threads: int = 1,
        intra_operator_threads: int = 1,
        queue_windows: int = 20_000,
    ) -> LocalEmbedder:
        """The built-in all-MiniLM-L6-v2, its graph built in `cache` if it is not there yet.

        Args:
            cache: folder for prepared models; made if missing.
            precision: `int8` (less than half the time, a quarter of the file) or `fp32`.
            threads: runs of the model at once.
            intra_operator_threads: threads of one run.
            queue_windows: windows that may wait before further calls get ResourceExhausted, QUEUE_FULL.

        Raises EmbeddingModelUnavailable if the model's package is missing or damaged, or the cache
        cannot be written.
        """
        if precision not in local_model.PRECISIONS:
            raise EmbeddingModelUnavailable(f"precision is {precision!r}; it can be int8 or fp32")

        def load() -> OnnxEncoder:
            return OnnxEncoder(
                local_model.ensure_prepared(cache, precision),
                window=local_model.WINDOW_TOKENS,
                overlap=OVERLAP_TOKENS,
                intra_operator_threads=intra_operator_threads,
            )

        encoder = await asyncio.to_thread(load)
        model = f"{local_model.MODEL_NAME}/{precision}"
        return cls(encoder, model=model, threads=threads, queue_windows=queue_windows)

    @classmethod
    async def open_folder(
        cls,
        folder: Path,
        *,
        window: int = 256,
        pooling: Pooling = "mean",
        threads: int = 1,
        intra_operator_threads: int = 1,
        queue_windows: int = 20_000,
    ) -> LocalEmbedder:
        """Another model: `model.onnx` and `tokenizer.json` in `folder`, as `OnnxEncoder` describes them.

        `window` is the tokens that it takes at once, special tokens included. Its name ends in a
        digest of the graph, so that a changed model is a new vector space.

        Raises EmbeddingModelUnavailable if the folder holds no such model.
        """

        def load() -> tuple[OnnxEncoder, str]:
            encoder = OnnxEncoder(
                folder,
                window=window,
                overlap=min(OVERLAP_TOKENS, window // 8),
                intra_operator_threads=intra_operator_threads,
                pooling=pooling,
            )
            return encoder, f"{folder.resolve().name}/{_folder_digest(folder)}"

        encoder, model = await asyncio.to_thread(load)
        return cls(encoder, model=model, threads=threads, queue_windows=queue_windows)

    @property
    def name(self) -> str:
        """`local/all-MiniLM-L6-v2/int8`, or `local/<folder>/<digest>`."""
        return f"{PROVIDER}/{self._model}"

    @property
    def dimension(self) -> int:
        """384 for the built-in model."""
        return self._encoder.dimension

    async def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        """Vectors of texts to be found."""
        return await self._embed(texts, urgent=False)

    async def embed_query(self, text: str) -> Embeddings:
        """The vector of a text that looks for others: as of a document, but ahead of waiting documents."""
        return await self._embed([text], urgent=True)

    async def close(self) -> None:
        """Let the run in progress end, refuse what waits, free the threads."""
        await self._batches.close()
        self._tokenising.shutdown(wait=False)

    async def _embed(self, texts: Sequence[str], *, urgent: bool) -> Embeddings:
        if not texts:
            return no_embeddings(self.dimension, PROVIDER, self._model)
        started = time.monotonic()
        if sum(map(len, texts)) <= INLINE_CHARACTERS:
            windows = self._encoder.windows(texts)
        else:
            loop = asyncio.get_running_loop()
            self._batches.refuse_if_closed()
            windows = await loop.run_in_executor(self._tokenising, self._encoder.windows, texts)
        vectors = await self._batches.run(windows, urgent=urgent)
        pooled = pool_windows(
            vectors,
            [window.owner for window in windows],
            [window.weight for window in windows],
            len(texts),
        )
        usage = ProviderUsage(
            provider=PROVIDER,
            model=self._model,
            calls=1,
            input_tokens=sum(window.weight for window in windows),
            milliseconds=(time.monotonic() - started) * 1000,
        )
        checked = checked_vectors(pooled, provider=self.name, count=len(texts), dimension=self.dimension)
        return Embeddings(checked, usage)


class _Request:
    """The windows of one call, shortest first, and the vectors that are ready."""

    def __init__(self, windows: Sequence[Window], dimension: int, future: asyncio.Future[Vectors]) -> None:
        self.windows = windows
        self.order = sorted(range(len(windows)), key=lambda place: windows[place].weight)
        self.taken = 0
        self.missing = len(windows)
        self.vectors: Vectors = np.empty((len(windows), dimension), np.float32)
        self.future = future

    def put(self, place: int, vector: Vectors) -> None:
        self.vectors[place] = vector
        self.missing -= 1
        if self.missing == 0 and not self.future.done():
            self.future.set_result(self.vectors)


_Place = tuple[_Request, int]


class _Batches:
    """Forms runs of the model out of the windows that wait. All state belongs to the event loop."""

    def __init__(self, encoder: OnnxEncoder, threads: int, queue_windows: int) -> None:
        self._encoder = encoder
        self._pool = ThreadPoolExecutor(threads, "embed")
        self._free = threads
        self._limit = queue_windows
        self._waiting = 0
        self._urgent: deque[_Request] = deque()
        self._patient: deque[_Request] = deque()
        self._runs: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, windows: Sequence[Window], *, urgent: bool) -> Vectors:
        self.refuse_if_closed()
        if self._waiting and self._waiting + len(windows) > self._limit:
            raise ResourceExhausted(
                "too many texts wait for the local embedding model", reason=Reason.QUEUE_FULL, retry_after=1.0
            )
        future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        request = _Request(windows, self._encoder.dimension, future)
        (self._urgent if urgent else self._patient).append(request)
        self._waiting += len(windows)
        self._start()
        return await future

    def refuse_if_closed(self) -> None:
        if self._closed:
            raise Unavailable("the local embedder is closed", reason=Reason.SHUTTING_DOWN)

    async def close(self) -> None:
        self._closed = True
        for request in (*self._urgent, *self._patient):
            if not request.future.done():
                request.future.set_exception(
                    Unavailable("the local embedder is closed", reason=Reason.SHUTTING_DOWN)
                )
        self._urgent.clear()
        self._patient.clear()
        self._waiting = 0
        if self._runs:
            await asyncio.wait(self._runs)
        self._pool.shutdown(wait=False)

    def _start(self) -> None:
        while self._free and (places := self._take()):
            self._free -= 1
            run = asyncio.get_running_loop().create_task(self._run(places))
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)

    def _take(self) -> list[_Place]:
        """The places of the next run: queries first, then in order of arrival, within the run's tokens."""
        places: list[_Place] = []
        longest = 0
        for queue in (self._urgent, self._patient):
            while queue:
                request = queue[0]
                if request.future.done() or request.taken == len(request.order):
                    self._waiting -= len(request.order) - request.taken
                    queue.popleft()
                    continue
                place = request.order[request.taken]
                longest = max(longest, request.windows[place].weight)
                if places and longest * (len(places) + 1) > TOKENS_IN_A_RUN:
                    return places
                places.append((request, place))
                request.taken += 1
                self._waiting -= 1
        return places

    async def _run(self, places: list[_Place]) -> None:
        windows = [request.windows[place] for request, place in places]
        try:
            vectors = await asyncio.get_running_loop().run_in_executor(self._pool, self._encoder.run, windows)
        except Exception as error:
            self._fail({request.future for request, _ in places}, error)
        else:
            for (request, place), vector in zip(places, vectors, strict=True):
                request.put(place, vector)
        finally:
            self._free += 1
            if not self._closed:
                self._start()

    def _fail(self, futures: set[asyncio.Future[Vectors]], cause: Exception) -> None:
        for future in futures:
            if not future.done():
                error = Unavailable(
                    "the local embedding model failed on this text", reason=Reason.PROVIDER_ANSWER_UNUSABLE
                )
                error.__cause__ = cause
                future.set_exception(error)


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("model.onnx", "tokenizer.json"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
