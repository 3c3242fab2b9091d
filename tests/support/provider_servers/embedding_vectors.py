"""Vectors that the doubles of embedding providers give: of the text alone, and not of length 1."""

from __future__ import annotations

import hashlib


def vector_of(text: str, dimension: int, purpose: str = "") -> list[float]:
    """A vector of length other than 1 that only equal texts (and purposes) share."""
    digest = hashlib.shake_256(f"{purpose}\n{text}".encode()).digest(2 * dimension)
    return [
        (int.from_bytes(digest[2 * place : 2 * place + 2], "big") - 32767.5) / 10_000
        for place in range(dimension)
    ]
