"""Fingerprints of texts: one for the exact text, one for what says the same in other spelling."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

_SPACES: Final = re.compile(r"\s+")
_ENDING: Final = " .!。！"


def text_hash(text: str) -> str:
    """Names the exact text: 32 hex digits, the first 128 bits of SHA-256 of its UTF-8.

    An embedding belongs to it: another letter may mean another vector.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def duplicate_hash(text: str) -> str:
    """Names the text whatever its case, compatibility forms, white space and final stop.

    Two memories of one scope with the same one are exact duplicates. A question mark is kept: a
    question does not say what its statement says.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    plain = _SPACES.sub(" ", folded).strip()
    return text_hash(plain.rstrip(_ENDING) or plain)
