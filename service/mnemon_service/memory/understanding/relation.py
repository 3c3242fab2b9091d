"""Whether a fact and a memory speak of the same thing, measured on words and names."""

from __future__ import annotations

from collections.abc import Callable

from mnemon_service.memory.understanding.plan import Fact
from mnemon_service.model.memory import Memory
from mnemon_service.model.text_analysis import tokenize

Relation = Callable[[Fact, Memory], float]
"""How far a fact and a memory speak of the same thing, 0 to 1. Callers that hold vectors give a cosine."""

MINIMUM_RELATION = 0.2
"""Below this, on `lexical_relation`, a change is refused. Two statements about one person reach about
0.3 by the name alone, statements about different people about different matters 0."""

_EMPTY_WORDS = frozenset(
    tokenize(
        "a an and are as at be been but by for from had has have he her hers him his i in is it its me my of"
        " on or our she so that the their them they this to was we were will with you your not no user"
        " assistant"
        " der die das ein eine und ist sind war hat haben ich du er sie es wir ihr mein sein im in zu mit von"
        " el la los las un una y es son en de que yo su mi con le les il elle et est une des du au aux"
    )
)


def lexical_relation(fact: Fact, memory: Memory) -> float:
    """Shared words over the words of the shorter text; `MINIMUM_RELATION` at least if an entity is shared."""
    mine, theirs = content_words(fact.text), content_words(memory.text)
    shared_names = {_name(entity.name) for entity in fact.entities} & {_name(e.name) for e in memory.entities}
    floor = MINIMUM_RELATION if shared_names else 0.0
    if not mine or not theirs:
        return floor
    return max(floor, len(mine & theirs) / min(len(mine), len(theirs)))


def content_words(text: str) -> frozenset[str]:
    """The tokens of a text that carry meaning: without articles, pronouns and the like."""
    return frozenset(tokenize(text)) - _EMPTY_WORDS


def _name(name: str) -> str:
    return name.strip().casefold()
