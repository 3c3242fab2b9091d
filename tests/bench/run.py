"""`make bench`, or `python -m tests.bench.run [command] [options]`.

    run                                     searches, adds, gets at 1,000 and 10,000 memories, then `record`
    run quality --data <locomo.json>        how well searches find the evidence (see bench/quality)
    run paths --data <locomo.json>          how much answers from memory and from the index differ
    run calibration --data <locomo.json>    what a threshold keeps, and what choosing weights is worth
    run speed …                             how fast searches are, here and elsewhere (see bench/speed)
    run adding                              what adds with a model cost, and what they do to searches
    run record --memories 1000,100000       what the record costs on both databases (see bench/record)

`run <command> --help` tells a command's options.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
COMMANDS = {
    "quality": "bench.quality.command",
    "paths": "bench.quality.paths",
    "calibration": "bench.quality.calibration",
    "speed": "bench.speed.command",
    "record": "bench.record.command",
    "adding": "bench.adding",
}
DEFAULT = (
    ("speed", "--memories", "1000,10000", "--users", "100"),
    ("record", "--memories", "1000,10000,100000"),
)


def main() -> None:
    """Run one command, or the short ones."""
    sys.path.insert(0, str(TESTS))
    for name, *options in [sys.argv[1:]] if sys.argv[1:] else DEFAULT:
        if name not in COMMANDS:
            sys.exit(__doc__)
        importlib.import_module(COMMANDS[name]).main(options)


if __name__ == "__main__":
    main()
