"""English verbs after "I", made to agree with a name: "I love" becomes "Ana loves".

Simple rules, no grammar: auxiliaries by table, past forms and particles stay, everything else gets its -s.
A verb joined by "and" further on keeps its form ("Ana loves tea and hate coffee").
"""

from __future__ import annotations

import re
from typing import Final

from mnemon_service.memory.extraction.word_lists import words

_AUXILIARIES: Final = {
    "am": "is", "have": "has", "do": "does", "don't": "doesn't", "dont": "doesn't", "haven't": "hasn't",
    "havent": "hasn't", "were": "was", "weren't": "wasn't", "are": "is", "aren't": "isn't", "ain't": "isn't",
}  # fmt: skip
_IRREGULAR_PAST: Final = words("""
    was had did went got made took saw came knew thought felt found gave told said left kept began became
    brought bought built caught chose did drank drove ate fell fought flew forgot forgave froze grew heard
    held hid lost led lent meant met paid ran rode rose sold sent shook showed shot slept spoke spent stood
    swam swore taught threw understood woke wore won wrote broke sang sank sat stole stuck struck swept tore
    drew dealt dreamt learnt blew bit bled bred crept dug fled hung knelt laid lay leant lit overcame
    redid shone shrank slid spun sprang stank stung undertook withdrew wound ended used burnt
    skyped hadn't didn't wasn't couldn't wouldn't shouldn't mustn't can't won't isn't
""")
_SAME_IN_PAST: Final = words(
    "read put set cut hit let hurt quit cost shut split spread beat cast burst broadcast"
)
_NOT_AFTER_S: Final = words("""
    can could will would shall should may might must cannot ought gonna wanna gotta need't
    to and or but nor at in on for with of from by as than that this these those the a an if when because
    while so not is been being no who which where what how why myself
    too either neither both all alone personally
""")
_BASE_IN_ED: Final = words("need feed seed speed bleed breed heed succeed proceed exceed weed embed shed wed")
ADVERBS: Final = words("""
    just really always never also still often usually actually finally recently only even ever already
    definitely probably totally absolutely truly honestly sometimes rarely once first then now kinda
    sorta mostly mainly generally currently normally typically simply especially literally certainly
    obviously deeply fully completely highly genuinely sincerely seriously quickly suddenly almost both
    mainly regularly occasionally basically hardly barely initially eventually previously originally
""")
_PARTICIPLES: Final = words("""
    been gone seen done got gotten had made taken known thought felt found given told said left kept begun
    become brought bought built caught chosen drunk driven eaten fallen fought flown forgotten grown heard
    held hidden lost led lent meant met paid ridden risen sold sent slept spoken spent stood taught thrown
    understood woken worn won written broken better come run never always just already
""")
_SIBILANT: Final = re.compile(r"(?:s|x|z|ch|sh|[^aeiou]o)\Z")


def third_person(verb: str) -> str:
    """The form of a verb that follows a name, for the form that follows "I"; case is kept for the rest."""
    word = verb.casefold().replace("’", "'")
    if word in _AUXILIARIES:
        return _AUXILIARIES[word]
    if word in _IRREGULAR_PAST or word in _SAME_IN_PAST or word in _NOT_AFTER_S or word in ADVERBS:
        return verb
    if "'" in word or not word.isalpha() or word.endswith(("ing", "ly")) or not verb[:1].islower():
        return verb
    if word.endswith("ed") and len(word) > 3 and word not in _BASE_IN_ED:
        return verb
    if _SIBILANT.search(word):
        return verb + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def is_past(verb: str) -> bool:
    """True for words that can only be, or most often are, a verb in the past tense."""
    word = verb.casefold()
    if word in _IRREGULAR_PAST or word in ("were",):
        return True
    return word.endswith("ed") and len(word) > 3 and word not in _BASE_IN_ED


def had_or_would(following: str) -> str:
    """What "'d" stands for before this word: "had" before a participle, else "would"."""
    word = following.casefold()
    return "had" if word in _PARTICIPLES or is_past(word) else "would"
