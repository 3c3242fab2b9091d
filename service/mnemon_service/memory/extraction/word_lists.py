"""Word lists written as text, so that they read as lists of words and not as quotation marks."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())
