"""The extractor that needs no model: what a conversation says, sentence by sentence, made to stand alone.

What it does: cuts messages into sentences; drops questions, thanks, greetings, requests and bare
acknowledgements; puts the speaker's name for "I", "my" and "we"; resolves relative dates against the time
of the message and writes them after the phrase; finds named things; merges what is said twice in the same
words; keeps for each fact the exact words and says of everything else why it was left out.

What it does not: it understands nothing. It cannot tell a fact from a joke that nobody took back, a plan
from what came of it, or that a new statement contradicts an old one, and so it never updates or deletes a
memory. "He", "she", "they", "it" and "you" stay as they are, except that a sentence which leans on the one
before it is kept together with it, and a short answer with the question. Statements in other languages
than English keep their first person and get the speaker's name before them. `categories` stays empty.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from mnemon_service.memory.extraction import (
    chatter,
    dates,
    duplicates,
    entities,
    foreign_dates,
    language,
    persons,
    sentences,
)
from mnemon_service.memory.extraction.agreement import is_past
from mnemon_service.memory.extraction.dates import DatedPhrase
from mnemon_service.memory.extraction.facts import Dropped, Evidence, ExtractedFact, Extraction
from mnemon_service.memory.extraction.persons import Speaker
from mnemon_service.memory.extraction.sentences import Sentence
from mnemon_service.memory.extraction.statements import statements
from mnemon_service.model.memory import Entity, MemoryType, Role
from mnemon_service.model.message import Message
from mnemon_service.model.text_hash import duplicate_hash

VERSION: Final = "deterministic/2"
"""Stored with each memory as its extractor; changes whenever the same messages could give other facts."""
MAXIMUM_PASSAGE: Final = 320
"""Characters up to which sentences that lean on each other stay one fact."""
MAXIMUM_ASSISTANT_PASSAGE: Final = 480
"""The same for an assistant, whose sentences of one answer belong together."""

RECALLED: Final = "recalled from memory"
"""Why words are dropped that came out of Mnemon."""
SHORT_ANSWER: Final = 80
"""Characters; what is no longer and answers a question keeps the question beside it."""
_LONGEST_QUESTION: Final = 200

_LEANS_BACK: Final = re.compile(
    r"(?:(?:and|but|so|then|also|plus|oh|well|yeah)[,]? )?(?:it|it['’]s|its|they|they['’]re|their|them|"
    r"that|that['’]s|this|these|those|"
    r"he|he['’]s|she|she['’]s|his|her|there|both|which|because|especially)\b",
    re.IGNORECASE,
)
_HEDGED: Final = re.compile(
    r"\b(?:maybe|perhaps|might|not sure|i guess|i think|probably|possibly|kind of)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Question:
    """The last question of the message before, asked by somebody else."""

    evidence: Evidence
    asker: Speaker

    @property
    def beside(self) -> str:
        """As it stands after the answer: `[Ana: "Any pets?"]`."""
        return f'[{self.asker.name}: "{self.evidence.quote}"]'


@dataclass(slots=True)
class _Draft:
    """Adjacent sentences of one message that will be one fact."""

    message: Message
    speaker: Speaker
    language: str
    said_on: date
    spans: list[Sentence]
    question: _Question | None = None
    """What it answers, if it is the first thing said after a question."""
    is_bare_answer: bool = False
    """True for "yes" and "no", which say nothing without the question."""

    @property
    def quote(self) -> str:
        return self.message.content[self.spans[0].start : self.spans[-1].end]


def extract(
    messages: Sequence[Message],
    *,
    known: Collection[Entity] = (),
    now: datetime,
    before: Message | None = None,
    recalled: Collection[str] = (),
) -> Extraction:
    """Every statement that may carry a fact, in the order of the conversation, and all that was left out.

    Relative dates count from a message's `observed_time`, or from `now` where it has none. `known`
    is what memories of the scope name; it helps to find entities. `before` is what was said just before
    the first message, if known: a short answer keeps the question it answers, nothing else is taken from
    it. `recalled` are statements that the scope holds, by `duplicate_hash`: they are left out of what an
    assistant says besides; a passage that says nothing else stays, for the caller to tell of.
    System and tool messages, and text the agent recalled from memory, are never extracted. Equal input
    gives equal output; nothing is raised for any text.
    """
    people = frozenset(name for message in messages if (name := " ".join(message.name.split())))
    reading = _Reading(_forms_of_address(people), now)
    previous = before
    for message in messages:
        if why := _why_whole(message):
            reading.dropped.append(Dropped(message.id, message.content, why))
            continue
        reading.read(message, previous)
        previous = message
    drafts = [part for draft in reading.drafts for part in reading.without_recalled(draft, recalled)]
    facts = _without_repeats(_fact(draft, people, known) for draft in drafts)
    return Extraction(tuple(facts), tuple(reading.dropped))


def _why_whole(message: Message) -> str | None:
    """Why no word of a message is extracted, or None if it is to be read."""
    if message.recalled:
        return RECALLED
    if message.role is Role.SYSTEM:
        return "system message"
    if message.role is Role.TOOL:
        return "tool output"
    return None


def _forms_of_address(people: Collection[str]) -> frozenset[str]:
    """The names of those who take part, in lower case, with their short forms: "Mel" for "Melanie"."""
    parts = {part for name in people for part in name.casefold().split()}
    return frozenset(part[:length] for part in parts for length in range(min(3, len(part)), len(part) + 1))


class _Reading:
    """What was read so far of one conversation: drafts of facts, and what was dropped."""

    def __init__(self, called: frozenset[str], now: datetime) -> None:
        self.drafts: list[_Draft] = []
        self.dropped: list[Dropped] = []
        self._called = called
        self._now = now
        self._language = "en"

    def read(self, message: Message, previous: Message | None) -> None:
        """Read one message after the previous one."""
        self._language = language.detect(message.content, self._language)
        speaker = Speaker.of(message.name, message.role)
        said_on = (message.observed_time or self._now).date()
        question = _question_before(message, previous)
        open_draft: _Draft | None = None
        for span in sentences.split(message.content):
            sentence = message.content[span.start : span.end]
            if chatter.is_retraction(sentence):
                self._take_back(speaker)
                self._drop(message, sentence, chatter.JOKE)
                open_draft = None
                continue
            why = chatter.why_chatter(sentence, message.role, self._language, self._called)
            bare = why is not None and self._answers(sentence, question)
            if why and not bare:
                self._drop(message, sentence, why)
                open_draft = None
            elif open_draft is not None and _stays_with(open_draft, sentence, span):
                open_draft.spans.append(span)
            else:
                open_draft = _Draft(message, speaker, self._language, said_on, [span], question, bare)
                self.drafts.append(open_draft)
                question = None

    def _answers(self, sentence: str, question: _Question | None) -> bool:
        """True if "yes" or "no" is all that was said, to a question that it answers."""
        return (
            question is not None
            and chatter.is_answer(sentence)
            and chatter.asks_yes_or_no(question.evidence.quote, self._language)
        )

    def without_recalled(self, draft: _Draft, recalled: Collection[str]) -> list[_Draft]:
        """What an assistant's passage says besides statements that are known, part by part."""
        if not recalled or draft.message.role is not Role.ASSISTANT:
            return [draft]
        content = draft.message.content
        said = [statements(content[span.start : span.end]) for span in draft.spans]
        # What only leads in to a list states nothing, and goes with what it leads to.
        old = [all(duplicate_hash(text) in recalled for text in texts) for texts in said]
        if all(old) or not any(texts and known for texts, known in zip(said, old, strict=True)):
            return [draft]
        parts: list[_Draft] = []
        for known, group in itertools.groupby(zip(old, draft.spans, strict=True), lambda pair: pair[0]):
            spans = [span for _, span in group]
            if known:
                for span in spans:
                    self._drop(draft.message, content[span.start : span.end], RECALLED)
            else:
                parts.append(replace(draft, spans=spans))
        return parts

    def _drop(self, message: Message, sentence: str, why: str) -> None:
        self.dropped.append(Dropped(message.id, sentence, why))

    def _take_back(self, speaker: Speaker) -> None:
        """Drop the last thing said if this speaker said it: it was a joke."""
        if not self.drafts or self.drafts[-1].speaker != speaker:
            return
        draft = self.drafts[-1]
        last = draft.spans.pop()
        self._drop(draft.message, draft.message.content[last.start : last.end], chatter.JOKE)
        if not draft.spans:
            self.drafts.pop()


def _question_before(message: Message, previous: Message | None) -> _Question | None:
    """The last question of the message before, if somebody else asked it."""
    if previous is None or _why_whole(previous) or not ("?" in previous.content or "？" in previous.content):
        return None
    asker = Speaker.of(previous.name, previous.role)
    if asker == Speaker.of(message.name, message.role):
        return None
    said = (previous.content[span.start : span.end] for span in sentences.split(previous.content))
    questions = [one for one in said if one.endswith(("?", "？")) and len(one) <= _LONGEST_QUESTION]
    return _Question(Evidence(previous.id, questions[-1]), asker) if questions else None


def _stays_with(draft: _Draft, sentence: str, span: Sentence) -> bool:
    """True if a sentence is better kept with the ones before it than alone."""
    length = span.end - draft.spans[0].start
    if draft.message.role is Role.ASSISTANT:
        return length <= MAXIMUM_ASSISTANT_PASSAGE
    return length <= MAXIMUM_PASSAGE and (
        sentence.startswith("```") or _LEANS_BACK.match(sentence) is not None
    )


def _fact(draft: _Draft, people: Collection[str], known: Collection[Entity]) -> ExtractedFact:
    content, english = draft.message.content, draft.language == "en"
    written: list[str] = []
    found: list[DatedPhrase] = []
    for span in draft.spans:
        sentence = content[span.start : span.end]
        phrases = _dates_in(sentence, draft)
        found += phrases
        sentence = _with_dates(sentence, phrases, draft.language)
        written.append(persons.resolve(sentence, draft.speaker) if english else sentence)
    text = persons.introduced(" ".join(" ".join(written).split()), draft.speaker)
    named = entities.find(text, people, draft.language, known)
    question = draft.question if draft.is_bare_answer or len(draft.quote) <= SHORT_ANSWER else None
    if question:
        text = f"{text} {question.beside}"
    return ExtractedFact(
        text=text,
        original=" ".join(draft.quote.split()),
        message_id=draft.message.id,
        quote=draft.quote,
        role=draft.message.role,
        attributed_to=draft.speaker.name if draft.speaker.known else draft.message.role.value.lower(),
        entities=named,
        event_time=found[0].moment.event_time if found else None,
        type=_type(draft, found),
        categories=(),
        confidence=_confidence(draft),
        asked=question.evidence if question else None,
    )


def _dates_in(sentence: str, draft: _Draft) -> list[DatedPhrase]:
    if draft.language == "en":
        return dates.find(sentence, draft.said_on)
    return foreign_dates.find(sentence, draft.language, draft.said_on)


def _with_dates(sentence: str, phrases: Sequence[DatedPhrase], spoken: str) -> str:
    """The sentence with each date written after the phrase that names it: "yesterday (7 May 2023)"."""
    for phrase in reversed(phrases):
        if not phrase.complete:
            end = phrase.end + 2 * (sentence[phrase.end : phrase.end + 2] in ("'s", "’s"))
            wording = phrase.moment.wording if spoken == "en" else phrase.moment.neutral_wording
            space = "" if spoken in ("zh", "ja") else " "
            sentence = f"{sentence[:end]}{space}({wording}){sentence[end:]}"
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
    """0.9 for what people say of themselves; less of others, by the assistant, or hedged."""
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
