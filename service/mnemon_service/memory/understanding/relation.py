"""Whether a fact and a memory speak of the same thing, measured on words and names."""

from __future__ import annotations

from collections.abc import Callable

from mnemon_service.memory.understanding.plan import Fact
from mnemon_service.model.memory import Memory
from mnemon_service.model.text_analysis import tokenize

Relation = Callable[[Fact, Memory], float]
"""How far a fact and a memory speak of the same thing, 0 to 1. Callers that hold vectors give a cosine."""

MINIMUM_RELATION = 0.2
"""Below this, on `lexical_relation`, a change is refused."""

_EMPTY_WORDS = frozenset(
    tokenize(
        "a an and are as at be been but by for from had has have he her hers him his i in is it its me my of"
        " on or our she so that the their them they this to was we were will with you your not no"
        " der die das ein eine und ist sind war hat haben ich du er sie es wir ihr mein sein im in zu mit von"
        " el la los las un una y es son en de que yo su mi con le les il elle et est une des du au aux"
    )
)
_SPEAKER_WORDS = frozenset(
    tokenize(
        "user nutzer benutzer usuario utilisateur utente gebruiker пользователь 用户 用戶 ユーザー 사용자"
    )
)
"""How a model calls a speaker without a name: "The user lives in Berlin"."""
_ROLE_WORDS = _SPEAKER_WORDS | frozenset(tokenize("assistant assistent asistente"))


def lexical_relation(fact: Fact, memory: Memory) -> float:
    """Shared words over the words of the shorter text; `MINIMUM_RELATION` at least if a name is shared.

    A name is shared if an entity of one is named in the text of both, or if both texts speak of the
    same speaker, by name or as "the user". So a statement may replace any other about the same
    person (whether it says something about the same matter is for the model to judge), but none
    about somebody else.
    """
    mine, theirs = content_words(fact.text), content_words(memory.text)
    floor = MINIMUM_RELATION if _share_a_name(fact, memory) or _same_speaker(fact, memory) else 0.0
    if not mine or not theirs:
        return floor
    return max(floor, len(mine & theirs) / min(len(mine), len(theirs)))


def content_words(text: str) -> frozenset[str]:
    """The tokens of a text that carry meaning: without articles, pronouns and the like."""
    return frozenset(tokenize(text)) - _EMPTY_WORDS


def has_meaning(text: str) -> bool:
    """Whether a text says more than pronouns, articles and "the user" do."""
    return bool(content_words(text) - _ROLE_WORDS)


def _share_a_name(fact: Fact, memory: Memory) -> bool:
    mine, theirs = fact.text.casefold(), memory.text.casefold()
    names = {entity.name.strip().casefold() for entity in (*fact.entities, *memory.entities)}
    return any(name and name in mine and name in theirs for name in names)


def _same_speaker(fact: Fact, memory: Memory) -> bool:
    """Whether both texts speak of the one speaker; someone unnamed may be the one whose name is known now."""
    mine, theirs = fact.attributed_to.casefold(), memory.attributed_to.casefold()
    if mine and theirs and mine != theirs:
        return False
    calls = _SPEAKER_WORDS | frozenset(tokenize(mine or theirs))
    return bool(calls & frozenset(tokenize(fact.text))) and bool(calls & frozenset(tokenize(memory.text)))
