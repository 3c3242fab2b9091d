"""The command `speed`: how long a search takes, for how many clients, and where the time goes."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.indexing import index_filled
from bench.report import Table, plot_curves
from bench.speed.asking import Asker, Timings
from bench.speed.corpus import MEMORIES_A_USER, fill
from bench.speed.references import engine_alone, exact_scan, one_embedding
from support.server import SHARED_MODELS, MnemonServer

CLIENTS = (1, 8, 32)
CALLS = 320
"""Of all clients of one measurement together."""
STAGES = ("embed", "analyse", "retrieve", "fuse", "hydrate")
INDEX_SECONDS_A_THOUSAND = 30
"""How long a server may take to index a thousand memories before the measurement is given up."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One size."""

    memories: int
    cold: Timings
    warm: dict[int, Timings]
    streamed: dict[int, Timings]
    by_index: Timings
    """With views switched off; a single client."""
    engine: Timings
    resident_megabytes: float


def main(arguments: Sequence[str]) -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument(
        "--memories", type=_numbers, default=[1_000, 10_000], help="sizes; 100 memories a user"
    )
    parser.add_argument("--calls", type=int, default=CALLS, help="searches in each measurement")
    parser.add_argument("--plot", type=Path, help="PNG of latency by clients")
    options = parser.parse_args(arguments)
    embedding = asyncio.run(one_embedding(SHARED_MODELS))
    scan = asyncio.run(exact_scan())
    measured = [asyncio.run(measure(size, options.calls)) for size in options.memories]
    for table in (_latencies(measured), _shares(measured), _references(measured, embedding, scan)):
        print(table, end="\n\n")
    if options.plot:
        _plot(options.plot, measured)
        print(f"picture: {options.plot}")


async def measure(memories: int, calls: int) -> Measured:
    """Fill a data directory, serve it, ask it, and ask its engine alone."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        await fill(directory / "mnemon.db", memories)
        users = memories // MEMORIES_A_USER
        with MnemonServer(directory) as server:
            seconds = INDEX_SECONDS_A_THOUSAND * max(memories / 1_000, 1)
            await index_filled(directory, directory / "mnemon.db", seconds)
            asker = Asker(server.address, server.metadata, users)
            await asker.once_each([0])
            cold = await asker.once_each(range(1, min(users, 101)))
            warm = {clients: await asker.together(clients, calls // clients) for clients in CLIENTS}
            streamed = {
                clients: await asker.together(clients, calls // clients, streamed=True) for clients in CLIENTS
            }
            resident = server.resident_bytes / 1e6
            await asker.close()
            server.stop()
        with MnemonServer(directory, {"MNEMON_SEARCH_VIEWS": "false"}) as server:
            asker = Asker(server.address, server.metadata, users)
            await asker.once_each(range(min(users, 64)))
            by_index = await asker.together(1, calls // 2)
            await asker.close()
            server.stop()
        engine = await engine_alone(directory / "index", users)
    return Measured(memories, cold, warm, streamed, by_index, engine, resident)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _latencies(measured: Sequence[Measured]) -> Table:
    table = Table(
        "Search over gRPC, milliseconds (100 memories a user)",
        ("memories", "clients", "p50", "p95", "p99", "searches/s", "first page p50", "first page p95"),
    )
    for one in measured:
        table.add(f"{one.memories:,}", "1, cold", *_three(one.cold), one.cold.throughput, "", "")
        for clients, warm in one.warm.items():
            first = one.streamed[clients]
            pages = (first.percentile(0.5), first.percentile(0.95))
            table.add(f"{one.memories:,}", str(clients), *_three(warm), warm.throughput, *pages)
        by_index = one.by_index
        table.add(f"{one.memories:,}", "1, no views", *_three(by_index), by_index.throughput, "", "")
    return table


def _three(timings: Timings) -> tuple[float, float, float]:
    return timings.percentile(0.5), timings.percentile(0.95), timings.percentile(0.99)


def _shares(measured: Sequence[Measured]) -> Table:
    table = Table(
        "Where one client's time goes, median milliseconds (stages overlap: retrieval begins while the query "
        "is embedded)",
        ("memories", *STAGES, "whole call", "server MB"),
    )
    for one in measured:
        warm = one.warm[1]
        stages = [warm.stage(name) for name in STAGES]
        table.add(f"{one.memories:,}", *stages, warm.percentile(0.5), f"{one.resident_megabytes:.0f}")
    return table


def _references(measured: Sequence[Measured], embedding: Timings, scan: Timings) -> Table:
    table = Table(
        "Against the parts alone, p50 in milliseconds",
        (
            "memories",
            "search",
            "one embedding",
            "engine alone",
            "numpy scan",
            "search / (embedding + engine)",
        ),
    )
    for one in measured:
        search, embed, engine = (each.percentile(0.5) for each in (one.warm[1], embedding, one.engine))
        ratio = f"{search / (embed + engine):.2f}"
        table.add(f"{one.memories:,}", search, embed, engine, f"{scan.percentile(0.5):.3f}", ratio)
    return table


def _plot(path: Path, measured: Sequence[Measured]) -> None:
    curves = {}
    for one in measured:
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            curves[f"{name}, {one.memories:,} memories"] = [
                one.warm[clients].percentile(share) for clients in CLIENTS
            ]
    plot_curves(
        path, curves, CLIENTS, title="Search over gRPC", x_label="clients at once", y_label="milliseconds"
    )
