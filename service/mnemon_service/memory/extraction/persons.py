"""Who "I" is: the speaker's name in place of the first person, in English.

"I'm moving" becomes "Ana is moving", "my sister and I" "Ana's sister and Ana", "we" "Ana and others".
Quoted words, code and addresses stay as they were said. A sentence that names no first person gets the
speaker before it: "Lost my keys" becomes "Ana lost Ana's keys", "Great weather here." "Ana: Great
weather here."
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mnemon_service.memory.extraction.agreement import ADVERBS, had_or_would, is_past, third_person
from mnemon_service.memory.extraction.protected import Protected
from mnemon_service.memory.extraction.word_lists import words
from mnemon_service.model.memory import Role

_FIRST_PERSON: Final = re.compile(
    r"(?<![\w'’.@/#-])(?P<word>(?:I|we)['’](?:m|ve|d|ll|re)|im|ive|I|we|myself|my|mine|me|ourselves|ours|"
    r"our|us)"
    r"(?![\w@/]|['’]\w|\.\w|-\w)",
    re.IGNORECASE,
)
_FOLLOWING: Final = re.compile(r"\s{1,3}([A-Za-z]{1,20}(?:['’][A-Za-z]{1,3})?)")
_NUMERAL_BEFORE: Final = re.compile(
    r"\b(?:war|type|part|chapter|phase|level|class|stage|section|article|volume|act|book|elizabeth|"
    r"division)\s\Z",
    re.IGNORECASE,
)
_SHARED_SUBJECT: Final = re.compile(
    r"(?:\A|[,.;:!?–-] ?|\b(?:that|when|because|if|while|since|where|and|so|but)\s)"
    r"(?:(?:my|our|the|his|her|their)\s(?:\w{1,20}\s){1,3}|[A-Z][\w'’-]{0,20}\s|both\s)and\s\Z",
    re.IGNORECASE,
)
_ELIDED: Final = re.compile(
    r"(?P<opening>(?:(?:just|also|recently|finally|actually|already|still|currently|btw|oh|well|so|"
    r"anyway|and|but|"
    r"definitely|really)[, ]{1,2}){0,3})(?P<verb>[A-Za-z]{2,20}(?:['’]t)?)(?=[\s,.!])",
    re.IGNORECASE,
)
_FINITE: Final = re.compile(r"\b(?:is|was|are|were|has|helps?|makes?|made|feels?|can|will|would|means?)\b")
_VERB_FIRST: Final = re.compile(r"\b(?:do|am|have|don['’]t|haven['’]t)(?= \Z)")
"""A verb that stands right before "I": "so do I", "am I"."""
_STATES: Final = words("""
    excited thrilled pumped stoked proud glad happy sad sorry grateful thankful tired nervous psyched honored
    honoured obsessed worried interested inspired motivated determined relieved blessed delighted
""")
_PLAIN_PRESENT: Final = words("love hate hope wish prefer miss can't cannot couldn't didn't haven't wasn't")
_NO_PARTICIPLES: Final = words("""
    nothing something everything anything morning evening during spring according regarding including
""")


@dataclass(frozen=True, slots=True)
class Speaker:
    """How a speaker is written in a fact."""

    name: str
    """Their name, or "the user" or "the assistant"."""
    known: bool
    """True if the caller gave the name."""

    @classmethod
    def of(cls, name: str, role: Role) -> Speaker:
        """The speaker of a message; without a name the role stands in for it."""
        name = " ".join(name.split())
        if name:
            return cls(name, known=True)
        return cls("the assistant" if role is Role.ASSISTANT else "the user", known=False)

    @property
    def possessive(self) -> str:
        """ "Ana's"."""
        return f"{self.name}'s"

    @property
    def group(self) -> str:
        """What "we" becomes: who the others are cannot be told without reading on."""
        return f"{self.name} and others"


def resolve(sentence: str, speaker: Speaker) -> str:
    """An English sentence with the first person replaced by the speaker's name."""
    sentence = _with_subject(sentence, speaker)
    protected = Protected(sentence)
    pieces: list[str] = []
    position = 0
    for match in _FIRST_PERSON.finditer(sentence):
        if match.start() < position or protected.covers(match.start()) or _is_no_person(match):
            continue
        words_for, end = _replacement(match, speaker)
        before = sentence[position : match.start()]
        if match["word"] in ("I", "i"):
            before = _VERB_FIRST.sub(lambda verb: third_person(verb[0]), before)
        pieces += (before, words_for)
        position = end
    pieces.append(sentence[position:])
    return _capitalised("".join(pieces), speaker)


def introduced(text: str, speaker: Speaker) -> str:
    """The text with the speaker before it, as "Ana: …", unless it names them already."""
    if re.search(rf"(?<!\w){re.escape(speaker.name)}(?!\w)", text, re.IGNORECASE):
        return text
    name = speaker.name if speaker.known else speaker.name.capitalize()
    return f"{name}: {text}"


def has_first_person(sentence: str) -> bool:
    """True if an English sentence speaks of the speaker."""
    return any(not _is_no_person(match) for match in _FIRST_PERSON.finditer(sentence))


def _is_no_person(match: re.Match[str]) -> bool:
    """ "World War I", "i)" in a list, the country "US"."""
    word, text = match["word"], match.string
    if word == "US":
        return True
    if word in ("I", "i"):
        if text[match.end() : match.end() + 1] in (")", "]") or (
            word == "i" and text[match.end() :][:1] == "."
        ):
            return True
        return _NUMERAL_BEFORE.search(text, max(0, match.start() - 12), match.start()) is not None
    return False


def _replacement(match: re.Match[str], speaker: Speaker) -> tuple[str, int]:
    """What the first person becomes, and where in the sentence what it replaces ends."""
    word = match["word"].casefold().replace("’", "'")
    if word == "i":
        return _subject(match, speaker)
    fixed = {
        "me": speaker.name, "my": speaker.possessive, "mine": speaker.possessive, "myself": "themselves",
        "we": speaker.group, "us": speaker.group, "our": speaker.possessive, "ours": speaker.possessive,
        "ourselves": "themselves", "i'm": f"{speaker.name} is", "im": f"{speaker.name} is",
        "i've": f"{speaker.name} has", "ive": f"{speaker.name} has", "i'll": f"{speaker.name} will",
        "we're": f"{speaker.group} are", "we've": f"{speaker.group} have", "we'll": f"{speaker.group} will",
    }.get(word)  # fmt: skip
    if fixed is not None:
        return fixed, match.end()
    following = _FOLLOWING.match(match.string, match.end())
    had = had_or_would(following[1]) if following else "would"
    return f"{speaker.name if word[0] == 'i' else speaker.group} {had}", match.end()


def _subject(match: re.Match[str], speaker: Speaker) -> tuple[str, int]:
    """ "I" with the verb after it, over adverbs: "I really like" becomes "Ana really likes"."""
    sentence, end = match.string, match.end()
    before = sentence[max(0, match.start() - 90) : match.start()]
    inverted = _inverted(before)
    if inverted or _SHARED_SUBJECT.search(before):
        return speaker.name, end
    position = end
    for _ in range(4):
        following = _FOLLOWING.match(sentence, position)
        if following is None:
            break
        word = following[1]
        if word.casefold() not in ADVERBS:
            verb = third_person(word)
            return f"{speaker.name}{sentence[end : following.start(1)]}{verb}", following.end(1)
        position = following.end(1)
    return speaker.name, end


def _inverted(before: str) -> bool:
    """True after "do", "am", "have" and the like: the verb came first."""
    last = before.rstrip().rsplit(" ", 1)[-1].casefold()
    return last in (
        "do",
        "did",
        "am",
        "was",
        "have",
        "had",
        "can",
        "could",
        "should",
        "would",
        "will",
        "don't",
        "didn't",
    )


def _with_subject(sentence: str, speaker: Speaker) -> str:
    """The sentence with the subject that spoken English leaves out: "Still looking" → "I'm still looking"."""
    match = _ELIDED.match(sentence)
    if match is None:
        return sentence
    subject = _elided_subject(match["verb"], sentence[match.end() :])
    if subject is None:
        return sentence
    verb, rest = match["verb"], sentence[match.end() :]
    verb = verb if verb.isupper() and len(verb) > 1 else verb[:1].lower() + verb[1:]
    opening, adverbs = _opening(match["opening"])
    return f"{opening}{subject}{adverbs}{_EXPANDED.get(verb.casefold(), verb)}{rest}"


def _opening(text: str) -> tuple[str, str]:
    """What stands before the verb, parted: words before a subject ("oh, well, "), then adverbs after it."""
    before: list[str] = []
    adverbs: list[str] = []
    for word in text.split():
        inner = word.casefold()
        (adverbs if inner in ADVERBS and inner != "actually" else before).append(word)
    after = "".join(f"{word.casefold()} " for word in adverbs)
    return "".join(f"{word} " for word in before), after


_EXPANDED: Final = {"gonna": "going to", "gotta": "have to", "wanna": "want to"}
_PAST_AS_ADJECTIVE: Final = words("used interested based united limited advanced needed said left lit felt")


def _elided_subject(verb: str, rest: str) -> str | None:
    """What to put before a sentence that begins with this word; None if it has its subject."""
    word = verb.casefold()
    if word in _PLAIN_PRESENT or word in ("gotta", "wanna"):
        return "I "
    if word in _STATES or word == "gonna":
        return "I'm "
    if word == "been":
        return "I've "
    if (
        word.endswith("ing")
        and len(word) > 5
        and word
        not in ("nothing", "something", "everything", "anything", "morning", "evening", "during", "spring")
    ):
        return "I'm " if not _FINITE.search(rest[:80]) else None
    if (
        is_past(word)
        and word not in _PAST_AS_ADJECTIVE
        and not rest.lstrip().lower().startswith(("i ", "we ", "you "))
    ):
        return "I "
    return None


def _capitalised(sentence: str, speaker: Speaker) -> str:
    if not speaker.known and sentence.startswith(speaker.name):
        return sentence[:1].upper() + sentence[1:]
    return sentence
