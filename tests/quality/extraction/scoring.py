"""What an extractor got right of the evaluation set in `dialogues.json`.

A dialogue gives messages, existing memories, and what is expected:
- `facts`: each names words that one extracted text must hold (case folded), and perhaps `when`, the day
  and precision of its event time, and `entities`, the names of all that it names;
- `fine`: words of facts that may be extracted and are not asked for;
- `never`: words that no extracted fact may hold together;
- `changes`: for an extractor that reconciles, the action (any of those named), its target and words of the
  fact. A dialogue that expects no changes expects that nothing is added.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mnemon_service.memory.extraction.deterministic import extract
from mnemon_service.memory.extraction.facts import ExtractedFact
from mnemon_service.memory.understanding.conversation import Conversation
from mnemon_service.memory.understanding.plan import Action, Decision
from mnemon_service.model.memory import EventTime, Memory, Role
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope

DIALOGUES = Path(__file__).with_name("dialogues.json")
SCOPE = Scope(user_id="evaluation")


@dataclass(frozen=True)
class Expected:
    """A fact that must be found."""

    words: tuple[str, ...]
    entities: tuple[str, ...] | None = None
    """The names of exactly the things that the fact names; None if they are not looked at."""
    when: str = ""
    """Its event time as `2024-03-13/DAY`, empty if it is not asked for."""


@dataclass(frozen=True)
class Change:
    """What a reconciling extractor is to do."""

    actions: tuple[Action, ...]
    words: tuple[str, ...]
    target: str = ""


@dataclass(frozen=True)
class Dialogue:
    """One short conversation and what is to come of it."""

    name: str
    topic: str
    language: str
    at: datetime
    messages: tuple[Message, ...]
    memories: tuple[Memory, ...]
    facts: tuple[Expected, ...]
    fine: tuple[tuple[str, ...], ...]
    never: tuple[tuple[str, ...], ...]
    changes: tuple[Change, ...]

    @property
    def conversation(self) -> Conversation:
        """As `understand` takes it."""
        return Conversation(self.messages, SCOPE, neighbours=self.memories, reference_time=self.at)


@dataclass(frozen=True)
class Score:
    """Counts over one or more dialogues, and what went wrong in words."""

    wanted: int = 0
    """Expected things."""
    found: int = 0
    """Expected things that came."""
    produced: int = 0
    """Things that came."""
    right: int = 0
    """Of these, what was expected or fine."""
    forbidden: int = 0
    """Of these, what must never come."""
    faults: tuple[str, ...] = ()

    @property
    def recall(self) -> float:
        """1 if nothing was wanted."""
        return self.found / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        """1 if nothing came."""
        return self.right / self.produced if self.produced else 1.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.wanted + other.wanted,
            self.found + other.found,
            self.produced + other.produced,
            self.right + other.right,
            self.forbidden + other.forbidden,
            self.faults + other.faults,
        )


def load() -> list[Dialogue]:
    """The evaluation set."""
    return [_dialogue(item) for item in json.loads(DIALOGUES.read_text("utf-8"))]


def _dialogue(item: dict[str, Any]) -> Dialogue:
    at = datetime.fromisoformat(item["at"]).astimezone(UTC)
    return Dialogue(
        name=item["name"],
        topic=item["topic"],
        language=item["language"],
        at=at,
        messages=tuple(
            Message(
                content=one["content"],
                role=Role(one["role"]),
                name=one.get("name", ""),
                recalled=one.get("recalled", False),
                observed_time=at,
                id=f"message-{number}",
            )
            for number, one in enumerate(item["messages"], 1)
        ),
        memories=tuple(
            Memory(id=one["id"], project_id="evaluation", scope=SCOPE, text=one["text"])
            for one in item["memories"]
        ),
        facts=tuple(
            Expected(
                _folded(one["words"]),
                tuple(one["entities"]) if "entities" in one else None,
                one.get("when", ""),
            )
            for one in item["facts"]
        ),
        fine=tuple(map(_folded, item["fine"])),
        never=tuple(map(_folded, item["never"])),
        changes=tuple(
            Change(tuple(map(Action, one["action"])), _folded(one["words"]), one.get("target", ""))
            for one in item["changes"]
        ),
    )


def _folded(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words)


def score_deterministic(dialogue: Dialogue) -> Score:
    """The deterministic extractor on one dialogue."""
    return score_facts(dialogue, extract(dialogue.messages, now=dialogue.at).facts)


def score_facts(dialogue: Dialogue, facts: Sequence[ExtractedFact]) -> Score:
    """Extracted facts against the expected ones."""
    faults: list[str] = []
    found = 0
    for expected in dialogue.facts:
        matching = [fact for fact in facts if _holds(fact.text, expected.words)]
        times = [_written(fact.event_time) for fact in matching]
        if matching and (not expected.when or expected.when in times):
            found += 1
        else:
            faults.append(f"{dialogue.name}: misses {' + '.join(expected.words)} {expected.when} {times}")
    known = [expected.words for expected in dialogue.facts] + list(dialogue.fine)
    right = 0
    forbidden = 0
    for fact in facts:
        said = fact.text.split(" [", 1)[0]  # without the question that a short answer keeps beside it
        if any(_holds(said, words) for words in dialogue.never):
            forbidden += 1
            faults.append(f"{dialogue.name}: must not say {said!r}")
        elif any(_holds(fact.text, words) for words in known):
            right += 1
        else:
            faults.append(f"{dialogue.name}: says {fact.text!r}")
    return Score(len(dialogue.facts), found, len(facts), right, forbidden, tuple(faults))


def score_entities(dialogue: Dialogue) -> Score:
    """What the deterministic extractor names in the facts whose entities are written down."""
    facts = extract(dialogue.messages, now=dialogue.at).facts
    total = Score()
    for expected in dialogue.facts:
        fact = next((fact for fact in facts if _holds(fact.text, expected.words)), None)
        if expected.entities is None or fact is None:
            continue
        wanted, named = set(expected.entities), {entity.name for entity in fact.entities}
        right = len(wanted & named)
        wrong = sorted(f"{dialogue.name}: {name!r}" for name in wanted ^ named)
        total += Score(len(wanted), right, len(named), right, faults=tuple(wrong))
    return total


def score_decisions(dialogue: Dialogue, decisions: Sequence[Decision]) -> Score:
    """A plan's decisions against the expected changes. NONE counts only where it is expected."""
    faults: list[str] = []
    open_decisions = list(decisions)
    found = 0
    for change in dialogue.changes:
        matching = next((one for one in open_decisions if _does(one, change)), None)
        if matching is None:
            faults.append(f"{dialogue.name}: misses {'/'.join(change.actions)} {' + '.join(change.words)}")
            continue
        found += 1
        open_decisions.remove(matching)
    forbidden = 0
    right = found
    for decision in open_decisions:
        if any(_holds(decision.fact.text, words) for words in dialogue.never):
            forbidden += 1
            faults.append(f"{dialogue.name}: must not {decision.action} {decision.fact.text!r}")
        elif decision.action is Action.NONE or _is_told(dialogue, decision.fact.text):
            right += 1
        else:
            faults.append(f"{dialogue.name}: {decision.action} {decision.fact.text!r}")
    return Score(len(dialogue.changes), found, len(decisions), right, forbidden, tuple(faults))


def _does(decision: Decision, change: Change) -> bool:
    target = not change.target or decision.target_memory_id == change.target
    return decision.action in change.actions and target and _holds(decision.fact.text, change.words)


def _is_told(dialogue: Dialogue, text: str) -> bool:
    """True for a further fact that the dialogue does tell, in part of the words of an expected one."""
    return any(any(word in text.casefold() for word in words) for words in (e.words for e in dialogue.facts))


def _holds(text: str, words: Iterable[str]) -> bool:
    folded = text.casefold()
    return all(word in folded for word in words)


def _written(event_time: EventTime | None) -> str:
    return f"{event_time.time.date()}/{event_time.precision}" if event_time else ""
