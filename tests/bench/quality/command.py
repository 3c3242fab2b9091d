"""The command `quality`: how well searches find the evidence, in one table."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

from bench.quality.locomo import CUTOFFS, Conversation, Measures, Question, read_conversations
from bench.quality.offline_ranking import Asked as View
from bench.quality.offline_ranking import Ranker, Vectors, ablation, prepare, stored_turns, vectors_of
from bench.quality.peer import INSTALL, installed, run_mem0
from bench.quality.service import MODES, TOP_K, Asked, Run, runs, write_rows
from bench.report import Table, plot_curves
from support.server import REPOSITORY

CACHE = REPOSITORY / ".cache" / "bench"
BASELINES = ("dense only", "BM25 only", "RRF(60) of dense and BM25")
"""Of the offline runner, over the same turns and vectors."""
HEADINGS = ("R@5", "R@10", "R@20", "R@30", "hit@10", "MRR", "NDCG@10")


def main(arguments: Sequence[str]) -> None:
    """Ask, print, keep the rows."""
    options = _options(arguments)
    conversations = read_conversations(options.data)
    held: list[Run] = []
    for one in _runs(conversations, options):
        print(f"{one.name}: {one.memories} memories, {len(one.asked)} questions", flush=True)
        held.append(one)
    print()
    for table in (_overview(held), _by_category(held), _by_conversation(held)):
        print(table, end="\n\n")
    write_rows(options.rows, held)
    print(f"one row a question: {options.rows}")
    if options.plot:
        _plot(options.plot, held)
        print(f"picture: {options.plot}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a LoCoMo file")
    parser.add_argument(
        "--stored", type=_words, default=["turns", "facts"], help="turns (infer=False), facts (infer=True)"
    )
    parser.add_argument("--modes", type=_words, default=["hybrid"], help="of hybrid, semantic, keyword")
    parser.add_argument("--baselines", action="store_true", help="dense, BM25 and RRF too, without a server")
    parser.add_argument("--mem0", action="store_true", help="the same questions to mem0 as well")
    parser.add_argument(
        "--rows", type=Path, default=CACHE / "quality.jsonl", help="file for one row a question"
    )
    parser.add_argument("--plot", type=Path, help="PNG of recall by cut-off")
    options = parser.parse_args(arguments)
    if not {mode.upper() for mode in options.modes} <= set(MODES):
        parser.error(f"--modes takes {', '.join(MODES).lower()}")
    if not set(options.stored) <= {"turns", "facts"}:
        parser.error("--stored takes turns, facts")
    if options.mem0 and not installed():
        parser.error(f"mem0 is not installed; do: {INSTALL}")
    return options


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _runs(conversations: Sequence[Conversation], options: argparse.Namespace) -> Iterator[Run]:
    yield from runs(conversations, stored=options.stored, modes=[mode.upper() for mode in options.modes])
    CACHE.mkdir(parents=True, exist_ok=True)
    if options.baselines:
        yield from _baselines(conversations)
    if options.mem0:
        vectors = _vectors(conversations)
        yield run_mem0(conversations, vectors, keyword=False)
        yield run_mem0(conversations, vectors, keyword=True)
        yield run_mem0(conversations, vectors, keyword=True, stop_words=True)


def _vectors(conversations: Sequence[Conversation]) -> Vectors:
    """Of all turns with their speakers, and of all questions."""
    texts = [turn.named_text for one in conversations for turn in one.turns]
    texts += [question.text for one in conversations for question in one.questions]
    vectors = vectors_of(list(dict.fromkeys(texts)), CACHE / "vectors.npz", "int8")
    return {text: vectors[text] for text in texts}


def _baselines(conversations: Sequence[Conversation]) -> Iterator[Run]:
    asked = prepare(conversations, stored_turns, CACHE / "vectors.npz", "int8")
    rankers = ablation()
    for name in BASELINES:
        rows = [
            _ranked(one, question, rankers[name]) for one in asked for question in one.conversation.questions
        ]
        yield Run(f"offline, turns, {name}", sum(len(one.stored) for one in asked), tuple(rows))


def _ranked(view: View, question: Question, rank: Ranker) -> Asked:
    started = time.perf_counter()
    stored = [view.stored[memory_id] for memory_id in rank(view, question)[:TOP_K]]
    return Asked.of(
        view.conversation.id,
        question,
        [one.sources for one in stored],
        [one.text for one in stored],
        (time.perf_counter() - started) * 1000,
    )


def _overview(held: Sequence[Run]) -> Table:
    table = Table(
        "Categories 1 to 4 in points, category 5 apart; milliseconds of a search; size of the first ten",
        ("", *HEADINGS, "5: R@10", "p50 ms", "p95 ms", "characters", "tokens"),
    )
    for one in held:
        groups = one.by_group
        adversarial = 100 * groups["adversarial"].recall_at_10 if "adversarial" in groups else "-"
        times = (one.milliseconds(50), one.milliseconds(95))
        table.add(
            one.name,
            *_points(groups["1-4"]),
            adversarial,
            *times,
            f"{one.characters:.0f}",
            f"{one.tokens:.0f}",
        )
    return table


def _by_category(held: Sequence[Run]) -> Table:
    table = Table("By category", ("", "category", *HEADINGS))
    for one in held:
        for name, measured in one.by_group.items():
            if name != "1-4":
                table.add(one.name, name, *_points(measured))
    return table


def _by_conversation(held: Sequence[Run]) -> Table:
    table = Table("By conversation, categories 1 to 4", ("", "conversation", *HEADINGS))
    for one in held:
        for name, groups in one.by_conversation.items():
            if "1-4" in groups:
                table.add(one.name, name, *_points(groups["1-4"]))
    return table


def _points(measured: Measures) -> list[float]:
    return [100 * figure for figure in astuple(measured)]


def _plot(path: Path, held: Sequence[Run]) -> None:
    curves = {one.name: _points(one.by_group["1-4"])[: len(CUTOFFS)] for one in held}
    plot_curves(
        path,
        curves,
        CUTOFFS,
        title="Share of the evidence found (LoCoMo, categories 1 to 4)",
        x_label="memories returned",
        y_label="recall, %",
    )
