"""Ranking alone on LoCoMo, without server or store: which sign of relevance earns what.

    python -m bench.quality.offline_ranking --data <locomo.json> [--vectors <cache.npz>]   (in tests/)

Turns are stored as the service stores raw turns (`infer=false`): the text with its picture's caption,
attributed to its speaker, its sessions as sittings, its place in the session as its run position. The
vectors come from the built-in embedder. Nothing here is tuned by conversation or category.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.quality.locomo import Conversation, Measures, Question, by_group, measures, read_conversations
from mnemon_service.model.indexed_text import embedded_texts, indexed_text
from mnemon_service.model.text_analysis import term_counts
from mnemon_service.providers.local_embedding import LocalEmbedder
from mnemon_service.search.ranking.fusion import fuse
from mnemon_service.search.ranking.query_analysis import analyze_query
from mnemon_service.search.ranking.scope_view import ScopeView, ViewRow
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS, Weights

Vectors = dict[str, npt.NDArray[np.float32]]
Ranker = Callable[["Asked", Question], list[str]]

RRF_CONSTANT = 60
"""Of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One conversation ready to be asked."""

    conversation: Conversation
    by_sentence: ScopeView
    whole: ScopeView
    vectors: Vectors


def texts_of(conversations: Iterable[Conversation]) -> list[str]:
    """Everything that must be embedded, once each."""
    texts: dict[str, None] = {}
    for conversation in conversations:
        for turn in conversation.turns:
            texts.update(dict.fromkeys(embedded_texts(turn.text, turn.speaker)))
        texts.update(dict.fromkeys(question.text for question in conversation.questions))
    return list(texts)


def view_of(conversation: Conversation, vectors: Vectors, *, by_sentence: bool) -> ScopeView:
    """The conversation's turns, with a vector for each sentence or one for the turn."""
    rows = []
    for turn in conversation.turns:
        texts = embedded_texts(turn.text, turn.speaker)
        row = ViewRow(
            memory_id=turn.id,
            vectors=np.array([vectors[text] for text in (texts if by_sentence else texts[:1])]),
            term_counts=term_counts(indexed_text(turn.text, turn.speaker)),
            attributed_to=turn.speaker,
            run_id=conversation.id,
            session=str(turn.session),
            run_position=turn.position,
            observed_time=turn.said_at,
            update_time=turn.said_at,
        )
        rows.append(row)
    return ScopeView.build(rows, len(rows[0].vectors[0]))


def ranker(weights: Weights, *, by_sentence: bool = True, limit: int = 100, expand_best: int = 30) -> Ranker:
    """Ranks as the service does, with these weights."""

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
    }
    both = replace(full, speaker=0.0, time=0.0, recency=0.0, neighbour=0.0, session=0.0, entity=0.0)
    dense = ranker(full.semantic_only(), by_sentence=False, expand_best=0)
    words = ranker(full.keyword_only(), expand_best=0)
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
    steps["default, one vector a turn"] = ranker(full, by_sentence=False)
    for sign in signs:
        steps[f"default without {sign}"] = ranker(_with(full, sign, 0.0))
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
    return [
        (question, measures(rank(one, question), question.evidence))
        for one in asked
        for question in one.conversation.questions
    ]


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
    return f"{name:34}" + "".join(f"{100 * figure:8.1f}" for figure in figures) + f"{milliseconds:8.2f}"


def main() -> None:
    """Print the table of the ablation, then the default by category and by conversation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a LoCoMo file")
    parser.add_argument("--vectors", type=Path, help="file to keep vectors in between runs")
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8")
    arguments = parser.parse_args()
    conversations = read_conversations(arguments.data)
    vectors = vectors_of(texts_of(conversations), arguments.vectors, arguments.precision)
    asked = [
        Asked(
            conversation,
            view_of(conversation, vectors, by_sentence=True),
            view_of(conversation, vectors, by_sentence=False),
            vectors,
        )
        for conversation in conversations
    ]
    head = ("R@5", "R@10", "R@20", "R@30", "hit@10", "MRR", "NDCG@10", "5:R@10", "ms")
    print(f"{'categories 1-4':34}" + "".join(f"{name:>8}" for name in head))
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


if __name__ == "__main__":
    main()
