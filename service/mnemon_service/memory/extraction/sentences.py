"""Cut a message into sentences without tearing what belongs together.

Abbreviations, initials, decimals and German ordinals do not end a sentence; code, addresses and short
quotations are never cut; a list stays whole with the line that introduces it. Chinese and Japanese
full stops need no space after them. One forward pass, linear in the length of the text.

No library: the well-kept ones (pysbd, syntok, nltk's punkt) need between 0.3 and 3 ms a turn or a
downloaded model, and none keeps lists and code whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mnemon_service.memory.extraction.protected import Protected
from mnemon_service.memory.extraction.word_lists import words

MAXIMUM_SENTENCE: Final = 1000
"""Characters; a longer run without an end is cut at white space, or hard if there is none."""
MAXIMUM_LIST: Final = 600
"""Characters up to which a list is one unit; the items of a longer one stand alone."""

_TITLES: Final = words("""
    mr mrs ms mx dr prof rev gen sen rep lt sgt capt col gov hon st mt ft sr sra srta hr fr herr nr no
    vs fig vol pp al dept tel str bzw ca z.b d.h u.a e.g i.e cf approx
""")
_SHORT_FORMS: Final = words("""
    etc inc ltd co corp jr a.m p.m am pm u.s u.k e.u ph.d b.a m.a b.sc m.sc usw jan feb mar apr jun jul
    aug sep sept oct nov dec mon tue tues wed thu thurs fri sat sun ave blvd rd min max avg
""")
_END: Final = re.compile(r"[.!?…]{1,8}[\"'”’)\]»]{0,3}(?=\s|$)|[。！？｡]{1,8}[」』”’）]{0,3}|\n")
_WORD_BEFORE: Final = re.compile(r"[^\s(\[\"“]{1,24}\Z")
_LIST_ITEM: Final = re.compile(r"[ \t]{0,12}(?:[-*+•‣▪]|\d{1,3}[.)]|[a-zA-Z][.)])[ \t]")
_GERMAN_ORDINAL: Final = re.compile(
    r"\s(?:jan|feb|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez|klasse|stock|geburtstag|[a-zäöü])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A span of the message: `content[start:end]`, without white space around it."""

    start: int
    end: int


def split(text: str) -> list[Sentence]:
    """The sentences of a text in order; together they hold everything but white space."""
    protected = Protected(text)
    pieces: list[Sentence] = []
    start = 0
    for end in _ends(text, protected):
        pieces.extend(_trimmed(text, start, end))
        start = end
    pieces.extend(_trimmed(text, start, len(text)))
    return _with_lists_whole(text, pieces)


def _ends(text: str, protected: Protected) -> Iterator[int]:
    """Where sentences end, rising."""
    for match in _END.finditer(text):
        if protected.covers(match.start()):
            continue
        if match[0] == "\n":
            if _newline_ends(text, match.end()):
                yield match.end()
        elif match[0][0] != "." or _full_stop_ends(text, match):
            yield match.end()


def _newline_ends(text: str, after: int) -> bool:
    """A new line begins a new sentence unless it goes on in lower case, as hard-wrapped text does."""
    following = text[after : after + 1]
    return not following.islower()


def _full_stop_ends(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 14]
    stripped = following.lstrip()[:1]
    if len(match[0]) > 1 and match[0][1] == ".":  # an ellipsis goes on in lower case
        return not stripped.islower()
    before = _WORD_BEFORE.search(text, max(0, match.start() - 24), match.start())
    word = before[0].casefold() if before else ""
    if word in _TITLES or (len(word) == 1 and word.isalpha() and word != "i"):
        return False
    if word in _SHORT_FORMS or ("." in word and len(word) <= 6):
        return stripped.isupper()
    if word.isdigit() and len(word) <= 3:
        at_line_start = text[max(0, match.start() - len(word) - 1) : match.start() - len(word)] in ("", "\n")
        return not at_line_start and not (len(word) <= 2 and _GERMAN_ORDINAL.match(following))
    return True


def _trimmed(text: str, start: int, end: int) -> Iterator[Sentence]:
    """The span without white space around it, cut where it is too long; nothing if it is blank."""
    piece = text[start:end]
    left = start + len(piece) - len(piece.lstrip())
    right = start + len(piece.rstrip())
    while right - left > MAXIMUM_SENTENCE:
        cut = max(
            text.rfind(" ", left, left + MAXIMUM_SENTENCE), text.rfind("\n", left, left + MAXIMUM_SENTENCE)
        )
        cut = cut if cut > left else left + MAXIMUM_SENTENCE
        yield Sentence(left, cut)
        while cut < right and text[cut].isspace():
            cut += 1
        left = cut
    if left < right:
        yield Sentence(left, right)


def _with_lists_whole(text: str, pieces: list[Sentence]) -> list[Sentence]:
    """Join list items with each other and with a line before them that ends in a colon."""
    if not any(_LIST_ITEM.match(text, piece.start) for piece in pieces):
        return pieces
    joined: list[Sentence] = []
    for piece in pieces:
        if joined and _belongs_to_list(text, joined[-1], piece):
            joined[-1] = Sentence(joined[-1].start, piece.end)
        else:
            joined.append(piece)
    return joined


def _belongs_to_list(text: str, before: Sentence, piece: Sentence) -> bool:
    if piece.end - before.start > MAXIMUM_LIST or "\n" not in text[before.end : piece.start + 1]:
        return False
    if not _LIST_ITEM.match(text, piece.start):
        return False
    last_line = max(before.start, text.rfind("\n", before.start, before.end) + 1)
    return text[before.end - 1] == ":" or _LIST_ITEM.match(text, last_line) is not None
