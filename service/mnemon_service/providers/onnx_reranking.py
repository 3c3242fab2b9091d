"""Reranking on this machine: a cross-encoder in onnxruntime, from a folder."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Encoding, Tokenizer

from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.reranking import Reranking, checked_scores

DEFAULT_WINDOW: Final = 512
"""Tokens of query and text together; the end of a longer text is not read."""
BATCH: Final = 16
"""Pairs in one run; between two runs a cancelled call stops."""
_INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})


class RerankingModelUnavailable(Unavailable):
    """The folder holds no cross-encoder."""

    default_reason = Reason.PROVIDER_NOT_CONFIGURED


class OnnxReranker:
    """See `Reranker`.

    Args:
        folder: holds `model.onnx` and `tokenizer.json` (Hugging Face tokenizers' format) of a cross-encoder,
            as `ms-marco-MiniLM-L6-v2` is exported. The first output has one logit a pair, which a logistic
            curve maps to 0..1, or two, of which the second is the relevant class.
        window: tokens that the model takes at once.
        threads: threads of one run.

    Raises RerankingModelUnavailable if the folder does not hold such a model. Loading takes up to a
    second: construct it in a thread.
    """

    def __init__(self, folder: Path, *, window: int = DEFAULT_WINDOW, threads: int = 1) -> None:
        self._model = folder.name
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = _session(folder / "model.onnx", threads)
        except Exception as error:  # both libraries raise kinds of their own
            raise RerankingModelUnavailable(f"{folder} holds no cross-encoder for onnxruntime") from error
        self._tokenizer.enable_truncation(window, strategy="only_second")
        self._tokenizer.no_padding()
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        if not {"input_ids"} <= set(self._inputs) <= _INPUTS:
            raise RerankingModelUnavailable(f"the model in {folder} does not read pairs of texts")
        self._output = self._session.get_outputs()[0].name
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="reranker")

    @property
    def name(self) -> str:
        """As `local/ms-marco-MiniLM-L6-v2`."""
        return f"local/{self._model}"

    async def rerank(self, query: str, texts: Sequence[str]) -> Reranking:
        """See `Reranker.rerank`."""
        begun = time.perf_counter()
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            scores = await loop.run_in_executor(self._worker, self._scores, query, list(texts), stop)
        except asyncio.CancelledError:
            stop.set()
            raise
        milliseconds = (time.perf_counter() - begun) * 1000
        usage = ProviderUsage("local", self._model, calls=1, milliseconds=milliseconds)
        return Reranking(checked_scores("local", scores), usage)

    async def close(self) -> None:
        """Stop the thread; what waits for it is dropped."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _scores(self, query: str, texts: list[str], stop: threading.Event) -> list[float]:
        # The order by length keeps padding small.
        encodings = self._tokenizer.encode_batch([(query, text) for text in texts])
        order = sorted(range(len(texts)), key=lambda place: len(encodings[place]))
        scores = [0.0] * len(texts)
        for start in range(0, len(order), BATCH):
            if stop.is_set():
                break
            places = order[start : start + BATCH]
            for place, score in zip(places, self._run([encodings[place] for place in places]), strict=True):
                scores[place] = float(score)
        return scores

    def _run(self, encodings: Sequence[Encoding]) -> npt.NDArray[np.float64]:
        length = max(len(encoding) for encoding in encodings)
        feed = {name: np.zeros((len(encodings), length), np.int64) for name in _INPUTS}
        for row, encoding in enumerate(encodings):
            feed["input_ids"][row, : len(encoding)] = encoding.ids
            feed["attention_mask"][row, : len(encoding)] = 1
            feed["token_type_ids"][row, : len(encoding)] = encoding.type_ids
        output = self._session.run([self._output], {name: feed[name] for name in self._inputs})[0]
        logits = np.asarray(output, np.float64).reshape(len(encodings), -1)
        # Of two classes the difference of the logits is the logit of the second.
        relevant = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        scores: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(relevant, -60.0, 60.0)))
        return scores


def _session(path: Path, threads: int) -> Any:  # noqa: ANN401 (onnxruntime has no types)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
