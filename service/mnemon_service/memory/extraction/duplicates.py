"""Whether two statements say the same, without a model."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

_PUNCTUATION: Final = re.compile(r"[^\w\s]|_")
_ARTICLES: Final = re.compile(r"\b(?:the|an|a)\b")


def normalised(text: str) -> str:
    """The text as duplicates compare it: NFKC, case folded, without punctuation, articles and extra space."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("'", "")
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(" ", folded)).split())


def fingerprint(text: str) -> str:
    """32 hexadecimal digits, equal for texts that are equal once normalised."""
    return hashlib.blake2b(normalised(text).encode(), digest_size=16).hexdigest()
