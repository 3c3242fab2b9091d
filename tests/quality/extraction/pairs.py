"""Measure near-duplicate detection on `pairs.json` with the local embedder.

    cd tests && python -m quality.extraction.pairs

Prints precision and recall for several thresholds, on the pairs that the rules were made with and on
those held out, and for cosine alone.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mnemon_service.memory.extraction.duplicates import MINIMUM_COSINE, is_near_duplicate
from mnemon_service.providers.local_embedding import LocalEmbedder

PAIRS = Path(__file__).with_name("pairs.json")
SAME = frozenset({"same words", "paraphrase"})
"""The kinds whose two statements say the same."""


@dataclass(frozen=True)
class Pair:
    """Two statements, and whether they say the same."""

    part: str
    """`tuned` or `held out`."""
    kind: str
    a: str
    b: str

    @property
    def same(self) -> bool:
        """Whether a reader would take one for the other."""
        return self.kind in SAME


def load() -> list[Pair]:
    """All pairs."""
    parts = json.loads(PAIRS.read_text("utf-8"))
    return [
        Pair(part, kind, a, b)
        for part, kinds in parts.items()
        for kind, pairs in kinds.items()
        for a, b in pairs
    ]


async def cosines(pairs: Sequence[Pair]) -> list[float]:
    """The similarity of each pair's vectors."""
    with tempfile.TemporaryDirectory() as cache:
        embedder = await LocalEmbedder.open(Path(cache))
        try:
            first = (await embedder.embed_documents([pair.a for pair in pairs])).vectors
            second = (await embedder.embed_documents([pair.b for pair in pairs])).vectors
        finally:
            await embedder.close()
    return [float(a @ b) for a, b in zip(first, second, strict=True)]


def main() -> None:
    """Print the table."""
    pairs = load()
    near = asyncio.run(cosines(pairs))

    def by_rules(least: float) -> Callable[[Pair, float], bool]:
        return lambda pair, cosine: cosine >= least and is_near_duplicate(pair.a, pair.b, cosine)

    methods: dict[str, Callable[[Pair, float], bool]] = {
        f"is_near_duplicate (cosine {MINIMUM_COSINE})": by_rules(-1.0),
        "… with cosine 0.90": by_rules(0.90),
        "… with cosine 0.95": by_rules(0.95),
        "cosine 0.90 alone": lambda _pair, cosine: cosine >= 0.90,
        "cosine 0.95 alone": lambda _pair, cosine: cosine >= 0.95,
        "cosine 0.98 alone": lambda _pair, cosine: cosine >= 0.98,
    }
    table = Table()
    for heading in ("method", "part", "pairs", "precision", "recall"):
        table.add_column(heading)
    for name, says_same in methods.items():
        for part in ("tuned", "held out"):
            rows = [(pair, cosine) for pair, cosine in zip(pairs, near, strict=True) if pair.part == part]
            called = [pair.same for pair, cosine in rows if says_same(pair, cosine)]
            precision = sum(called) / len(called) if called else 1.0
            recall = sum(called) / sum(pair.same for pair, _ in rows)
            table.add_row(name, part, str(len(rows)), f"{precision:.1%}", f"{recall:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
