"""What was measured, as tables and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Table, plot_bars
from bench.speed.corpus import Corpus
from bench.speed.load import Timings
from bench.speed.peer import Mem0
from bench.speed.references import References
from bench.speed.serving import CLIENTS, COLD, WARM, Served


@dataclass(frozen=True, slots=True)
class Measured:
    """One size."""

    corpus: Corpus
    served: Served
    references: References
    mem0: Mem0 | None


def latencies(measured: Sequence[Measured], data: str) -> Table:
    """Searches by size, cache and clients."""
    table = Table(
        f"Search over gRPC, milliseconds ({data}; a cold user's memories are read first; a warm one asks "
        "something new)",
        (
            *("memories of users", "cache", "clients", "calls", "p50", "p95", "p99", "searches/s"),
            *("first page p50", "p95", "p99"),
        ),
    )
    for one in measured:
        for row in one.served.rows:
            first = row.first_pages.three if row.first_pages else ("", "", "")
            table.add(
                *(str(one.corpus), row.cache, str(row.clients), str(len(row.unary.milliseconds))),
                *row.unary.three,
                row.unary.throughput,
                *first,
            )
    return table


def calls(measured: Sequence[Measured]) -> Table:
    """Every kind of call by one client, and where its time goes."""
    table = Table(
        "One client's calls, milliseconds, and the median of each stage as a share of the median call "
        "(a search embeds the query and opens its scope at the same time)",
        ("memories of users", "call", "p50", "p95", "p99", "stages", "server MB"),
    )
    for one in measured:
        served = one.served
        search = served.warm(1)
        megabytes = f"{served.resident_megabytes:.0f}"
        for name, timings, stages in (
            ("add, infer off", served.add, served.add.add_stages()),
            ("search", search, search.search_stages()),
            ("get", served.get, {}),
        ):
            shares = _shares(stages, timings.percentile(0.5))
            table.add(str(one.corpus), name, *timings.three, shares, megabytes)
    return table


def _shares(stages: dict[str, float], whole: float) -> str:
    return ", ".join(f"{name} {time:.2f} ({time / whole:.0%})" for name, time in stages.items())


def references(measured: Sequence[Measured]) -> Table:
    """Searches beside their parts alone."""
    table = Table(
        "Against the parts alone, p50 in milliseconds, in the same run",
        (
            *("memories of users", "search", "one embedding", "engine alone", "raw pymilvus", "numpy scan"),
            *(
                "search / embedding",
                "/ (embedding + engine)",
                "/ (embedding + pymilvus)",
                "p95 / p50, 8 clients",
            ),
        ),
    )
    for one in measured:
        parts = one.references
        search, eight = one.served.warm(1).percentile(0.5), one.served.warm(8)
        embed, engine, raw = (
            each.percentile(0.5) for each in (parts.embedding, parts.engine, parts.pymilvus)
        )
        ratios = (search / embed, search / (embed + engine), search / (embed + raw))
        spread = eight.percentile(0.95) / eight.percentile(0.5)
        table.add(
            *(str(one.corpus), search, embed, engine, raw, f"{parts.scan.percentile(0.5):.3f}"),
            *(f"{ratio:.2f}" for ratio in (*ratios, spread)),
        )
    return table


def peers(measured: Sequence[Measured]) -> Table:
    """mem0 beside Mnemon."""
    table = Table(
        "Mnemon and mem0, milliseconds (mem0's Qdrant on a folder, filled in batches through its vector "
        "store with the same vectors; both embed each question with the same local model)",
        (
            "memories of users",
            "",
            "clients",
            "calls",
            "p50",
            "p95",
            "p99",
            "searches/s",
            "p50 / Mnemon's warm",
        ),
    )
    for one in measured:
        for name, clients, timings in _compared(one):
            ratio = timings.percentile(0.5) / one.served.warm(clients).percentile(0.5)
            table.add(
                *(str(one.corpus), name, str(clients), str(len(timings.milliseconds))),
                *timings.three,
                timings.throughput,
                f"{ratio:.1f}",
            )
    return table


def _compared(one: Measured) -> list[tuple[str, int, Timings]]:
    if one.mem0 is None:
        return []
    ours = [
        (f"Mnemon, {row.cache}", row.clients, row.unary)
        for row in one.served.rows
        if row.cache in (COLD, WARM)
    ]
    name = f"mem0 {one.mem0.version}"
    library = [(f"{name} library, {way}", 1, timings) for way, timings in one.mem0.library.items()]
    served = [
        (f"{name} FastAPI, {way}", clients, timings) for (way, clients), timings in one.mem0.served.items()
    ]
    return [*ours, *library, *served]


def draw(path: Path, measured: Sequence[Measured]) -> None:
    """p50 with p95 above it, for each size: who was asked, by how many clients."""
    groups = {}
    for one in measured:
        bars = {}
        for clients in CLIENTS:
            bars[_clients("Mnemon", clients)] = one.served.warm(clients)
        if one.mem0 is not None:
            for way, timings in one.mem0.library.items():
                bars[f"mem0 library, {way}"] = timings
            for (way, clients), timings in one.mem0.served.items():
                bars[_clients(f"mem0 FastAPI, {way}", clients)] = timings
        bars["one embedding alone"] = one.references.embedding
        bars["Milvus alone, as Mnemon lays it out"] = one.references.engine
        bars["Milvus alone, raw pymilvus"] = one.references.pymilvus
        bars["numpy scan alone"] = one.references.scan
        groups[f"{one.corpus.memories:,} memories, {one.corpus.users:,} users"] = {
            name: (timings.percentile(0.5), timings.percentile(0.95)) for name, timings in bars.items()
        }
    plot_bars(path, groups, title="One search", x_label="milliseconds (bar: p50, line: p95)")


def _clients(name: str, clients: int) -> str:
    return f"{name}, {clients} client{'s' if clients > 1 else ''}"
