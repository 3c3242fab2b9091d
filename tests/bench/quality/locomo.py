"""The LoCoMo questions and the measures of retrieval against their evidence turns.

The data set (Maharana et al., ACL 2024; CC BY-NC 4.0) is read from a path and never copied. Everything
here is pure: a runner ingests `Conversation.turns`, asks each `Question`, and hands the ranked turn ids
to `measures`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ADVERSARIAL: Final = 5
"""The category whose questions ask one speaker for what the other did; reported apart."""
CATEGORIES: Final = {
    1: "multi-hop",
    2: "temporal",
    3: "open-domain",
    4: "single-hop",
    ADVERSARIAL: "adversarial",
}
CUTOFFS: Final = (5, 10, 20, 30)

# One evidence string may hold several ids ("D8:6; D9:17") or a slip of the pen ("D:11:26").
_EVIDENCE: Final = re.compile(r"D:?(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance."""

    id: str
    speaker: str
    text: str
    """What was said; the caption of a shared picture in brackets at its end, as a listener would have
    seen it (the data set's authors append it too)."""
    session: int
    position: int
    """Place in the session, from 1."""
    said_at: datetime

    @property
    def named_text(self) -> str:
        """The utterance with its speaker, as transcripts have it."""
        return f"{self.speaker}: {self.text}"


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the turns that answer it."""

    text: str
    evidence: frozenset[str]
    category: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """One long conversation of two speakers, in sessions."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    """Those with at least one evidence turn that exists: without one nothing can be measured."""

    @property
    def end(self) -> datetime:
        """When its last session took place: the "now" of its questions."""
        return max(turn.said_at for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Measures:
    """What one ranking earned, or the mean over several; each 0..1."""

    recall_at_5: float
    recall_at_10: float
    recall_at_20: float
    recall_at_30: float
    hit_at_10: float
    """1 if any evidence turn is among the first ten."""
    mean_reciprocal_rank: float
    """1 / place of the first evidence turn; 0 if it was not returned."""
    ndcg_at_10: float
    """Discounted gain of the first ten over that of the best order (Järvelin and Kekäläinen, 2002)."""


def read_conversations(path: Path) -> list[Conversation]:
    """The conversations of a LoCoMo file."""
    return [_conversation(item) for item in json.loads(path.read_text(encoding="utf-8"))]


def measures(ranked: Sequence[str], evidence: frozenset[str]) -> Measures:
    """How well a ranking of turn ids, best first, finds the evidence.

    An id that occurs again later counts as absent.
    """
    return measures_by_sources([frozenset({turn}) for turn in dict.fromkeys(ranked)], evidence)


def measures_by_sources(ranked: Sequence[frozenset[str]], evidence: frozenset[str]) -> Measures:
    """How well a ranking of memories finds the evidence, each memory given by the turns it came from.

    A memory takes a place whatever it holds. It earns if it brings an evidence turn that none before it
    brought; bringing two at once earns recall for both, but gain for one.
    """
    brought: set[str] = set()
    earned: list[bool] = []
    shares: list[float] = [0.0]
    for sources in ranked:
        new = (sources & evidence) - brought
        brought |= new
        earned.append(bool(new))
        shares.append(len(brought) / len(evidence))
    at_5, at_10, at_20, at_30 = (shares[min(cutoff, len(ranked))] for cutoff in CUTOFFS)
    gain = sum(hit / math.log2(place + 2) for place, hit in enumerate(earned[:10]))
    ideal = sum(1 / math.log2(place + 2) for place in range(min(len(evidence), 10)))
    first = earned.index(True) + 1 if True in earned else math.inf
    return Measures(at_5, at_10, at_20, at_30, float(any(earned[:10])), 1 / first, gain / ideal)


def mean(rows: Iterable[Measures]) -> Measures:
    """The mean of each measure; raises ZeroDivisionError for none."""
    held = list(rows)
    names = [field.name for field in fields(Measures)]
    return Measures(*(sum(getattr(row, name) for row in held) / len(held) for name in names))


def by_group(rows: Sequence[tuple[Question, Measures]]) -> dict[str, Measures]:
    """The means over categories 1 to 4 together ("1-4") and over each category by its name."""
    groups: dict[str, list[Measures]] = {}
    for question, measured in rows:
        if question.category != ADVERSARIAL:
            groups.setdefault("1-4", []).append(measured)
        groups.setdefault(CATEGORIES[question.category], []).append(measured)
    return {name: mean(group) for name, group in sorted(groups.items())}


def _conversation(item: Mapping[str, Any]) -> Conversation:
    turns = tuple(_turns(item["conversation"]))
    known = {turn.id for turn in turns}
    questions = []
    for question in item["qa"]:
        named = {f"D{a}:{b}" for text in question["evidence"] for a, b in _EVIDENCE.findall(text)}
        if evidence := frozenset(named & known):
            questions.append(Question(question["question"], evidence, question["category"]))
    return Conversation(item["sample_id"], turns, tuple(questions))


def _turns(conversation: Mapping[str, Any]) -> Iterable[Turn]:
    sessions = sorted(int(name[8:]) for name in conversation if re.fullmatch(r"session_\d+", name))
    for session in sessions:
        said_at = _time(conversation[f"session_{session}_date_time"])
        for position, turn in enumerate(conversation[f"session_{session}"], start=1):
            caption = turn.get("blip_caption")
            text = f"{turn['text']} [shares {caption}]" if caption else turn["text"]
            yield Turn(turn["dia_id"], turn["speaker"], text, session, position, said_at)


def _time(text: str) -> datetime:
    """Such as "1:56 pm on 8 May, 2023", taken as UTC."""
    return datetime.strptime(text, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
