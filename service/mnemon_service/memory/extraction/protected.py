"""Spans that no rule may cut or rewrite: code, addresses and quoted words."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

_MARKS: Final = re.compile(r"[`\"“”「『«@]|://|www\.")
_SPANS: Final = re.compile(
    r"```.*?(?:```|\Z)"  # fenced code, also one that was never closed
    r"|`[^`\n]{1,400}`"
    r"|(?<![\w])\"[^\"\n]{1,240}\"(?!\w)"
    r"|“[^”\n]{1,240}”"
    r"|「[^」\n]{1,240}」"
    r"|『[^』\n]{1,240}』"
    r"|«[^»\n]{1,240}»"
    r"|\b(?:https?|ftp)://[^\s<>\"]{1,2000}"
    r"|\bwww\.[^\s<>\"]{1,2000}"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    re.DOTALL,
)
_TRAILING: Final = ".,;:!?)]}'’"


class Protected:
    """The protected spans of one text, sorted and apart from each other."""

    __slots__ = ("_ends", "_starts", "spans")

    def __init__(self, text: str) -> None:
        self.spans = _find(text)
        self._starts = [start for start, _ in self.spans]
        self._ends = [end for _, end in self.spans]

    def covers(self, position: int) -> bool:
        """True if the character at `position` lies in a protected span."""
        index = bisect_right(self._starts, position) - 1
        return index >= 0 and position < self._ends[index]


def _find(text: str) -> list[tuple[int, int]]:
    if not _MARKS.search(text):
        return []
    spans = []
    for match in _SPANS.finditer(text):
        start, end = match.span()
        if "://" in match[0][:8] or match[0].startswith("www."):
            end = start + len(match[0].rstrip(_TRAILING))
        spans.append((start, end))
    return spans
