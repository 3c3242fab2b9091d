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
    that begins with the name stays as it is.
    """
    if not attributed_to or text.casefold().startswith(attributed_to.casefold()):
        return text
    return f"{attributed_to}: {text}"


def sentences(text: str) -> list[str]:
    """The sentences of a text without the blanks around them; a text without an end is one sentence."""
    return [sentence for part in _SENTENCE_END.split(text) if (sentence := part.strip())]


def embedded_texts(text: str, attributed_to: str = "") -> list[str]:
    """What to embed for a memory: the indexed text, then, if it has several sentences, each of them.

    The best vector counts in ranking. A long turn's vector is a blur of all it speaks of; a vector for
    each sentence took recall@10 from 77.8 to 80.1. Callers that want one vector take the first.
    """
    whole = indexed_text(text, attributed_to)
    parts = sentences(text)
    if len(parts) < 2:
        return [whole]
    return list(
        dict.fromkeys([whole, *(indexed_text(part, attributed_to) for part in parts[:MAXIMUM_SENTENCES])])
    )
