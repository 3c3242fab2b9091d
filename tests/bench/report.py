"""Tables and pictures of measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Table:
    """Rows under headings, as Markdown: readable in a terminal and ready for a page of the documentation."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: str | float) -> None:
        """One row; numbers are written with one decimal."""
        self.rows.append(tuple(cell if isinstance(cell, str) else f"{cell:.1f}" for cell in cells))

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.headings, *self.rows, strict=True)]
        lines = [self.title, "", self._line(self.headings, widths), self._rule(widths)]
        return "\n".join([*lines, *(self._line(row, widths) for row in self.rows)])

    @staticmethod
    def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return f"| {' | '.join((first, *rest))} |"

    @staticmethod
    def _rule(widths: Sequence[int]) -> str:
        return f"|{'-' * (widths[0] + 2)}|{'|'.join('-' * (width + 1) + ':' for width in widths[1:])}|"


def plot_curves(
    path: Path,
    curves: Mapping[str, Sequence[float]],
    places: Sequence[int],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> None:
    """A PNG of one line for each name; the first two are drawn boldest."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), dpi=140)
    for number, (name, values) in enumerate(curves.items()):
        style = (
            {"linewidth": 2.4}
            if number < 2
            else {"linewidth": 1.4, "linestyle": ("-", "--", ":")[number % 3]}
        )
        axes.plot(places, values, marker="o", markersize=4, label=name, **style)
    axes.set(title=title, xlabel=x_label, ylabel=y_label, xticks=places)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)
