"""Writes `mnemon/_sync` from `mnemon/_async`, word by word, so that the two clients cannot drift apart.

`python sdk/python/tools/generate_sync.py` (`--check` only compares). `transport.py` is written by hand on
both sides: it is where waiting differs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent

BY_HAND = {"transport.py"}

WORDS = {
    "async def": "def",
    "async with": "with",
    "async for": "for",
    "AsyncIterator": "Iterator",
    "AsyncIterable": "Iterable",
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "mnemon._async": "mnemon._sync",
    "asynchronous client": "blocking client",
    "One client serves one event loop.": "One client serves any number of threads.",
}
"""What is replaced as it stands. `await` goes, and so does `Async` before a name."""

DUPLICATES = (
    (
        "Iterable[ImportRow | Mapping[str, Any]] | Iterable[ImportRow | Mapping[str, Any]]",
        "Iterable[ImportRow | Mapping[str, Any]]",
    ),
    ("(Iterator, Iterator)", "Iterator"),
    ("Iterable, Iterator, Callable, Iterable, Iterator, Mapping", "Callable, Iterable, Iterator, Mapping"),
    ("Awaitable[Page[T]]", "Page[T]"),
    ("Iterator, Awaitable, Callable", "Callable, Iterator"),
)
"""What reads oddly once both kinds are one."""


def ruff() -> str:
    """The path of ruff, beside the interpreter first."""
    beside = Path(sys.executable).with_name("ruff")
    return str(beside) if beside.exists() else shutil.which("ruff") or "ruff"


def blocking(source: str) -> str:
    """The blocking form of an asynchronous module."""
    for word, replacement in WORDS.items():
        source = source.replace(word, replacement)
    source = re.sub(r"\bawait ", "", source)
    source = re.sub(r"\bAsync(?=[A-Z])", "", source)
    for odd, plain in DUPLICATES:
        source = source.replace(odd, plain)
    head, mark, rest = source.partition('"""\n')
    return f"{head}\n\nMade from mnemon/_async by tools/generate_sync.py; never edited.\n{mark}{rest}"


def generate(target: Path) -> None:
    """Writes every module that is not written by hand."""
    target.mkdir(exist_ok=True)
    made = []
    for module in sorted((SDK / "mnemon" / "_async").glob("*.py")):
        if module.name not in BY_HAND and module.name != "__init__.py":
            path = target / module.name
            path.write_text(blocking(module.read_text()))
            made.append(str(path))
    (target / "__init__.py").write_text('"""The blocking client. Made from `mnemon/_async`."""\n')
    config = ["--config", str(SDK / "pyproject.toml")]
    for command in (["check", "--fix-only", "--select", "I,F401"], ["format"]):
        subprocess.run([ruff(), *command, "-q", *config, *made], cwd=SDK, check=True)  # noqa: S603


def differences(made: Path) -> list[str]:
    """Names of modules whose committed text is not what was made."""
    here = {p.name: p.read_text() for p in (SDK / "mnemon" / "_sync").glob("*.py") if p.name not in BY_HAND}
    there = {p.name: p.read_text() for p in made.glob("*.py")}
    return [name for name in sorted(here.keys() | there.keys()) if here.get(name) != there.get(name)]


def main() -> int:
    """Generates, or with `--check` only compares and lists what differs."""
    if "--check" not in sys.argv[1:]:
        generate(SDK / "mnemon" / "_sync")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        wrong = differences(Path(folder))
    for name in wrong:
        sys.stdout.write(f"differs from mnemon/_async: {name}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
