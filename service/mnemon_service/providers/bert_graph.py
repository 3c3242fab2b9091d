"""The ONNX graph of a BERT sentence encoder, written from its weights.

It takes `input_ids` and `attention_mask` (int64, batch by sequence) and gives `embedding` (float32,
batch by hidden size): mean over the unmasked positions, length 1. Written with onnxruntime's fused
operators (domain com.microsoft) where it has them, so that loading needs no search for patterns.

Imported only while a graph is built, in a process of its own: `onnx` and the weights take memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Precision = Literal["int8", "fp32"]
Weights = Mapping[str, npt.NDArray[Any]]
Float32 = npt.NDArray[np.float32]

FUSED = "com.microsoft"
OPSET = 18
IR_VERSION = 9
LAYER_NORM_EPSILON = 1e-12

LARGEST_ACTIVATION = 127
LARGEST_WEIGHT = 63
"""Seven bits: processors without VNNI add two products in 16 bits with saturation, and 2 * 255 * 63
still fits there. With eight bits the vectors would depend on the processor."""


@dataclass(frozen=True, slots=True)
class BertShape:
    """Sizes of the encoder."""

    layers: int
    heads: int
    hidden: int


def build_bert_graph(weights: Weights, shape: BertShape, precision: Precision) -> onnx.ModelProto:
    """The model for `weights`, named as in the published safetensors files of BERT.

    `int8` stores matrices and word embeddings as signed bytes with one scale for each output column
    (each word). Activations are quantised in the graph with one scale for each position, not one for
    the batch: so a text has the same vector whatever it is batched with.
    """
    return _BertGraph(weights, shape, precision).model()


class _BertGraph:
    def __init__(self, weights: Weights, shape: BertShape, precision: Precision) -> None:
        self._weights = weights
        self._shape = shape
        self._precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        hidden = self._embed()
        mask = self._node("Cast", ["attention_mask"], "mask.int32", to=TensorProto.INT32)
        for layer in range(self._shape.layers):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden, mask)
        self._pool(hidden)
        graph = helper.make_graph(
            self._nodes,
            "sentence_encoder",
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
                for name in ("input_ids", "attention_mask")
            ],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", self._shape.hidden])],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _embed(self) -> str:
        words = self._float("embeddings.word_embeddings.weight")
        # One segment only: its embedding belongs to every position.
        positions = self._float("embeddings.position_embeddings.weight")
        positions = positions + self._float("embeddings.token_type_embeddings.weight")[0]
        length = self._node("Shape", ["input_ids"], "length", start=1, end=2)
        ends = [self._axes("first", 0), length, self._axes("axis.0", 0)]
        place = self._node("Slice", [self._constant("positions", positions), *ends], "embeddings.position")
        total = self._node("Add", [self._words(words), place], "embeddings.sum")
        norm = [
            self._constant("embeddings.norm.weight", self._float("embeddings.LayerNorm.weight")),
            self._constant("embeddings.norm.bias", self._float("embeddings.LayerNorm.bias")),
        ]
        return self._node(
            "LayerNormalization", [total, *norm], "embeddings", axis=-1, epsilon=LAYER_NORM_EPSILON
        )

    def _words(self, words: Float32) -> str:
        if self._precision == "fp32":
            return self._node("Gather", [self._constant("words", words), "input_ids"], "embeddings.word")
        scales = np.abs(words).max(axis=1, keepdims=True) / 127
        scales = np.where(scales == 0, 1, scales).astype(np.float32)
        table = self._constant("words.quantised", np.round(words / scales).astype(np.int8))
        rows = self._node("Gather", [table, "input_ids"], "embeddings.word.int8")
        rows = self._node("Cast", [rows], "embeddings.word.float", to=TensorProto.FLOAT)
        row_scales = self._node(
            "Gather", [self._constant("words.scales", scales), "input_ids"], "embeddings.word.scale"
        )
        return self._node("Mul", [rows, row_scales], "embeddings.word")

    def _layer(self, prefix: str, hidden: str, mask: str) -> str:
        parts = ("query", "key", "value")
        matrix = np.concatenate(
            [self._float(f"{prefix}attention.self.{part}.weight").T for part in parts], axis=1
        )
        bias = np.concatenate([self._float(f"{prefix}attention.self.{part}.bias") for part in parts])
        mixed = self._multiply(hidden, f"{prefix}qkv", matrix)
        split = [f"{prefix}{part}" for part in parts]
        self._nodes.append(helper.make_node("Split", [mixed], split, axis=-1, num_outputs=3))
        attended = self._node(
            "MultiHeadAttention",
            [*split, self._constant(f"{prefix}qkv.bias", bias), mask],
            f"{prefix}attended",
            FUSED,
            num_heads=self._shape.heads,
        )
        matrix = self._float(f"{prefix}attention.output.dense.weight").T
        projected = self._multiply(attended, f"{prefix}attention.output", matrix)
        first = self._add_and_norm(f"{prefix}attention.output.", projected, hidden)
        matrix = self._float(f"{prefix}intermediate.dense.weight").T
        wide = self._multiply(first, f"{prefix}intermediate", matrix)
        wide_bias = self._constant(
            f"{prefix}intermediate.bias", self._float(f"{prefix}intermediate.dense.bias")
        )
        active = self._node("BiasGelu", [wide, wide_bias], f"{prefix}active", FUSED)
        narrow = self._multiply(active, f"{prefix}output", self._float(f"{prefix}output.dense.weight").T)
        return self._add_and_norm(f"{prefix}output.", narrow, first)

    def _add_and_norm(self, prefix: str, value: str, skip: str) -> str:
        constants = [
            self._constant(f"{prefix}{name}", self._float(f"{prefix}{name}"))
            for name in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
        ]
        return self._node(
            "SkipLayerNormalization",
            [value, skip, *constants],
            f"{prefix}normed",
            FUSED,
            epsilon=LAYER_NORM_EPSILON,
        )

    def _multiply(self, value: str, name: str, matrix: Float32) -> str:
        if self._precision == "fp32":
            return self._node("MatMul", [value, self._constant(f"{name}.matrix", matrix)], f"{name}.product")
        scales = np.abs(matrix).max(axis=0) / LARGEST_WEIGHT
        scales = np.where(scales == 0, 1, scales)
        quantised = self._constant(f"{name}.matrix", np.round(matrix / scales).astype(np.int8))
        # round(x / max|x| * 127) + 128 for each position: unsigned bytes around 128, the fast kernel's input.
        size = self._node("Abs", [value], f"{name}.abs")
        size = self._node("ReduceMax", [size, self._axes("axis.last", -1)], f"{name}.largest", keepdims=1)
        size = self._node("Max", [size, self._scalar("tiny", 1e-9)], f"{name}.size")
        factor = self._node("Div", [self._scalar("levels", LARGEST_ACTIVATION), size], f"{name}.factor")
        levels = self._node(
            "Round", [self._node("Mul", [value, factor], f"{name}.scaled")], f"{name}.rounded"
        )
        levels = self._node("Add", [levels, self._scalar("middle", 128)], f"{name}.shifted")
        levels = self._node("Cast", [levels], f"{name}.levels", to=TensorProto.UINT8)
        zero = self._constant("middle.uint8", np.array(128, np.uint8))
        product = self._node("MatMulInteger", [levels, quantised, zero], f"{name}.integers")
        product = self._node("Cast", [product], f"{name}.floats", to=TensorProto.FLOAT)
        column = self._constant(f"{name}.scales", (scales / LARGEST_ACTIVATION).astype(np.float32))
        product = self._node("Mul", [product, column], f"{name}.by_column")
        return self._node("Mul", [product, size], f"{name}.product")

    def _pool(self, hidden: str) -> None:
        weight = self._node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
        wide = self._node("Unsqueeze", [weight, self._axes("axis.2", 2)], "mask.wide")
        kept = self._node("Mul", [hidden, wide], "pool.kept")
        total = self._node("ReduceSum", [kept, self._axes("axis.1", 1)], "pool.sum", keepdims=0)
        count = self._node("ReduceSum", [weight, self._axes("axis.1", 1)], "pool.count", keepdims=1)
        mean = self._node("Div", [total, count], "pool.mean")
        length = self._node("ReduceL2", [mean, self._axes("axis.1", 1)], "pool.length", keepdims=1)
        length = self._node("Max", [length, self._scalar("pool.tiny", 1e-12)], "pool.divisor")
        self._node("Div", [mean, length], "embedding")

    def _node(
        self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes: float
    ) -> str:
        keywords: dict[str, Any] = {"domain": domain, **attributes}
        self._nodes.append(helper.make_node(operator, inputs, [output], **keywords))
        return output

    def _constant(self, name: str, value: npt.NDArray[Any]) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _scalar(self, name: str, value: float) -> str:
        return self._constant(name, np.array([value], np.float32))

    def _axes(self, name: str, axis: int) -> str:
        return self._constant(name, np.array([axis], np.int64))

    def _float(self, name: str) -> Float32:
        return np.asarray(self._weights[name], np.float32)
