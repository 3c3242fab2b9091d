"""What is printed: a table for people, JSON for programs, ids for pipes, one envelope for agents."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from mnemon_cli.failures import Failure

T = TypeVar("T")

PLAIN_WIDTH = 200
"""Columns of a table that goes into a pipe or file."""


@dataclass(frozen=True)
class Columns(Generic[T]):
    """How a kind of thing looks in a table, and which of its values is its id."""

    titles: tuple[str, ...]
    cells: Callable[[T], tuple[object, ...]]
    id_of: Callable[[T], str]


class Output:
    """Prints results in the form that was asked for; everything else goes to standard error."""

    def __init__(self, form: str, *, agent: bool) -> None:
        self.form = "agent" if agent else form
        self._out = Console(
            highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH
        )
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def is_agent(self) -> bool:
        """Whether one envelope is all that may be printed."""
        return self.form == "agent"

    def items(self, items: Sequence[T], columns: Columns[T], *, title: str = "") -> None:
        """Prints several things of one kind."""
        if self.form == "table":
            self._table(items, columns, title)
        elif self.form == "quiet":
            self._lines(columns.id_of(item) for item in items)
        elif self.form == "jsonl":
            self._lines(one_line(plain(item)) for item in items)
        else:
            self._whole([plain(item) for item in items])

    def stream(self, items: Iterable[T], columns: Columns[T]) -> None:
        """Prints things as they come; an agent gets them all at the end."""
        if self.form == "agent":
            self._whole([plain(item) for item in items])
        elif self.form == "quiet":
            self._lines(columns.id_of(item) for item in items)
        elif self.form == "table":
            self._lines("  ".join(text_of(cell) for cell in columns.cells(item)) for item in items)
        else:
            self._lines(one_line(plain(item)) for item in items)

    def item(self, item: T, columns: Columns[T], *, note: str = "") -> None:
        """Prints one thing: all of it as JSON, its table's cells below each other for people."""
        if self.form == "table":
            if note:
                self._out.print(note, markup=False)
            grid = Table.grid(padding=(0, 2))
            for title, cell in zip(columns.titles, columns.cells(item), strict=True):
                if text_of(cell):
                    grid.add_row(f"[dim]{title}[/dim]", escaped(text_of(cell)))
            self._out.print(grid)
        elif self.form == "quiet":
            self._lines([columns.id_of(item)])
        else:
            self._whole(plain(item))

    def value(self, value: Any, *, text: str, quiet: str = "") -> None:  # noqa: ANN401
        """Prints a result that is no table: a sentence for people, the value for programs."""
        if self.form == "table":
            self._out.print(text, markup=False)
        elif self.form == "quiet":
            self._lines([quiet] if quiet else [])
        else:
            self._whole(plain(value))

    def failure(self, failure: Failure) -> None:
        """Prints what went wrong: on standard output for agents, else on standard error."""
        if self.is_agent:
            self._print(one_line({"ok": False, "data": None, "error": failure.envelope()}))
            return
        self._err.print(f"[red]error[/red] {escaped(failure.reason)}: {escaped(failure.message)}")
        violations = failure.details.get("violations")
        for violation in violations if isinstance(violations, list) else []:
            self._err.print(f"  {escaped(violation['field'])}: {escaped(violation['description'])}")
        if failure.hint:
            self._err.print(f"[dim]hint[/dim]  {escaped(failure.hint)}")

    def note(self, text: str) -> None:
        """Says something beside the result."""
        if self.form in ("table", "json", "jsonl"):
            self._err.print(f"[dim]{escaped(text)}[/dim]")

    def progress(self, what: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """A bar on standard error while something goes on; nothing where nobody looks."""
        if not sys.stderr.isatty() or self.form in ("agent", "quiet"):
            return nullcontext(lambda done: None)
        return _Bar(self._err, what, total)

    def _table(self, items: Sequence[T], columns: Columns[T], title: str) -> None:
        if not items:
            self._err.print("[dim]nothing found[/dim]")
            return
        table = Table(*columns.titles, title=title or None, box=None, header_style="bold", pad_edge=False)
        for item in items:
            table.add_row(*(escaped(text_of(cell)) for cell in columns.cells(item)))
        self._out.print(table)

    def _whole(self, data: Any) -> None:  # noqa: ANN401
        if self.form == "agent":
            self._print(one_line({"ok": True, "data": data, "error": None}))
        elif self.form == "jsonl":
            self._print(one_line(data))
        else:
            self._print(json.dumps(data, ensure_ascii=False, indent=2))

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._print(line)

    def _print(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class _Bar:
    """A progress bar as a context manager that gives the function to move it."""

    def __init__(self, console: Console, what: str, total: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda done: self._progress.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def plain(item: Any) -> Any:  # noqa: ANN401
    """A thing as JSON values."""
    return item.to_dict() if hasattr(item, "to_dict") else item


def one_line(data: Any) -> str:  # noqa: ANN401
    """JSON on one line."""
    return json.dumps(data, ensure_ascii=False, default=str)


def text_of(cell: object) -> str:
    """A table's cell: nothing for what is absent, local seconds for times."""
    if cell is None or cell == "UNSPECIFIED":
        return ""
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, float):
        return f"{cell:.3f}"
    if isinstance(cell, (tuple, list)):
        return ", ".join(str(part) for part in cell)
    return str(cell)


def escaped(text: str) -> str:
    """Text that rich shows as it is; control characters (which could steer a terminal) made visible."""
    visible = "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
    return visible.replace("[", "\\[")
