"""Messages between the server and its Milvus Lite process: a JSON object and, beside it, vectors.

A frame is two lengths (unsigned, 32 bits, big-endian), the JSON text and a block of float32 of all
its vectors in order. The two ends are one program's, joined by pipes that nobody else can open.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

HEADER: Final = struct.Struct(">II")
MAXIMUM_FRAME: Final = 1 << 30
"""Bytes; a longer one means that the stream is out of step."""

Message = dict[str, Any]


def pack(message: Message, vectors: Sequence[Any] = ()) -> bytes:
    """The bytes of one frame. All vectors have the same length."""
    text = json.dumps(message, separators=(",", ":")).encode()
    block = np.asarray(vectors, dtype=np.float32).tobytes() if len(vectors) else b""
    return HEADER.pack(len(text), len(block)) + text + block


def unpack(text: bytes, block: bytes) -> tuple[Message, list[Any]]:
    """The message and its vectors; `dimensions` in the message says how long each is."""
    message: Message = json.loads(text)
    if not block:
        return message, []
    return message, list(np.frombuffer(block, dtype=np.float32).reshape(-1, message["dimensions"]))


def split_vectors(records: Sequence[Message]) -> tuple[list[Message], list[Any]]:
    """Records without their vectors, and the vectors."""
    vectors = [record["vector"] for record in records if "vector" in record]
    return [{key: value for key, value in record.items() if key != "vector"} for record in records], vectors


def join_vectors(records: Sequence[Message], vectors: Sequence[Any]) -> list[Message]:
    """Records with their vectors again."""
    if not vectors:
        return list(records)
    return [{**record, "vector": vector} for record, vector in zip(records, vectors, strict=True)]
