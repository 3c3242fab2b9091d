"""A sentence encoder in a folder (`model.onnx`, `tokenizer.json`) as plain blocking functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from mnemon_service.providers.embedding import EmbeddingModelUnavailable, Vectors

Pooling = Literal["mean", "cls"]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of one text that fits the model."""

    owner: int
    """Place of the text in the list that was tokenised."""
    ids: npt.NDArray[np.int64]
    """Token ids, special tokens included."""

    @property
    def weight(self) -> int:
        """Share in the text's vector: its number of tokens."""
        return len(self.ids)


class OnnxEncoder:
    """Tokenises texts into windows and runs the model on batches of windows. Safe for many threads.

    Args:
        folder: holds `model.onnx` and `tokenizer.json` (Hugging Face tokenizers' format).
        window: tokens the model takes at once, special tokens included.
        overlap: tokens that neighbouring windows of a long text share.
        intra_operator_threads: threads of one run.
        pooling: how to make one vector of a model that gives one for each token; unused for a model
            that gives one for each text.

    The model's inputs are `input_ids`, `attention_mask` and, if it asks, `token_type_ids`; its first
    output is float, of shape (batch, dimension) or (batch, tokens, dimension).

    Raises EmbeddingModelUnavailable if the folder does not hold such a model.
    """

    def __init__(
        self,
        folder: Path,
        *,
        window: int,
        overlap: int,
        intra_operator_threads: int,
        pooling: Pooling = "mean",
    ) -> None:
        self._tokenizer = _load_tokenizer(folder / "tokenizer.json")
        self._specials = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._content = window - self._specials
        if not 0 <= overlap < self._content:
            raise EmbeddingModelUnavailable(
                f"an overlap of {overlap} tokens does not fit a window of {window}"
            )
        self._overlap = overlap
        self._pooling = pooling
        self._session = _load_session(folder / "model.onnx", intra_operator_threads)
        self._inputs = _input_names(self._session)
        output = self._session.get_outputs()[0]
        self._output = output.name
        self.dimension = _dimension(output.shape)
        """Numbers in a vector, read from the graph."""

    def windows(self, texts: Sequence[str]) -> list[Window]:
        """All windows of `texts`, in order: one for a text that fits, more for a longer one."""
        found: list[Window] = []
        for owner, encoding in enumerate(self._tokenizer.encode_batch(list(texts), add_special_tokens=False)):
            if len(encoding) > self._content:
                encoding.truncate(self._content, stride=self._overlap)
            for part in (encoding, *encoding.overflowing):
                whole = self._tokenizer.post_process(part)
                found.append(Window(owner, np.array(whole.ids, np.int64)))
        return found

    def run(self, windows: Sequence[Window]) -> Vectors:
        """The unit vectors of `windows`, padded to the longest of them."""
        ids = np.zeros((len(windows), max(len(window.ids) for window in windows)), np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
            mask[row, : len(window.ids)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        output: Vectors = self._session.run([self._output], {name: feed[name] for name in self._inputs})[0]
        if output.ndim == 3:
            output = output[:, 0] if self._pooling == "cls" else _mean(output, mask)
        lengths = np.linalg.norm(output, axis=1, keepdims=True)
        vectors: Vectors = (output / np.maximum(lengths, 1e-12)).astype(np.float32)
        return vectors


def _mean(tokens: Vectors, mask: npt.NDArray[np.int64]) -> Vectors:
    weights = mask[:, :, None].astype(np.float32)
    mean: Vectors = (tokens * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return mean


def _load_tokenizer(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise EmbeddingModelUnavailable(f"{path} is missing or no tokeniser") from error
    tokenizer.no_truncation()  # published files cut at 128 tokens and pad up to them
    tokenizer.no_padding()
    return tokenizer


def _load_session(path: Path, threads: int) -> Any:  # noqa: ANN401 (onnxruntime has no types)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # an arena keeps the largest batch's memory for ever
    options.enable_mem_pattern = False  # plans memory for repeated shapes; ours all differ
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # many kinds, of a private module
        raise EmbeddingModelUnavailable(f"{path} is missing or no model that onnxruntime can load") from error


def _input_names(session: Any) -> list[str]:  # noqa: ANN401
    names = [entry.name for entry in session.get_inputs()]
    if not {"input_ids"} <= set(names) <= {"input_ids", "attention_mask", "token_type_ids"}:
        raise EmbeddingModelUnavailable(
            f"the model asks for {', '.join(names)}, which a text encoder does not"
        )
    return names


def _dimension(shape: Sequence[int | str | None]) -> int:
    if len(shape) not in (2, 3) or not isinstance(shape[-1], int) or shape[-1] < 1:
        raise EmbeddingModelUnavailable(f"the model's first output has shape {shape}, which is no embedding")
    return shape[-1]
