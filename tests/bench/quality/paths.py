"""The command `paths`: how much a search's answer depends on where it comes from.

The same memories (LoCoMo's turns) are asked the same questions twice: kept in memory by a default server,
then from the index, with views switched off. Once each conversation is a user of its own, once all are one
user: then the scope is larger than the sample that the index's way takes its word statistics from.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from bench.quality.locomo import Conversation, measures_by_sources, read_conversations
from bench.quality.service import TOP_K, Told, tell
from bench.report import Table
from mnemon import Client
from support.server import MnemonServer

EVERYBODY = "everybody"
BEST = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """The scores of the hits by id, best first, and the recall of the first ten."""

    scores: dict[str, float]
    recall: float

    @property
    def best(self) -> list[str]:
        """The first ten."""
        return list(self.scores)[:BEST]


def main(arguments: Sequence[str]) -> None:
    """Ask both ways, compare, print."""
    parser = argparse.ArgumentParser(prog="paths", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a LoCoMo file")
    parser.add_argument("--every", type=int, default=1, help="ask only every so-manieth question")
    options = parser.parse_args(arguments)
    conversations = read_conversations(options.data)
    with tempfile.TemporaryDirectory(prefix="mnemon-bench-") as name:
        with MnemonServer(Path(name)) as server:
            with Client(server.address, api_key=server.key) as client:
                told = _tell(client, conversations)
                from_memory = {scope: _ask(client, held, options.every) for scope, held in told.items()}
            server.stop()
        with MnemonServer(Path(name), {"MNEMON_SEARCH_VIEWS": "false"}) as server:
            with Client(server.address, api_key=server.key) as client:
                from_index = {scope: _ask(client, held, options.every) for scope, held in told.items()}
            server.stop()
    print(_table(told, from_memory, from_index))


def _tell(client: Client, conversations: Sequence[Conversation]) -> dict[str, list[Told]]:
    own = [tell(client, one, infer=False) for one in conversations]
    together = [tell(client, one, infer=False, user_id=EVERYBODY) for one in conversations]
    return {"a user each": own, "one user": together}


def _ask(client: Client, told: Sequence[Told], every: int) -> list[Answer]:
    """Every question, about what was said in its conversation."""
    turns = {message: f"{one.conversation.id} {turn}" for one in told for message, turn in one.turns.items()}
    return [
        _answer(
            client, one, question.text, {f"{one.conversation.id} {turn}" for turn in question.evidence}, turns
        )
        for one in told
        for question in one.conversation.questions[::every]
    ]


def _answer(client: Client, one: Told, text: str, evidence: set[str], turns: dict[str, str]) -> Answer:
    found = client.search(text, user_id=one.user_id, top_k=TOP_K, reference_time=one.conversation.end)
    memories = [hit.memory for hit in found.hits if hit.memory is not None]
    ranked = [frozenset(turns[source.message_id] for source in memory.sources) for memory in memories]
    scores = {memory.id: hit.score for memory, hit in zip(memories, found.hits, strict=True)}
    return Answer(scores, measures_by_sources(ranked, frozenset(evidence)).recall_at_10)


def _table(
    told: dict[str, list[Told]], from_memory: dict[str, list[Answer]], from_index: dict[str, list[Answer]]
) -> Table:
    table = Table(
        "The same searches from memory and from the index",
        (
            *("conversations", "memories of a user", "questions", "same ten", "same order", "of ten in both"),
            *("score differs by, mean", "p95", "recall@10 from memory", "from the index"),
        ),
    )
    for scope, held in told.items():
        pairs = list(zip(from_memory[scope], from_index[scope], strict=True))
        differences = sorted(
            abs(one.scores[key] - other.scores[key])
            for one, other in pairs
            for key in one.best
            if key in other.scores
        )
        sizes = [one.memories for one in held]
        largest = sum(sizes) if scope == "one user" else max(sizes)
        table.add(
            *(scope, f"{largest:,}" if scope == "one user" else f"up to {largest:,}", str(len(pairs))),
            f"{mean(set(one.best) == set(other.best) for one, other in pairs):.0%}",
            f"{mean(one.best == other.best for one, other in pairs):.0%}",
            f"{mean(len(set(one.best) & set(other.best)) for one, other in pairs):.1f}",
            f"{mean(differences):.4f}",
            f"{differences[int(0.95 * len(differences))]:.4f}",
            f"{100 * mean(one.recall for one, _ in pairs):.1f}",
            f"{100 * mean(other.recall for _, other in pairs):.1f}",
        )
    return table
