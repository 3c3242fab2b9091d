"""The command `mem0-speed`: the same searches of mem0 as a library and of Mnemon over gRPC, in one run.

Both hold the same made-up memories (100 a user, precomputed vectors) and are asked by one client, one
question after the other; both embed each question with the same local model. mem0 runs in the asking process
with Qdrant on a folder (its way without a server), with and without its keyword search; Mnemon is a server
with its defaults, asked over the network.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from bench.indexing import index_filled
from bench.quality.offline_ranking import Vectors
from bench.quality.peer import INSTALL, ask_mem0, installed
from bench.report import Table
from bench.speed.asking import Asker, Timings
from bench.speed.corpus import MEMORIES_A_USER, PROJECT, SPACE, fill, questions
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Selection
from support.server import MnemonServer

TOP_K = 10
DATABASE = "mnemon.db"
INDEX_SECONDS_A_THOUSAND = 30.0
"""How long a server may take to index a thousand memories before the measurement is given up."""


@dataclass(frozen=True, slots=True)
class Held:
    """What both hold, for mem0."""

    memories: list[dict[str, str]]
    vectors: Vectors


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="mem0-speed", description=__doc__)
    parser.add_argument("--memories", type=int, default=10_000, help="100 memories a user")
    parser.add_argument("--calls", type=int, default=100, help="searches of each")
    parser.add_argument("--dense-only", action="store_true", help="leave mem0's keyword search out")
    options = parser.parse_args(arguments)
    if not installed():
        parser.error(f"mem0 is not installed; do: {INSTALL}")
    users = [number % (options.memories // MEMORIES_A_USER) for number in range(options.calls)]
    first, warm, held = asyncio.run(_ours(options.memories, users))
    title = f"Search, milliseconds, {options.memories:,} memories, 100 a user"
    table = Table(title, ("", "p50", "p95", "p50 against Mnemon's"))
    base = warm.percentile(0.5)
    searches = [
        {"user_id": f"user-{number}", "query": question}
        for number, question in zip(users, islice(questions(3), len(users)), strict=True)
    ]
    rows = {"Mnemon over gRPC": warm, "Mnemon over gRPC, first search of a user": first}
    for keyword in (False,) if options.dense_only else (False, True):
        answers = ask_mem0(held.memories, searches, held.vectors, keyword=keyword, top_k=TOP_K)
        how = "dense + BM25" if keyword else "dense"
        rows[f"mem0 {answers.version} as a library, {how}"] = Timings(answers.milliseconds)
    for name, timings in rows.items():
        median = timings.percentile(0.5)
        table.add(name, median, timings.percentile(0.95), f"{median / base:.1f} times")
    print(table)


async def _ours(memories: int, users: Sequence[int]) -> tuple[Timings, Timings, Held]:
    """The first search of each user, the next one, and what there is to search."""
    with tempfile.TemporaryDirectory(prefix="mnemon-bench-") as name:
        directory = Path(name)
        await fill(directory / DATABASE, memories)
        held = await _read(directory / DATABASE)
        with MnemonServer(directory) as server:
            await index_filled(directory, directory / DATABASE, INDEX_SECONDS_A_THOUSAND * memories / 1000)
            asker = Asker(server.address, server.metadata, memories // MEMORIES_A_USER)
            once = list(dict.fromkeys(users))
            first = await asker.once_each(once)
            warm = await asker.once_each(users)
            await asker.close()
            server.stop()
    return first, warm, held


async def _read(database: Path) -> Held:
    record = await Record.open(database)
    rows, _ = await record.memories.rows(Access(PROJECT), Selection(Scope()), SPACE)
    await record.close()
    memories = [{"user_id": row.memory.scope.user_id, "text": row.memory.text} for row in rows]
    return Held(memories, {row.memory.text: np.asarray(row.vectors[0]) for row in rows})
