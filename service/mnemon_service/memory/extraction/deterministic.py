"""The extractor that needs no model: what a conversation says, sentence by sentence, made to stand alone.

What it does: cuts messages into sentences; drops questions, thanks, greetings, requests and bare
acknowledgements; puts the speaker's name for "I", "my" and "we"; resolves relative dates against the time
of the message and writes them after the phrase; finds named things; merges what is said twice in the same
words; keeps for each fact the exact words and says of everything else why it was left out.

What it does not: it understands nothing. It cannot tell a fact from a joke that nobody took back, a plan
from what came of it, or that a new statement contradicts an old one, and so it never updates or deletes a
memory. "He", "she", "they", "it" and "you" stay as they are, except that a sentence which leans on the one
before it is kept together with it. Statements in other languages than English keep their first person and
get the speaker's name before them. `categories` stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

from mnemon_service.memory.extraction import (
    chatter,
    dates,
    duplicates,
    entities,
    language,
    persons,
    sentences,
)
from mnemon_service.memory.extraction.agreement import is_past
from mnemon_service.memory.extraction.dates import DatedPhrase
from mnemon_service.memory.extraction.facts import Dropped, Evidence, ExtractedFact, Extraction
from mnemon_service.memory.extraction.persons import Speaker
from mnemon_service.memory.extraction.sentences import Sentence
from mnemon_service.model.memory import MemoryType, Role
from mnemon_service.model.message import Message

VERSION: Final = "deterministic/1"
"""Stored with each memory as its extractor; changes whenever the same messages could give other facts."""
MAXIMUM_PASSAGE: Final = 320
"""Characters up to which sentences that lean on each other stay one fact."""
MAXIMUM_ASSISTANT_PASSAGE: Final = 480
"""The same for an assistant, whose sentences of one answer belong together."""

_LEANS_BACK: Final = re.compile(
    r"(?:(?:and|but|so|then|also|plus|oh|well|yeah)[,]? )?(?:it|it['’]s|its|they|they['’]re|their|them|that|that['’]s|this|these|those|"
    r"he|he['’]s|she|she['’]s|his|her|there|both|which|because|especially)\b",
    re.IGNORECASE,
)
_HEDGED: Final = re.compile(
    r"\b(?:maybe|perhaps|might|not sure|i guess|i think|probably|possibly|kind of)\b", re.IGNORECASE
)


@dataclass(slots=True)
class _Draft:
    """Adjacent sentences of one message that will be one fact."""

    message: Message
    speaker: Speaker
    language: str
    said_on: date
    spans: list[Sentence] = field(default_factory=list)

    @property
    def quote(self) -> str:
        return self.message.content[self.spans[0].start : self.spans[-1].end]


def extract(messages: Sequence[Message], *, known_names: Collection[str] = (), now: datetime) -> Extraction:
    """Every statement that may carry a fact, in the order of the conversation, and all that was left out.

    Relative dates count from a message's `observed_time`, or from `now` where it has none. `known_names`
    are names known in the scope; they help to find entities. System and tool messages, and text the agent
    recalled from memory, are never extracted. Equal input gives equal output; nothing is raised for any text.
    """
    drafts: list[_Draft] = []
    dropped: list[Dropped] = []
    people = frozenset(name for message in messages if (name := " ".join(message.name.split())))
    called = _forms_of_address(people)
    spoken = language.UNKNOWN
    for message in messages:
        if why := _why_whole(message):
            dropped.append(Dropped(message.id, message.content, why))
            continue
        spoken = language.detect(message.content, spoken or "en")
        _read(message, spoken, called, drafts, dropped, now)
    names = people | {name for name in known_names if name.strip()}
    facts = _without_repeats(_fact(draft, names) for draft in drafts)
    return Extraction(tuple(facts), tuple(dropped))


def _why_whole(message: Message) -> str | None:
    """Why no word of a message is extracted, or None if it is to be read."""
    if message.recalled:
        return "recalled from memory"
    if message.role is Role.SYSTEM:
        return "system message"
    if message.role is Role.TOOL:
        return "tool output"
    return None


def _forms_of_address(people: Collection[str]) -> frozenset[str]:
    """The names of those who take part, in lower case, with their short forms: "Mel" for "Melanie"."""
    parts = {part for name in people for part in name.casefold().split()}
    return frozenset(part[:length] for part in parts for length in range(min(3, len(part)), len(part) + 1))


def _read(
    message: Message,
    spoken: str,
    called: frozenset[str],
    drafts: list[_Draft],
    dropped: list[Dropped],
    now: datetime,
) -> None:
    """Read one message: its statements go to `drafts`, the rest to `dropped`."""
    speaker = Speaker.of(message.name, message.role)
    said_on = (message.observed_time or now).date()
    open_draft: _Draft | None = None
    for span in sentences.split(message.content):
        sentence = message.content[span.start : span.end]
        if chatter.is_retraction(sentence):
            _take_back(drafts, dropped, speaker)
            dropped.append(Dropped(message.id, sentence, chatter.JOKE))
            open_draft = None
        elif why := chatter.why_chatter(sentence, message.role, spoken, called):
            dropped.append(Dropped(message.id, sentence, why))
            open_draft = None
        elif open_draft is not None and _stays_with(open_draft, sentence, span):
            open_draft.spans.append(span)
        else:
            open_draft = _Draft(message, speaker, spoken, said_on, [span])
            drafts.append(open_draft)


def _take_back(drafts: list[_Draft], dropped: list[Dropped], speaker: Speaker) -> None:
    """Drop the last thing the speaker said: it was a joke."""
    if not drafts or drafts[-1].speaker != speaker:
        return
    last = drafts[-1].spans.pop()
    message = drafts[-1].message
    dropped.append(Dropped(message.id, message.content[last.start : last.end], chatter.JOKE))
    if not drafts[-1].spans:
        drafts.pop()


def _stays_with(draft: _Draft, sentence: str, span: Sentence) -> bool:
    """True if a sentence is better kept with the ones before it than alone."""
    length = span.end - draft.spans[0].start
    if draft.message.role is Role.ASSISTANT:
        return length <= MAXIMUM_ASSISTANT_PASSAGE
    return length <= MAXIMUM_PASSAGE and (
        sentence.startswith("```") or _LEANS_BACK.match(sentence) is not None
    )


def _fact(draft: _Draft, names: Collection[str]) -> ExtractedFact:
    content, english = draft.message.content, draft.language == "en"
    written: list[str] = []
    found: list[DatedPhrase] = []
    for span in draft.spans:
        sentence = content[span.start : span.end]
        phrases = dates.find(sentence, draft.said_on)
        found += phrases
        sentence = _with_dates(sentence, phrases)
        written.append(persons.resolve(sentence, draft.speaker) if english else sentence)
    text = persons.introduced(" ".join(" ".join(written).split()), draft.speaker)
    return ExtractedFact(
        text=text,
        original=" ".join(draft.quote.split()),
        message_id=draft.message.id,
        quote=draft.quote,
        role=draft.message.role,
        attributed_to=draft.speaker.name if draft.speaker.known else draft.message.role.value.lower(),
        entities=entities.find(text, names),
        event_time=found[0].moment.event_time if found else None,
        type=_type(draft, found),
        categories=(),
        confidence=_confidence(draft),
    )


def _with_dates(sentence: str, phrases: Sequence[DatedPhrase]) -> str:
    """The sentence with each date written after the phrase that names it: "yesterday (7 May 2023)"."""
    for phrase in reversed(phrases):
        if not phrase.complete:
            sentence = f"{sentence[: phrase.end]} ({phrase.moment.wording}){sentence[phrase.end :]}"
    return sentence


def _type(draft: _Draft, found: Sequence[DatedPhrase]) -> MemoryType:
    """EPISODIC for what happened or will at some time, SEMANTIC for what holds."""
    if found and not found[0].moment.wording.startswith("since"):
        return MemoryType.EPISODIC
    past = draft.language == "en" and any(
        is_past(word) for word in re.findall(r"[A-Za-z]{2,20}", draft.quote)
    )
    return MemoryType.EPISODIC if past else MemoryType.SEMANTIC


def _confidence(draft: _Draft) -> float:
    """0.9 for what a person says of themselves, less for what is said of others, by the assistant, or hedged."""
    confidence = 0.6 if draft.message.role is Role.ASSISTANT else 0.9
    if draft.language == "en" and not persons.has_first_person(draft.quote):
        confidence -= 0.1
    if _HEDGED.search(draft.quote):
        confidence -= 0.2
    return round(confidence, 2)


def _without_repeats(facts: Iterable[ExtractedFact]) -> list[ExtractedFact]:
    """Each statement once; a later one in the same words becomes a repeat of the first, as evidence."""
    kept: list[ExtractedFact] = []
    place: dict[str, int] = {}
    for fact in facts:
        key = duplicates.fingerprint(fact.text)
        if key in place:
            first = kept[place[key]]
            repeats = (*first.repeats, Evidence(fact.message_id, fact.quote))
            kept[place[key]] = replace(first, repeats=repeats)
        else:
            place[key] = len(kept)
            kept.append(fact)
    return kept
