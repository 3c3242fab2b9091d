"""Ranking alone on LoCoMo, without server or store: which sign of relevance earns what.

    python -m bench.quality.offline_ranking --data <locomo.json> [--vectors <cache.npz>]   (in tests/)

Turns are stored as the service stores raw turns (`infer=false`): the text with its picture's caption,
attributed to its speaker, its sessions as sittings, its place in the session as its run position. With
`--facts` each session goes through the deterministic extractor instead, and a fact counts by the turns it
came from. The vectors come from the built-in embedder. Nothing here is tuned by conversation or category.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.quality.locomo import (
    Conversation,
    Measures,
    Question,
    Turn,
    by_group,
    measures_by_sources,
    read_conversations,
)
from mnemon_service.memory.extraction.deterministic import extract
from mnemon_service.model.indexed_text import embedded_texts, indexed_text
from mnemon_service.model.memory import Role
from mnemon_service.model.message import Message
from mnemon_service.model.text_analysis import term_counts
from mnemon_service.providers.local_embedding import LocalEmbedder
from mnemon_service.search.ranking.fusion import fuse
from mnemon_service.search.ranking.query_analysis import analyze_query
from mnemon_service.search.ranking.scope_view import ScopeView, ViewRow
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS, Weights
from mnemon_service.search.settings import SearchSettings

Vectors = dict[str, npt.NDArray[np.float32]]
Ranker = Callable[["Asked", Question], list[str]]

RRF_CONSTANT = 60
"""Of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory of the bench: its row without vectors, and what it came from."""

    row: ViewRow
    text: str
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One conversation ready to be asked."""

    conversation: Conversation
    stored: dict[str, Stored]
    by_sentence: ScopeView
    whole: ScopeView
    vectors: Vectors


SERVICE = SearchSettings()
OTHERS = (
    *(("keyword", 1.0), ("keyword", 2.0), ("entity", 0.05), ("entity", 0.2)),
    *(("speaker", 0.2), ("recency", 0.1)),
)
"""Weights beside the default ones, whose figures `weights.py` names."""
NO_VECTORS = np.zeros((0, 0), np.float32)


def stored_turns(conversation: Conversation) -> list[Stored]:
    """Each turn as a memory of its own."""
    return [
        Stored(_row(conversation, turn, turn.id, turn.text), turn.text, frozenset({turn.id}))
        for turn in conversation.turns
    ]


def stored_facts(conversation: Conversation) -> list[Stored]:
    """What the deterministic extractor makes of each session."""
    stored = []
    for _, session in groupby(conversation.turns, key=lambda turn: turn.session):
        turns = {turn.id: turn for turn in session}
        messages = [
            Message(turn.text, Role.USER, turn.speaker, turn.said_at, turn.id) for turn in turns.values()
        ]
        facts = extract(messages, now=messages[-1].observed_time or conversation.end).facts
        for number, fact in enumerate(facts):
            row = replace(
                _row(conversation, turns[fact.message_id], f"{fact.message_id}/{number}", fact.text),
                attributed_to=fact.attributed_to,
                event_time=fact.event_time,
                entities=tuple(entity.name for entity in fact.entities),
            )
            evidence = [fact.message_id, *(place.message_id for place in fact.repeats)]
            if fact.asked:
                evidence.append(fact.asked.message_id)
            stored.append(Stored(row, fact.text, frozenset(evidence)))
    return stored


def _row(conversation: Conversation, turn: Turn, memory_id: str, text: str) -> ViewRow:
    return ViewRow(
        memory_id=memory_id,
        vectors=NO_VECTORS,
        term_counts=term_counts(indexed_text(text, turn.speaker)),
        role=Role.USER,
        attributed_to=turn.speaker,
        run_id=conversation.id,
        session=str(turn.session),
        run_position=turn.position,
        observed_time=turn.said_at,
        update_time=turn.said_at,
    )


def view_of(stored: Iterable[Stored], vectors: Vectors, *, by_sentence: bool) -> ScopeView:
    """The memories with a vector for each sentence, or with one for the whole."""
    rows = []
    for one in stored:
        texts = embedded_texts(one.text, one.row.attributed_to)
        held = np.array([vectors[text] for text in (texts if by_sentence else texts[:1])])
        rows.append(replace(one.row, vectors=held))
    return ScopeView.build(rows, rows[0].vectors.shape[1])


def prepare(
    conversations: Sequence[Conversation],
    store: Callable[[Conversation], list[Stored]],
    cache: Path | None,
    precision: str,
) -> list[Asked]:
    """Every conversation stored, embedded and ready."""
    held = [store(conversation) for conversation in conversations]
    texts: dict[str, None] = {}
    for conversation, stored in zip(conversations, held, strict=True):
        for one in stored:
            texts.update(dict.fromkeys(embedded_texts(one.text, one.row.attributed_to)))
        texts.update(dict.fromkeys(question.text for question in conversation.questions))
    vectors = vectors_of(list(texts), cache, precision)
    return [
        Asked(
            conversation,
            {one.row.memory_id: one for one in stored},
            view_of(stored, vectors, by_sentence=True),
            view_of(stored, vectors, by_sentence=False),
            vectors,
        )
        for conversation, stored in zip(conversations, held, strict=True)
    ]


def ranker(
    weights: Weights,
    *,
    by_sentence: bool = True,
    limit: int = SERVICE.candidates,
    expand_best: int = SERVICE.expand_best,
) -> Ranker:
    """Ranks as the service does in memory, with these weights and so many candidates."""

    def rank(asked: Asked, question: Question) -> list[str]:
        view = asked.by_sentence if by_sentence else asked.whole
        query = analyze_query(question.text, asked.conversation.end)
        vector = asked.vectors[question.text]
        found = view.retrieve(query, vector, limit, weights=weights, expand_best=expand_best)
        hits = fuse(query, found.candidates, found.statistics, weights)
        return [hit.memory_id for hit in hits]

    return rank


def reciprocal_rank_fusion(rankers: Sequence[Ranker]) -> Ranker:
    """The usual way to unite lists: by places, not by scores."""

    def rank(asked: Asked, question: Question) -> list[str]:
        scores: dict[str, float] = {}
        for one in rankers:
            for place, turn in enumerate(one(asked, question), start=1):
                scores[turn] = scores.get(turn, 0.0) + 1 / (RRF_CONSTANT + place)
        return sorted(scores, key=lambda turn: (-scores[turn], turn))

    return rank


def ablation() -> dict[str, Ranker]:
    """From single arms to the default, one sign more at a time."""
    full = DEFAULT_WEIGHTS
    signs = {
        "speaker": full.speaker,
        "time": full.time,
        "recency": full.recency,
        "neighbour": full.neighbour,
        "session": full.session,
        "entity": full.entity,
    }
    both = replace(full, speaker=0.0, time=0.0, recency=0.0, neighbour=0.0, session=0.0, entity=0.0)
    dense = ranker(full.semantic_only(), by_sentence=False, limit=100, expand_best=0)
    words = ranker(full.keyword_only(), limit=100, expand_best=0)
    steps: dict[str, Ranker] = {
        "dense only": dense,
        "dense only, best sentence": ranker(full.semantic_only(), expand_best=0),
        "BM25 only": words,
        "RRF(60) of dense and BM25": reciprocal_rank_fusion([dense, words]),
        "cosine + 1.5 BM25": ranker(both, by_sentence=False, expand_best=0),
        "+ best sentence": ranker(both, expand_best=0),
    }
    growing = both
    for sign, weight in signs.items():
        growing = _with(growing, sign, weight)
        steps[f"+ {sign}"] = ranker(growing, expand_best=0)
    steps["+ fetched neighbours = default"] = ranker(full)
    steps["default, 100 candidates, 30 expanded"] = ranker(full, limit=100, expand_best=30)
    steps["default, 25 candidates, 20 expanded"] = ranker(full, limit=25, expand_best=20)
    steps["default, one vector a turn"] = ranker(full, by_sentence=False)
    for sign in signs:
        steps[f"default without {sign}"] = ranker(_with(full, sign, 0.0))
    for sign, weight in OTHERS:
        steps[f"default, {sign} {weight}"] = ranker(_with(full, sign, weight))
    steps["default without vectors"] = ranker(full.without_vectors())
    usual = replace(full.keyword_only(), bm25_k1=1.2, bm25_b=0.75)
    steps["BM25 only, k1 1.2, b 0.75"] = ranker(usual, limit=100, expand_best=0)
    return steps


def _with(weights: Weights, sign: str, weight: float) -> Weights:
    """The weights with one of them changed, by its name."""
    changed: dict[str, Any] = {sign: weight}
    return replace(weights, **changed)


def vectors_of(texts: Sequence[str], cache: Path | None, precision: str) -> Vectors:
    """The vectors of the texts, from the cache file where it has them."""
    known: Vectors = {}
    if cache is not None and cache.exists():
        with np.load(cache, allow_pickle=False) as held:
            known = dict(zip(held["texts"].tolist(), held["vectors"], strict=True))
    missing = [text for text in texts if text not in known]
    if missing:
        known.update(zip(missing, asyncio.run(_embed(missing, precision)), strict=True))
        if cache is not None:
            np.savez(cache, texts=np.array(list(known)), vectors=np.array(list(known.values())))
    return known


async def _embed(texts: Sequence[str], precision: str) -> npt.NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as folder:
        embedder = await LocalEmbedder.open(Path(folder), precision=precision, intra_operator_threads=2)
        embedded = await embedder.embed_documents(texts)
        await embedder.close()
    return embedded.vectors


def ask_all(asked: Sequence[Asked], rank: Ranker) -> list[tuple[Question, Measures]]:
    """The measures of every question under one ranker."""
    rows = []
    for one in asked:
        for question in one.conversation.questions:
            ranked = [one.stored[memory_id].sources for memory_id in rank(one, question)]
            rows.append((question, measures_by_sources(ranked, question.evidence)))
    return rows


def characters_of_ten(asked: Sequence[Asked], rank: Ranker) -> float:
    """Mean characters of the first ten memories of a question: what an agent pays for them."""
    lengths = [
        sum(len(one.stored[memory_id].text) for memory_id in rank(one, question)[:10])
        for one in asked
        for question in one.conversation.questions
    ]
    return sum(lengths) / len(lengths)


def line(name: str, measured: Measures, adversarial: Measures | None, milliseconds: float) -> str:
    """One row of the table, in points."""
    figures = (
        measured.recall_at_5,
        measured.recall_at_10,
        measured.recall_at_20,
        measured.recall_at_30,
        measured.hit_at_10,
        measured.mean_reciprocal_rank,
        measured.ndcg_at_10,
        adversarial.recall_at_10 if adversarial else float("nan"),
    )
    return f"{name:38}" + "".join(f"{100 * figure:8.1f}" for figure in figures) + f"{milliseconds:8.2f}"


def main() -> None:
    """Print the table of the ablation, then the default by category and by conversation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a LoCoMo file")
    parser.add_argument("--vectors", type=Path, help="file to keep vectors in between runs")
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8")
    parser.add_argument("--facts", action="store_true", help="through the deterministic extractor")
    arguments = parser.parse_args()
    store = stored_facts if arguments.facts else stored_turns
    asked = prepare(read_conversations(arguments.data), store, arguments.vectors, arguments.precision)
    print(f"{sum(len(one.stored) for one in asked)} memories")
    head = ("R@5", "R@10", "R@20", "R@30", "hit@10", "MRR", "NDCG@10", "5:R@10", "ms")
    print(f"{'categories 1-4':38}" + "".join(f"{name:>8}" for name in head))
    for name, rank in ablation().items():
        started = time.perf_counter()
        rows = ask_all(asked, rank)
        milliseconds = (time.perf_counter() - started) * 1000 / len(rows)
        groups = by_group(rows)
        print(line(name, groups["1-4"], groups.get("adversarial"), milliseconds), flush=True)
    for one in asked:
        groups = by_group(ask_all([one], ranker(DEFAULT_WEIGHTS)))
        print(line(one.conversation.id, groups["1-4"], groups.get("adversarial"), float("nan")))
    for name, measured in by_group(ask_all(asked, ranker(DEFAULT_WEIGHTS))).items():
        print(line(name, measured, None, float("nan")))
    print(f"{characters_of_ten(asked, ranker(DEFAULT_WEIGHTS)):.0f} characters in the first ten")


if __name__ == "__main__":
    main()
