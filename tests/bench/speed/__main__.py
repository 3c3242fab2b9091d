"""`python -m bench.speed` in `tests/`."""

import sys

from bench.speed.command import main

main(sys.argv[1:])
