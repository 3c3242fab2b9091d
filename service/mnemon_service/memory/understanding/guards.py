"""Checks what the model said against what it was shown, and turns what holds into decisions.

A model is trusted with reading, never with identity, evidence or scope: it sees memories as numbers,
its quotes must be found where it says they are, and a change must touch a memory that speaks of the
same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mnemon_service.memory.understanding.conversation import Conversation
from mnemon_service.memory.understanding.event_times import read_event_time
from mnemon_service.memory.understanding.pieces import number_messages
from mnemon_service.memory.understanding.plan import (
    Action,
    Decision,
    Fact,
    ImageDescription,
    Refusal,
    RefusalCode,
)
from mnemon_service.memory.understanding.quotes import Quotable
from mnemon_service.memory.understanding.relation import Relation, content_words, has_meaning
from mnemon_service.model.memory import Entity, EventTime, Memory, MemoryState, MemoryType, Role
from mnemon_service.model.message import Message
from mnemon_service.model.text_hash import duplicate_hash

RECALLED_WORDS = 3
"""Words with meaning that an agent must repeat from a memory before it counts as recalled."""
MAXIMUM_NAME_LENGTH = 256
"""Characters of an entity's name; a longer one is no name."""

MAXIMUM_REASON_LENGTH = 300
"""Characters of the model's reason that are kept."""

_CHANGES = (Action.UPDATE, Action.SUPERSEDE, Action.DELETE)


class _Refused(Exception):
    def __init__(self, code: RefusalCode, detail: str) -> None:
        super().__init__(code)
        self.refusal = Refusal(code, detail)


@dataclass(frozen=True, slots=True)
class _Evidence:
    message: Message
    quote: str
    from_image: bool


@dataclass(slots=True)
class Review:
    """Collects the decisions of one conversation, over all its pieces."""

    conversation: Conversation
    relation: Relation
    minimum_relation: float
    decisions: list[Decision] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    _descriptions: dict[str, str] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _numbered: dict[int, Message] = field(default_factory=dict)
    _fingerprints: dict[str, str] = field(default_factory=dict)
    _quotables: dict[str, Quotable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbered = number_messages(self.conversation.messages)

    @property
    def images(self) -> tuple[ImageDescription, ...]:
        """What the model saw, by message."""
        return tuple(ImageDescription(message, text) for message, text in self._descriptions.items())

    def offer(self) -> list[Memory]:
        """What the next call shows under the numbers 1, 2, 3 …: the neighbours, then as if they were
        memories (with no id) the facts that earlier pieces found."""
        return [*self.conversation.neighbours, *(self._as_memory(found) for found in self._pending())]

    def take(self, answer: Mapping[str, Any], dropped: int) -> list[int]:
        """Take one answer to what `offer` showed last; the numbers of its facts' messages, in order."""
        pending = self._pending()
        self.refusals.extend(Refusal(RefusalCode.MALFORMED, "an item of the answer") for _ in range(dropped))
        for image in answer.get("images", ()):
            self._describe(image["message"], image["description"])
        for raw in answer.get("facts", ()):
            try:
                self._judge(raw, pending)
            except _Refused as refused:
                self.refusals.append(refused.refusal)
        return [raw["message"] for raw in answer.get("facts", ())]

    def _pending(self) -> list[Decision]:
        return [
            found for found in self.decisions if found.action in (Action.ADD, Action.UPDATE, Action.SUPERSEDE)
        ]

    def _as_memory(self, decision: Decision) -> Memory:
        fact = decision.fact
        return Memory(
            id="",
            project_id="",
            scope=self.conversation.scope,
            text=fact.text,
            type=fact.type,
            event_time=fact.event_time,
            entities=fact.entities,
        )

    def _describe(self, number: int, description: str) -> None:
        message = self._numbered.get(number)
        if message is not None and message.images and description.strip():
            self._descriptions[message.id] = " ".join(description.split())

    def _judge(self, raw: Mapping[str, Any], pending: Sequence[Decision]) -> None:
        evidence = self._evidence(raw)
        action, target, reason = Action(raw["action"]), raw["target"], _reason(raw["reason"])
        fact = self._merged(self._fact(raw, evidence), action)
        if fact is None:
            return
        if action is Action.ADD or (action is Action.NONE and target is None):
            self._decide(action, fact, None, reason)
            return
        place = target - len(self.conversation.neighbours) - 1 if target is not None else -1
        if 0 <= place < len(pending):
            self._revise(action, fact, pending[place], reason)
            return
        try:
            memory = self._target(action, fact, target)
        except _Refused as refused:
            self.refusals.append(refused.refusal)
            if action is not Action.DELETE:
                self._decide(Action.ADD, fact, None, reason)
            return
        self._decide(action, fact, memory, reason)

    def _evidence(self, raw: Mapping[str, Any]) -> _Evidence:
        text, number, quote = raw["text"], raw["message"], raw["quote"]
        if not has_meaning(text):
            raise _Refused(RefusalCode.NO_MEANING, f"message {number}")
        evidence = self._find(number, quote)
        if evidence is None:
            others = (*self.conversation.context, *self.conversation.messages)
            known = any(self._quotable(message.content).find(quote) for message in others)
            code = RefusalCode.NOT_A_NEW_MESSAGE if known else RefusalCode.NO_EVIDENCE
            raise _Refused(code, f"message {number}")
        if self._repeats_memory(evidence):
            raise _Refused(RefusalCode.RECALLED, f"message {evidence.message.id}")
        return evidence

    def _find(self, number: int, quote: str) -> _Evidence | None:
        """The quote where the model says it is, or else in the one other message that holds it."""
        if number in self._numbered and (found := self._find_in(self._numbered[number], quote)):
            return found
        elsewhere = [found for message in self._numbered.values() if (found := self._find_in(message, quote))]
        return elsewhere[0] if len(elsewhere) == 1 else None

    def _find_in(self, message: Message, quote: str) -> _Evidence | None:
        if span := self._quotable(message.content).find(quote):
            return _Evidence(message, span, from_image=False)
        if span := self._quotable(self._descriptions.get(message.id, "")).find(quote):
            return _Evidence(message, span, from_image=True)
        return None

    def _quotable(self, text: str) -> Quotable:
        found = self._quotables.get(text)
        if found is None:
            found = self._quotables[text] = Quotable(text)
        return found

    def _repeats_memory(self, evidence: _Evidence) -> bool:
        """Whether an agent or a tool only repeats what is remembered already."""
        if evidence.message.role is Role.USER or evidence.from_image:
            return False
        quote = _plain(evidence.quote)
        if len(content_words(quote)) < RECALLED_WORDS:
            return False
        remembered = [_plain(memory.text) for memory in self.conversation.neighbours]
        return any(text and (quote in text or text in quote) for text in remembered)

    def _fact(self, raw: Mapping[str, Any], evidence: _Evidence) -> Fact:
        text = " ".join(raw["text"].split())
        return Fact(
            text=text,
            type=MemoryType(raw["type"]),
            categories=self._categories(raw["categories"], evidence.message),
            entities=_entities(raw["entities"], f"{text} {evidence.message.content} {evidence.quote}"),
            attributed_to=self._speaker(raw["attributed_to"], evidence.message),
            event_time=self._event_time(raw, evidence.message),
            confidence=_confidence(raw["confidence"]),
            message_id=evidence.message.id,
            quote=evidence.quote,
            from_image=evidence.from_image,
        )

    def _categories(self, names: Sequence[str], message: Message) -> tuple[str, ...]:
        known = {name.casefold(): name for name in self.conversation.categories}
        found: dict[str, None] = {}
        for name in names:
            if (spelled := known.get(name.strip().casefold())) is not None:
                found[spelled] = None
            else:
                self.refusals.append(Refusal(RefusalCode.CATEGORY_UNKNOWN, f"message {message.id}"))
        return tuple(found)

    def _speaker(self, name: str, message: Message) -> str:
        """The name as the conversation spells it; someone who does not speak cannot be the speaker."""
        everyone = (*self.conversation.context, *self.conversation.messages)
        speakers = {other.name.casefold(): other.name for other in everyone if other.name}
        return speakers.get(name.strip().casefold(), message.name)

    def _event_time(self, raw: Mapping[str, Any], message: Message) -> EventTime | None:
        try:
            return read_event_time(raw["event_time"], raw["event_end"])
        except ValueError:
            self.refusals.append(Refusal(RefusalCode.EVENT_TIME_UNREADABLE, f"message {message.id}"))
            return None

    def _merged(self, fact: Fact, action: Action) -> Fact | None:
        """The fact to go on with, or None if the conversation said it before and nothing is left to do.

        Of two equal statements the surer one stays, with the tags of both. One that changes a memory
        takes the place of one that was only added; a removal stands beside it.
        """
        for place, decision in enumerate(self.decisions):
            if self._fingerprint(decision.fact.text) != self._fingerprint(fact.text):
                continue
            if action is Action.DELETE:
                return fact
            joined = _joined(*sorted((decision.fact, fact), key=lambda one: -one.confidence))
            if decision.action is Action.ADD and action in _CHANGES:
                del self.decisions[place]
                return joined
            self.decisions[place] = replace(decision, fact=joined)
            return None
        return fact

    def _fingerprint(self, text: str) -> str:
        found = self._fingerprints.get(text)
        if found is None:
            found = self._fingerprints[text] = duplicate_hash(text)
        return found

    def _revise(self, action: Action, fact: Fact, found: Decision, reason: str) -> None:
        """A later message speaks of a fact of this same conversation, which no memory holds yet."""
        if action is Action.NONE:
            self._decide(Action.NONE, fact, None, reason)
            return
        if found not in self.decisions:
            code = RefusalCode.TARGET_TAKEN
        elif self.relation(fact, self._as_memory(found)) < self.minimum_relation:
            code = RefusalCode.TARGET_UNRELATED
        else:
            self.decisions.remove(found)
            if action is not Action.DELETE:
                self.decisions.append(replace(found, fact=fact, reason=reason))
            elif found.target_memory_id is not None:
                self._changed.discard(found.target_memory_id)
            return
        self.refusals.append(Refusal(code, f"message {fact.message_id}"))
        if action is not Action.DELETE:
            self._decide(Action.ADD, fact, None, reason)

    def _target(self, action: Action, fact: Fact, number: int | None) -> Memory:
        neighbours = self.conversation.neighbours
        if number is None or not 1 <= number <= len(neighbours):
            raise _Refused(RefusalCode.TARGET_NOT_OFFERED, f"memory {number}")
        memory = neighbours[number - 1]
        if memory.state is not MemoryState.ACTIVE or memory.scope.owner != self.conversation.scope.owner:
            raise _Refused(RefusalCode.TARGET_OUT_OF_SCOPE, f"memory {number}")
        if self.relation(fact, memory) < self.minimum_relation:
            raise _Refused(RefusalCode.TARGET_UNRELATED, f"memory {number}")
        if action in _CHANGES and memory.id in self._changed:
            raise _Refused(RefusalCode.TARGET_TAKEN, f"memory {number}")
        return memory

    def _decide(self, action: Action, fact: Fact, memory: Memory | None, reason: str) -> None:
        if action in (Action.ADD, Action.UPDATE, Action.SUPERSEDE):
            same = self._same(fact)
            if same is not None:
                action, memory = Action.NONE, same
        if memory is not None and action in _CHANGES:
            self._changed.add(memory.id)
        self.decisions.append(Decision(action, fact, memory.id if memory else None, reason))

    def _same(self, fact: Fact) -> Memory | None:
        """The active memory that says it in the same words."""
        wanted = self._fingerprint(fact.text)
        for memory in self.conversation.neighbours:
            if memory.state is MemoryState.ACTIVE and self._fingerprint(memory.text) == wanted:
                return memory
        return None


def _entities(raw: Sequence[Mapping[str, str]], where: str) -> tuple[Entity, ...]:
    """Each entity once, if it is named in the fact or in its message."""
    found: dict[str, Entity] = {}
    for entity in raw:
        name = " ".join(entity["name"].split())
        if 0 < len(name) <= MAXIMUM_NAME_LENGTH and name.casefold() in where.casefold():
            found.setdefault(
                name.casefold(), Entity(name, "" if entity["type"] == "OTHER" else entity["type"])
            )
    return tuple(found.values())


def _confidence(value: float) -> float:
    """Within 0 to 1; some models count in percent."""
    if 1 < value <= 100:
        return value / 100
    return min(max(float(value), 0.0), 1.0)


def _joined(better: Fact, other: Fact) -> Fact:
    names = {entity.name.casefold() for entity in better.entities}
    return replace(
        better,
        categories=tuple(dict.fromkeys((*better.categories, *other.categories))),
        entities=(*better.entities, *(e for e in other.entities if e.name.casefold() not in names)),
        event_time=better.event_time or other.event_time,
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")


def _reason(text: str) -> str:
    return " ".join(text.split())[:MAXIMUM_REASON_LENGTH]
