"""What of a memory is embedded and tokenised, so that writing and searching agree on it."""

from __future__ import annotations

import re
from typing import Final

MAXIMUM_SENTENCES: Final = 32
"""Sentences that get a vector of their own; a longer text's later ones are found by the whole alone."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])[\"')\]»”’]*\s+|(?<=[。！？।])|\n+")


def indexed_text(text: str, attributed_to: str = "") -> str:
    """The text with its speaker in front ("Ana: I moved to Oslo"), as embedded and tokenised.

    "I moved to Oslo" alone cannot be found by "Where does Ana live?": on the development split of
    LoCoMo the name took recall@10 of the vectors from 29.6 to 51.0 and of BM25 from 55.8 to 59.1. A text
    that names its speaker itself stays as it is: a second name costs a point.
    """
    name = attributed_to.strip()
    return text if not name or _names(text.casefold(), name.casefold()) else f"{name}: {text}"


def _names(text: str, name: str) -> bool:
    """True if the name stands in the text, not as a part of a longer word."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        if not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
            return True
        start = text.find(name, start + 1)
    return False


def sentences(text: str) -> list[str]:
    """The sentences of a text without the blanks around them; a text without an end is one sentence."""
    return [sentence for part in _SENTENCE_END.split(text) if (sentence := part.strip())]


def embedded_texts(text: str, attributed_to: str = "") -> list[str]:
    """What to embed for a memory: the indexed text, then, if it has several sentences, each of them.

    The best vector counts in ranking. A long turn's vector is a blur of all it speaks of; a vector for
    each sentence took recall@10 from 78.0 to 80.1. Callers that want one vector take the first.
    """
    whole = indexed_text(text, attributed_to)
    parts = sentences(text)
    if len(parts) < 2:
        return [whole]
    return list(
        dict.fromkeys([whole, *(indexed_text(part, attributed_to) for part in parts[:MAXIMUM_SENTENCES])])
    )
