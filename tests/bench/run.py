"""`make bench`, or `python -m tests.bench.run [command] [options]`.

    run                                     a short table of speeds: a thousand memories, a minute
    run quality --data <locomo.json>        how well searches find the evidence (see bench/quality)
    run mem0-speed --memories 10000         searches of mem0 as a library and of ours, in one run
    run speed …                             how fast searches are (see bench/speed)
    run record --memories 1000,100000       what writes and reads cost on both databases (see bench/record)

`run <command> --help` tells a command's options.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
COMMANDS = {
    "quality": "bench.quality.command",
    "mem0-speed": "bench.quality.mem0_speed",
    "speed": "bench.speed.command",
    "record": "bench.record.command",
}
DEFAULT = ("speed", "--memories", "1000", "--calls", "64")


def main() -> None:
    """Run one command."""
    sys.path.insert(0, str(TESTS))
    name, *options = sys.argv[1:] or DEFAULT
    if name not in COMMANDS:
        sys.exit(__doc__)
    importlib.import_module(COMMANDS[name]).main(options)


if __name__ == "__main__":
    main()
