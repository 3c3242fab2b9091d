"""Runs the demo and writes its output into the README, between the marks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Replaces what stands between `<!-- demo -->` and `<!-- /demo -->`."""
    shown = subprocess.run(
        [sys.executable, ROOT / "clients/examples/demo/demo.py"], capture_output=True, text=True, check=True
    ).stdout
    plain = "\n".join(line.rstrip() for line in shown.strip().splitlines())
    readme = ROOT / "README.md"
    block = f"<!-- demo -->\n```text\n{plain}\n```\n<!-- /demo -->"
    readme.write_text(
        re.sub(r"<!-- demo -->.*<!-- /demo -->", lambda _: block, readme.read_text(), flags=re.DOTALL)
    )


if __name__ == "__main__":
    main()
