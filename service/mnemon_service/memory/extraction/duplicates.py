"""Whether two statements say the same, without a model that reads them.

Vectors alone cannot tell: on the pairs in `tests/quality/extraction/pairs.json`, all-MiniLM-L6-v2 gives
"Ana prefers tea to coffee" and "Ana prefers coffee to tea" 0.995, "Ana is training for a marathon" and
"Ana trains for a marathon" 0.869. So two statements count as one only if, besides being near, they use the
same words of meaning (stems, with common synonyms as one) and agree on everything that turns a meaning
round: negations, numbers, names and their order, tense, direction. What is in doubt is not a duplicate: a
fact kept twice costs a line, a fact taken for another is lost.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from mnemon_service.memory.extraction.agreement import is_past
from mnemon_service.memory.extraction.word_lists import words
from mnemon_service.model.text_analysis import tokenize

MINIMUM_COSINE: Final = 0.85
"""Below this, statements are never near duplicates."""
MINIMUM_OVERLAP: Final = 1.0
"""Least share of words of meaning in common (Jaccard index of stems) for a near duplicate."""

_PUNCTUATION: Final = re.compile(r"[^\w\s]|_")
_ARTICLES: Final = re.compile(r"\b(?:the|an|a)\b")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:/-]\d+)*")

_TURNING: Final = words("""
    not no never none nobody nothing neither nor cannot without hardly barely rarely seldom stop stopped quit
    anymore longer except unless instead former formerly ex
    will would going gonna used wanted wants want plan plans planned planning hope hopes hoped hoping might
    may maybe perhaps should could almost
    from before after over under against off out up down than until till since
    left right
""")
"""Words that must be in both statements or in neither."""
_LIGHT: Final = words("""
    a an the is are was were be been being am has have had having do does did go goes went gone get gets got
    to of in on at for with and or that this these those there here which who it its as by so too also just
    really very currently now still already quite actually always own any some
    his her their he she they him them you your my mine i me we us our whose
    own owns called named name while
    not no never none cannot will would going s
""")
"""Words that carry no meaning of their own, or that are compared elsewhere."""
_DIRECTIONS: Final = words("to than from over for by with")
_NO_VERBS: Final = words("scared frightened called named married used tired interested excited")
"""Words that look like the past of a verb and most often are none."""
_UNORDERED: Final = words("""
    monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays
    saturdays sundays january february march april may june july august september october november december
""")
_PRONOUNS: Final = words("his her their he she they him them you your it its")
_NUMBERS: Final = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "first": "1", "second": "2",
    "third": "3", "fourth": "4", "fifth": "5", "once": "1", "twice": "2", "both": "2", "half": "half",
    "couple": "2", "dozen": "12", "several": "several", "many": "many", "few": "few",
}  # fmt: skip
_SYNONYMS: Final = {
    word: group[0]
    for group in (
        ("buy", "bought", "purchase", "purchased", "buys", "buying", "purchasing"),
        ("like", "love", "enjoy", "likes", "loves", "enjoys", "liking", "loving", "enjoying"),
        ("afraid", "scared", "frightened"),
        ("film", "movie"), ("favourite", "favorite", "fave"), ("colour", "color"),
        ("begin", "start", "started", "starts", "begins", "began"),
        ("child", "kid"), ("children", "kids"), ("mother", "mom", "mum"), ("father", "dad"),
        ("big", "large"), ("flat", "apartment"), ("car", "automobile"), ("holiday", "vacation"),
        ("teach", "teacher", "teaches", "teaching"), ("volunteer", "volunteers", "volunteering"),
        ("analyse", "analysis", "analyze", "analyses"), ("live", "reside", "lives", "living", "resides"),
        ("travel", "journey", "trip"), ("speak", "talk"), ("job", "profession", "occupation"),
        ("physician", "doctor"), ("student", "study", "studies", "studying"),
    )
    for word in group
}  # fmt: skip


def normalised(text: str) -> str:
    """The text for comparing: NFKC, case folded, without punctuation, articles and extra space."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("'", "")
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(" ", folded)).split())


def fingerprint(text: str) -> str:
    """32 hexadecimal digits, equal for texts that are equal once normalised."""
    return hashlib.blake2b(normalised(text).encode(), digest_size=16).hexdigest()


def is_near_duplicate(text_a: str, text_b: str, cosine: float) -> bool:
    """True if both texts make the same statement: normalised they are equal, or near in every way.

    `cosine` is the similarity of their vectors, -1 to 1. The order of the texts does not matter.
    """
    if normalised(text_a) == normalised(text_b):
        return True
    if cosine < MINIMUM_COSINE:
        return False
    a, b = _reading(text_a), _reading(text_b)
    return a.overlap(b) >= MINIMUM_OVERLAP and a.agrees_with(b)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a statement is compared by."""

    order: tuple[str, ...]
    """All its words, folded."""
    names: frozenset[str]
    """Those that stand inside it with a capital, and its speakers without a name."""
    stems: frozenset[str]
    turning: frozenset[str]
    numbers: tuple[tuple[str, int], ...]
    directions: Mapping[str, str]
    """The word of meaning after each word of direction: "to" whom, "than" what."""
    pronouns: frozenset[str]
    past: bool

    def overlap(self, other: _Reading) -> float:
        """The Jaccard index of the words of meaning, 1 for two without any."""
        union = self.stems | other.stems
        return len(self.stems & other.stems) / len(union) if union else 1.0

    def agrees_with(self, other: _Reading) -> bool:
        """True if nothing turns the meaning of one against the other."""
        return (
            self.turning == other.turning
            and self.numbers == other.numbers
            and self.past == other.past
            and (self.pronouns == other.pronouns or not (self.pronouns and other.pronouns))
            and self._names_in_order_of(other)
            and all(other.directions.get(word, after) == after for word, after in self.directions.items())
        )

    def _names_in_order_of(self, other: _Reading) -> bool:
        """Since "Ana pays Bob" is not "Bob pays Ana". Names that "and" joins have no order."""
        names = (self.names | other.names) - _UNORDERED
        mine = [word for word in self.order if word in names]
        theirs = [word for word in other.order if word in names]
        if mine == theirs:
            return True
        return Counter(mine) == Counter(theirs) and self._joins(names) and other._joins(names)

    def _joins(self, names: frozenset[str]) -> bool:
        places = [place for place, word in enumerate(self.order) if word in names]
        return all(self.order[a + 1 : b] == ("and",) for a, b in pairwise(places))


@lru_cache(maxsize=4096)
def _reading(text: str) -> _Reading:
    found = [word.replace("’", "'") for word in _WORD.findall(unicodedata.normalize("NFKC", text))]
    folded = [word.casefold() for word in found]
    plain = [word.removesuffix("'s") for word in folded]
    meaning = [word for word in plain if not (word in _LIGHT or _number(word) or _turn(word) == "not")]
    capitals = {word for word, written in zip(plain[1:], found[1:], strict=True) if written[0].isupper()}
    return _Reading(
        order=tuple(plain),
        names=frozenset(capitals | {"user", "assistant"}),
        stems=frozenset(stem for word in meaning for stem in _stems(word)),
        turning=frozenset(turn for word in folded if (turn := _turn(word))),
        numbers=tuple(sorted(Counter(number for word in plain if (number := _number(word))).items())),
        directions=_directions(plain),
        pronouns=frozenset(word for word in plain if word in _PRONOUNS),
        past=any(is_past(word) for word in plain if word not in _NO_VERBS),
    )


@lru_cache(maxsize=8192)
def _stems(word: str) -> tuple[str, ...]:
    return tuple(tokenize(_SYNONYMS.get(word, word)))


def _turn(word: str) -> str:
    """The word as it turns a meaning, or nothing: "don't" and "not" turn it alike."""
    if word.endswith("n't") or word in ("not", "no", "never", "cannot"):
        return "not"
    return word if word in _TURNING else ""


def _number(word: str) -> str:
    return word if word[0].isdigit() else _NUMBERS.get(word, "")


def _directions(plain: Sequence[str]) -> dict[str, str]:
    after: dict[str, str] = {}
    for place, word in enumerate(plain):
        if word in _DIRECTIONS:
            following = (other for other in plain[place + 1 :] if other not in _LIGHT)
            after[word] = " ".join(_stems(next(following, "")))
    return after
