"""Named things in a statement: names known in the scope, capitals inside a sentence, quotes, addresses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from mnemon_service.memory.extraction import german_names
from mnemon_service.memory.extraction.calendar import MONTHS
from mnemon_service.memory.extraction.word_lists import words
from mnemon_service.model.memory import Entity

MAXIMUM_ENTITIES: Final = 16
"""Named things kept of one statement."""
MAXIMUM_GUESSES: Final = 2_000
"""Runs of words that may be names: about 500 words of conversation; asking for them takes 2 ms."""
_LONGEST_NAME: Final = 80
_TOKEN: Final = re.compile(r"[\w][\w'’&-]{0,40}")
_UNPARTED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2,60}")

_CAPITALS: Final = re.compile(
    r"(?<![\w'’@./-])[A-Z][\w'’+&-]{0,30}(?:(?: (?:of|the|de|da|di|von|van|del|la|for) |"
    r"[ ])[A-Z][\w'’+&-]{0,30}){0,4}"
)
_QUOTED: Final = re.compile(
    r"\"([^\"\n]{2,80})\"|„([^“”\n]{2,80})[“”]|“([^”\n]{2,80})”|「([^」\n]{2,80})」|『([^』\n]{2,80})』|«([^»\n]{2,80})»|"
    r"《([^》\n]{2,80})》"
)
_ADDRESS: Final = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}|\bhttps?://[^\s<>\"]{1,300}|"
    r"\bwww\.[^\s<>\"]{1,300}"
)
_NO_NAMES: Final = words("""
    i i'm i've i'll i'd ok okay yes no yeah wow oh hey hi hello thanks thank please sorry lol omg btw
    haha mr mrs ms dr monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu
    thurs fri sat sun am pm the a an this that these those it it's my your our their his her he she we
    they you there here what when where why how who which so and but or if because also just then well
    can't don't glad great good nice can could would should not all some any every one after before
    since while during although though as at in on for with from to by of is was are were have has had
    do does did will may let let's look check user assistant asked tv pc
""") | {month.casefold() for month in MONTHS}
_PLACE_BEFORE: Final = re.compile(
    r"\b(?:live[sd]? in|living in|moved (?:back )?to|moving to|travel(?:l?ed|l?ing|s)? to|trip to|"
    r"fl(?:ew|ying) to|"
    r"visit(?:ed|ing|s)?|born in|from|based in|stay(?:ed|ing) in|vacation (?:in|to)|tour(?:ed)? (?:of|"
    r"in)|went to|been to)\s(?:the )?\Z"
)
_ORGANIZATION_BEFORE: Final = re.compile(
    r"\b(?:work(?:s|ed|ing)? (?:at|for)|job (?:at|with)|joined|hired by|employed (?:at|by)|intern(?:ed|"
    r"ship)? (?:at|with)|"
    r"stud(?:y|ies|ied|ying) at|signed with|interview(?:ed)? (?:at|with))\s(?:the )?\Z"
)


def find(
    text: str, people: Collection[str], language: str, known: Collection[Entity] = ()
) -> tuple[Entity, ...]:
    """The named things of a text in order of place, each once, at most `MAXIMUM_ENTITIES`.

    `people` of the conversation count wherever they stand, also in lower case. `known` in the scope counts
    as it is spelled there: "will" is not Will. Capitals alone say nothing in German, where every noun has
    one: see `german_names`.
    """
    found: dict[str, tuple[int, Entity]] = {}

    def add(start: int, name: str, kind: str) -> None:
        key = name.casefold()
        if 1 < len(name) <= _LONGEST_NAME and key not in found:
            found[key] = (start, Entity(name, kind))

    for name in people:
        if (place := _place_of(name, text)) >= 0:
            add(place, name, "PERSON")
    for entity in sorted(known, key=lambda one: -len(one.name)):
        if (place := _place_of(entity.name, text, as_spelled=True)) >= 0 and not _within(entity.name, found):
            add(place, entity.name, entity.type)
    for start, name in _marked(text):
        add(start, name, "")
    for start, name, kind in german_names.find(text) if language == "de" else _by_capitals(text):
        if not _within(name, found):
            add(start, name, kind)
    ordered = sorted(found.values(), key=lambda one: one[0])
    return tuple(entity for _, entity in ordered[:MAXIMUM_ENTITIES])


def names_that_may_be(texts: Iterable[str]) -> list[str]:
    """Every run of one to four words of the texts, and of two to six signs where words are not parted by
    spaces: what to ask for when looking for known names. At most `MAXIMUM_GUESSES`."""
    found: dict[str, None] = {}
    for text in texts:
        tokens = [match[0].strip("'’-") for match in _TOKEN.finditer(text)]
        for start in range(len(tokens)):
            for length in range(1, 5):
                found[" ".join(tokens[start : start + length])] = None
            if len(found) > MAXIMUM_GUESSES:
                return list(found)[:MAXIMUM_GUESSES]
        for match in _UNPARTED.finditer(text):
            run = match[0]
            found |= dict.fromkeys(run[at : at + size] for at in range(len(run)) for size in range(2, 7))
    return list(found)[:MAXIMUM_GUESSES]


def _within(name: str, found: Collection[str]) -> bool:
    """Whether a name is part of one that was found."""
    return any(name.casefold() in key for key in found)


def _marked(text: str) -> Iterator[tuple[int, str]]:
    """Addresses, and what stands in quotes."""
    for match in _ADDRESS.finditer(text):
        yield match.start(), match[0].rstrip(".,;:!?)'\"")
    for match in _QUOTED.finditer(text):
        yield match.start(), next(group for group in match.groups() if group).strip(" .,!?")


def _by_capitals(text: str) -> Iterator[tuple[int, str, str]]:
    for match in _CAPITALS.finditer(text):
        for start, name in _names(match, text):
            yield start, name, _kind(text, start)


def _place_of(name: str, text: str, *, as_spelled: bool = False) -> int:
    """Where a name stands as a word of its own, -1 if nowhere. Scripts without spaces match anywhere."""
    if not as_spelled:
        name, text = name.casefold(), text.casefold()
    start = text.find(name)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(name) : start + len(name) + 1]
        if not name.isascii() or not (before.isalnum() or after.isalnum()):
            return start
        start = text.find(name, start + 1)
    return -1


def _names(match: re.Match[str], text: str) -> list[tuple[int, str]]:
    """The name in a run of capitals, without words that are only written large."""
    start, name = match.start(), match[0]
    if _begins_sentence(text, start):
        first, _, rest = name.partition(" ")
        if not rest:
            return []
        if first.casefold() in _NO_NAMES:
            start, name = start + len(first) + 1, rest
    while name and name.partition(" ")[0].casefold() in _NO_NAMES:
        first, _, name = name.partition(" ")
        start += len(first) + 1
    name = re.sub(r"['’]s\Z", "", name)
    shouted = name.isupper() and " " in name
    return [(start, name)] if name[:1].isupper() and not shouted else []


def _begins_sentence(text: str, start: int) -> bool:
    before = text[max(0, start - 4) : start].rstrip(" \"“'(*-\n")
    return not before or before[-1] in ".!?…:\n–"


def _kind(text: str, start: int) -> str:
    before = text[max(0, start - 40) : start]
    if _ORGANIZATION_BEFORE.search(before):
        return "ORGANIZATION"
    return "PLACE" if _PLACE_BEFORE.search(before) else ""
