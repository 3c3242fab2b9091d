"""The command `calibration`: what a threshold keeps, and how much the chosen weights owe to their choice.

Both offline, with the ranking of the service and no server (`offline_ranking`). For the thresholds each
question is asked of its own conversation and of the next one, which cannot answer it. For the weights
(`--choose`, about five minutes) the best of a grid on four conversations is asked on the fifth, in turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from bench.quality.locomo import (
    ADVERSARIAL,
    Question,
    by_group,
    measures_by_sources,
    read_conversations,
)
from bench.quality.offline_ranking import SERVICE, Asked, prepare, stored_turns
from bench.report import Table
from mnemon_service.search.ranking.candidate import RankedHit
from mnemon_service.search.ranking.fusion import fuse
from mnemon_service.search.ranking.query_analysis import AnalyzedQuery, analyze_query
from mnemon_service.search.ranking.scope_view import Retrieval
from mnemon_service.search.ranking.view_arrays import Vectors
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS, Weights
from support.server import REPOSITORY

Retrieved = tuple[Question, AnalyzedQuery, Retrieval]
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
GRID = {
    "keyword": (1.0, 1.5, 2.0),
    "time": (0.1, 0.2, 0.3),
    "speaker": (0.05, 0.1),
    "neighbour": (0.3, 0.4, 0.5),
    "session": (0.2, 0.3, 0.4),
}


@dataclass(frozen=True, slots=True)
class Scored:
    """One question's scores, best first, of its own conversation and of another."""

    hits: list[tuple[float, bool]]
    """Each hit's score, and whether it is evidence."""
    foreign: float
    """The best score of a conversation that cannot answer it."""


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="calibration", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a LoCoMo file")
    parser.add_argument("--choose", action="store_true", help="choose weights anew on four of five, too")
    options = parser.parse_args(arguments)
    cache = REPOSITORY / ".cache" / "bench" / "vectors.npz"
    cache.parent.mkdir(parents=True, exist_ok=True)
    asked = prepare(read_conversations(options.data), stored_turns, cache, "int8")
    print(_thresholds(_scored(asked)))
    if options.choose:
        print()
        print(_chosen(asked))


def _scored(asked: Sequence[Asked]) -> list[Scored]:
    found = []
    for one, other in zip(asked, [*asked[1:], asked[0]], strict=True):
        for question in one.conversation.questions:
            if question.category == ADVERSARIAL:
                continue
            vector = one.vectors[question.text]
            own = [
                (hit.score, not one.stored[hit.memory_id].sources.isdisjoint(question.evidence))
                for hit in _hits(one, question, vector)
            ]
            foreign = _hits(other, question, vector)
            found.append(Scored(own, foreign[0].score if foreign else 0.0))
    return found


def _hits(asked: Asked, question: Question, vector: Vectors) -> list[RankedHit]:
    _, query, found = _retrieved(asked, question, vector)
    return fuse(query, found.candidates, found.statistics, DEFAULT_WEIGHTS)


def _retrieved(asked: Asked, question: Question, vector: Vectors) -> Retrieved:
    query = analyze_query(question.text, asked.conversation.end)
    found = asked.by_sentence.retrieve(
        query, vector, SERVICE.candidates, weights=DEFAULT_WEIGHTS, expand_best=SERVICE.expand_best
    )
    return question, query, found


def _thresholds(scored: Sequence[Scored]) -> Table:
    table = Table(
        f"What a threshold keeps, raw turns, {len(scored)} questions of categories 1 to 4",
        ("threshold", "evidence kept", "hits kept", "answerable with a hit", "foreign with a hit"),
    )
    evidence = sum(is_evidence for one in scored for _, is_evidence in one.hits)
    for threshold in THRESHOLDS:
        kept = [[is_evidence for score, is_evidence in one.hits if score >= threshold] for one in scored]
        table.add(
            f"{threshold}",
            f"{sum(map(sum, kept)) / evidence:.0%}",
            f"{mean(map(len, kept)):.1f}",
            f"{mean(bool(hits) for hits in kept):.0%}",
            f"{mean(one.foreign >= threshold for one in scored):.0%}",
        )
    return table


def _chosen(asked: Sequence[Asked]) -> Table:
    """Points on the conversation that was left out, by the default and by what the others chose."""
    choices: list[dict[str, Any]] = [
        dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())
    ]
    grid = [replace(DEFAULT_WEIGHTS, **choice) for choice in choices]
    held = [
        [
            _retrieved(one, question, one.vectors[question.text])
            for question in one.conversation.questions
            if question.category != ADVERSARIAL
        ]
        for one in asked
    ]
    points = {
        weights: [_points(one, found, weights) for one, found in zip(asked, held, strict=True)]
        for weights in grid
    }
    table = Table(
        f"Weights chosen on the other conversations out of {len(grid)}: recall@10 / NDCG@10",
        ("conversation", "default", "chosen without it", *GRID),
    )
    losses = []
    for place, one in enumerate(asked):
        best = max(grid, key=lambda weights: _without(points[weights], place))
        default, chosen = points[DEFAULT_WEIGHTS][place], points[best][place]
        losses.append((default[0] - chosen[0], default[1] - chosen[1]))
        table.add(
            *(one.conversation.id, _pair(default), _pair(chosen)),
            *(f"{getattr(best, name)}" for name in GRID),
        )
    mean_loss = (mean(recall for recall, _ in losses), mean(ndcg for _, ndcg in losses))
    table.add("mean loss", "", _pair(mean_loss), *("" for _ in GRID))
    return table


def _points(asked: Asked, held: Sequence[Retrieved], weights: Weights) -> tuple[float, float]:
    """Recall and NDCG when the candidates, which the default weights chose, are ranked with these."""
    rows = []
    for question, query, found in held:
        order = fuse(query, found.candidates, found.statistics, weights)
        ranked = [asked.stored[hit.memory_id].sources for hit in order]
        rows.append((question, measures_by_sources(ranked, question.evidence)))
    measured = by_group(rows)["1-4"]
    return 100 * measured.recall_at_10, 100 * measured.ndcg_at_10


def _without(points: Sequence[tuple[float, float]], place: int) -> float:
    """Recall and NDCG of the others, added."""
    return sum(sum(pair) for other, pair in enumerate(points) if other != place)


def _pair(points: tuple[float, float]) -> str:
    return f"{points[0]:.1f} / {points[1]:.1f}"
