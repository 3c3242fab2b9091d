"""Starts a server on a temporary directory, tells it a story, asks it questions, and stops it.

Run by `make demo`. The story (`conversation.json`) is a chat of two friends over five months who change
their minds; no language model is needed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mnemon import Client

STORY = json.loads((Path(__file__).parent / "conversation.json").read_text())
HITS = 3


@contextmanager
def temporary_server() -> Iterator[Client]:
    """A client of a server that exists as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="mnemon-demo-") as folder:
        environment = {**os.environ, "MNEMON_DATA_DIR": folder, "MNEMON_LOG_LEVEL": "error"}
        server = subprocess.Popen(
            [sys.executable, "-m", "mnemon_service", "serve", "--address", "127.0.0.1:0"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            os.environ["MNEMON_DATA_DIR"] = folder  # where the client finds the key
            with Client(announced_address(server)) as client:
                yield client
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def announced_address(server: subprocess.Popen[str]) -> str:
    """The address that a starting server prints."""
    for line in server.stdout or ():
        if found := re.search(r"serves on (\S+)", line):
            return found.group(1)
    sys.exit("the server did not start")


def tell(client: Client, console: Console) -> None:
    """Adds the story, one call a session, each message with the time it was said."""
    for session in STORY["sessions"]:
        begun = datetime.fromisoformat(session["time"])
        messages = [
            {"name": name, "content": content, "observed_time": begun + timedelta(minutes=place)}
            for place, (name, content) in enumerate(session["messages"])
        ]
        added = client.add(messages, user_id=STORY["user_id"], run_id=session["run_id"])
        console.print(
            f"{begun:%d %B %Y}: {len(messages)} messages, {len(added.changes)} memories, "
            f"{added.usage.milliseconds:.0f} ms"
        )


def ask(client: Client) -> Table:
    """Asks every question; a table of the best hits."""
    table = Table("question", "score, and what was remembered", "ms", show_lines=True)
    for question in STORY["questions"]:
        found = client.search(question, user_id=STORY["user_id"], top_k=HITS)
        table.add_row(
            question,
            "\n".join(f"{hit.score:.2f}  {hit.memory.text}" for hit in found.hits if hit.memory),
            f"{found.summary.usage.milliseconds:.0f}",
        )
    return table


def main() -> None:
    """Runs the demo."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    with temporary_server() as client:
        tell(client, console)
        console.print(ask(client))


if __name__ == "__main__":
    main()
