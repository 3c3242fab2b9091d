"""LoCoMo through the real service: every session added over gRPC, every question searched.

    python -m tests.bench.run quality --data <locomo.json>

One call of AddMemories a session: `user_id` is the conversation, `run_id` the session, each message has
its speaker's name and the session's time, and the caption of a shared picture in brackets at its end. Once
as raw turns (`infer` false), once through the extractor of a default server. A memory counts by the turns
its `sources` name. The "now" of a question is the end of its conversation (`reference_time`).
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from bench.quality.locomo import Conversation, Measures, Question, by_group, measures_by_sources
from mnemon import Client
from mnemon_service.search.ranking.context import estimate_tokens
from support.server import MnemonServer

TOP_K = 30
ADD_SECONDS = 300.0
MODES = ("HYBRID", "SEMANTIC", "KEYWORD")


@dataclass(frozen=True, slots=True)
class Told:
    """A conversation as the service holds it."""

    conversation: Conversation
    user_id: str
    turns: dict[str, str]
    """The turn that each logged message is."""
    memories: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what the service answered."""

    conversation: str
    question: Question
    ranked: tuple[frozenset[str], ...]
    """The turns that each hit came from, best first."""
    measured: Measures
    milliseconds: float
    """From the call to the answer, in the client."""
    characters: int
    """Of the texts of the first ten hits."""
    tokens: int
    """Of the same, as BuildContext estimates them."""

    @classmethod
    def of(
        cls,
        conversation: str,
        question: Question,
        ranked: Sequence[frozenset[str]],
        texts: Sequence[str],
        milliseconds: float,
    ) -> Asked:
        """What the ranking is worth, with the size of its first ten texts."""
        measured = measures_by_sources(ranked, question.evidence)
        characters, tokens = sum(map(len, texts[:10])), sum(map(estimate_tokens, texts[:10]))
        return cls(conversation, question, tuple(ranked), measured, milliseconds, characters, tokens)


@dataclass(frozen=True, slots=True)
class Run:
    """All questions under one way of storing and one mode."""

    name: str
    memories: int
    asked: tuple[Asked, ...]

    @property
    def by_group(self) -> dict[str, Measures]:
        """Means over categories 1 to 4 together ("1-4") and over each category."""
        return by_group([(one.question, one.measured) for one in self.asked])

    @property
    def by_conversation(self) -> dict[str, dict[str, Measures]]:
        """`by_group` of each conversation."""
        groups = groupby(self.asked, key=lambda one: one.conversation)
        return {name: by_group([(one.question, one.measured) for one in held]) for name, held in groups}

    def milliseconds(self, percentile: float) -> float:
        """The time within which this share (0 to 100) of the searches was answered."""
        times = sorted(one.milliseconds for one in self.asked)
        return times[min(math.ceil(len(times) * percentile / 100), len(times)) - 1]

    @property
    def characters(self) -> float:
        """Mean over the questions: what an agent pays for ten memories."""
        return sum(one.characters for one in self.asked) / len(self.asked)

    @property
    def tokens(self) -> float:
        """The same in tokens."""
        return sum(one.tokens for one in self.asked) / len(self.asked)


@contextmanager
def temporary_client() -> Iterator[Client]:
    """A client of a default server on a directory of its own; only `MNEMON_SEARCH_WEIGHTS` is handed on,
    so that another set of weights can be measured."""
    with tempfile.TemporaryDirectory(prefix="mnemon-bench-") as folder:
        environment = {"MNEMON_LOG_LEVEL": "warning"}
        if weights := os.environ.get("MNEMON_SEARCH_WEIGHTS"):
            environment["MNEMON_SEARCH_WEIGHTS"] = weights
        with (
            MnemonServer(Path(folder), environment) as server,
            Client(server.address, api_key=server.key) as client,
        ):
            yield client
            server.stop()  # in good order: a killed server's index process would still write here


def tell(client: Client, conversation: Conversation, *, infer: bool, user_id: str = "") -> Told:
    """Adds a conversation, one call a session; to a user of its own unless one is named."""
    user_id = user_id or f"{conversation.id}/{'facts' if infer else 'turns'}"
    turns: dict[str, str] = {}
    memories = 0
    for session, held in groupby(conversation.turns, key=lambda turn: turn.session):
        said = list(held)
        messages = [
            {"role": "user", "name": turn.speaker, "content": turn.text, "observed_time": turn.said_at}
            for turn in said
        ]
        run_id = f"{conversation.id}/{session}"
        added = client.add(messages, user_id=user_id, run_id=run_id, infer=infer, timeout=ADD_SECONDS)
        turns.update(zip(added.message_ids, (turn.id for turn in said), strict=True))
        memories += sum(change.event.name == "ADD" for change in added.changes)
    return Told(conversation, user_id, turns, memories)


def ask(client: Client, told: Told, question: Question, mode: str) -> Asked:
    """Searches for one question and measures the answer."""
    started = time.perf_counter()
    found = client.search(
        question.text,
        user_id=told.user_id,
        top_k=TOP_K,
        mode=mode,
        reference_time=told.conversation.end,
    )
    milliseconds = (time.perf_counter() - started) * 1000
    memories = [hit.memory for hit in found.hits if hit.memory is not None]
    sources = [frozenset(told.turns[source.message_id] for source in memory.sources) for memory in memories]
    texts = [memory.text for memory in memories]
    return Asked.of(told.conversation.id, question, sources, texts, milliseconds)


def run(client: Client, told: Sequence[Told], name: str, mode: str) -> Run:
    """Asks every question of every conversation, one after the other."""
    for one in told:  # The first search of a scope reads it into memory; its time is not a search's.
        client.search("hello", user_id=one.user_id, mode=mode)
    asked = tuple(ask(client, one, question, mode) for one in told for question in one.conversation.questions)
    return Run(name, sum(one.memories for one in told), asked)


def runs(
    conversations: Sequence[Conversation], *, stored: Iterable[str], modes: Iterable[str]
) -> Iterator[Run]:
    """A run for each way of storing ("turns", "facts") and each mode, on one default server."""
    wanted_modes = list(modes)
    with temporary_client() as client:
        for way in stored:
            told = [tell(client, conversation, infer=way == "facts") for conversation in conversations]
            for mode in wanted_modes:
                yield run(client, told, f"Mnemon, {way}, {mode.lower()}", mode)


def write_rows(path: Path, held: Iterable[Run]) -> None:
    """One JSON object a line for every question of every run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for one in held:
            for asked in one.asked:
                file.write(json.dumps(_row(one.name, asked), ensure_ascii=False) + "\n")


def _row(name: str, asked: Asked) -> dict[str, object]:
    return {
        "run": name,
        "conversation": asked.conversation,
        "category": asked.question.category,
        "question": asked.question.text,
        "evidence": sorted(asked.question.evidence),
        "ranked": [sorted(turns) for turns in asked.ranked],
        **asdict(asked.measured),
        "milliseconds": round(asked.milliseconds, 3),
        "characters": asked.characters,
        "tokens": asked.tokens,
    }
