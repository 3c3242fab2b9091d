"""The command `speed`: how long a search takes, for how many clients, where the time goes, and what the
same search costs elsewhere, all in one run."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.quality.peer import INSTALL, installed
from bench.speed import tables
from bench.speed.corpus import Corpus
from bench.speed.peer import measure_mem0
from bench.speed.references import measure_references
from bench.speed.serving import CLIENTS, is_prepared, measure, prepare
from bench.speed.tables import Measured
from bench.speed.vectors import Embedded, RandomDirections, Vectors
from support.server import REPOSITORY, SHARED_MODELS

CALLS = 320
"""Of all clients of one measurement together."""
MEMORIES_A_USER = 100
MEM0_SECONDS = 45.0
EMBEDDED = REPOSITORY / ".cache" / "bench" / "embedded"


def main(arguments: Sequence[str]) -> None:
    """Measure, print, draw."""
    options = _options(arguments)
    measured, data = asyncio.run(_measured(options))
    made = [tables.latencies(measured, data), tables.calls(measured), tables.references(measured)]
    if options.mem0:
        made.append(tables.peers(measured))
    print()
    for table in made:
        print(table, end="\n\n")
    if options.plot:
        tables.draw(options.plot, measured)
        print(f"picture: {options.plot}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument("--memories", type=_numbers, default=[1_000, 10_000], help="sizes, as 1000,10000")
    parser.add_argument(
        "--users",
        type=int,
        help=f"share them among so many users; {MEMORIES_A_USER} memories a user if left out",
    )
    parser.add_argument("--calls", type=int, default=CALLS, help="searches in each measurement")
    parser.add_argument("--mem0", action="store_true", help="the same searches of mem0 as well")
    parser.add_argument(
        "--embed",
        action="store_true",
        help="vectors of the local model, kept for the next run, not random ones",
    )
    parser.add_argument(
        "--keep", type=Path, help="folder for filled servers: a run that was stopped need not fill them again"
    )
    parser.add_argument("--plot", type=Path, help="PNG of all medians")
    options = parser.parse_args(arguments)
    if options.mem0 and not installed():
        parser.error(f"mem0 is not installed; do: {INSTALL}")
    return options


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


async def _measured(options: argparse.Namespace) -> tuple[list[Measured], str]:
    EMBEDDED.mkdir(parents=True, exist_ok=True)
    vectors: Vectors = await Embedded.open(SHARED_MODELS, EMBEDDED) if options.embed else RandomDirections()
    measured = []
    for memories in options.memories:
        corpus = Corpus(memories, options.users or max(memories // MEMORIES_A_USER, 1))
        with _folder(options.keep) as folder:
            measured.append(await _one(folder, corpus, vectors, options))
    await vectors.close()
    return measured, vectors.description


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="mnemon-bench-") as name:
        yield Path(name)


async def _one(folder: Path, corpus: Corpus, vectors: Vectors, options: argparse.Namespace) -> Measured:
    kind = "embedded" if options.embed else "random"
    directory = folder / f"{corpus.memories}-{corpus.users}-{kind}"
    with _said(f"{corpus}: fill and index"):
        if not is_prepared(directory):
            await prepare(directory, corpus, vectors)
    with _said(f"{corpus}: searches of Mnemon"):
        served = await measure(directory, corpus, options.calls)
    with _said(f"{corpus}: the parts alone"), tempfile.TemporaryDirectory(prefix="mnemon-bench-") as scratch:
        parts = await measure_references(corpus, vectors, directory, SHARED_MODELS, Path(scratch))
    peer = None
    if options.mem0:
        with _said(f"{corpus}: mem0"):
            peer = await measure_mem0(corpus, vectors, CLIENTS, options.calls, MEM0_SECONDS)
            print(f"{corpus}: mem0 was filled in {peer.fill_seconds:.0f} s")
    return Measured(corpus, served, parts, peer)


@contextmanager
def _said(what: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - begun:.0f} s", flush=True)
