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


def plot_bars(
    path: Path, groups: Mapping[str, Mapping[str, tuple[float, float]]], *, title: str, x_label: str
) -> None:
    """A PNG of one panel a group, beside each other: a bar for each name, a line on to the second figure;
    the axis is logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    most = max(len(bars) for bars in groups.values())
    figure, panels = pyplot.subplots(
        1,
        len(groups),
        figsize=(3.5 + 3.2 * len(groups), 1.2 + 0.3 * most),
        dpi=140,
        sharey=True,
        squeeze=False,
    )
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    for axes, (group, bars) in zip(panels[0], groups.items(), strict=True):
        for place, name in enumerate(names):
            if name in bars:
                low, high = bars[name]
                colour = (
                    "#1f77b4" if name.startswith("Mnemon") else "#c7762b" if "mem0" in name else "#888888"
                )
                axes.barh(place, low, color=colour)
                axes.plot([low, high], [place, place], color="black", linewidth=1)
                axes.annotate(
                    f" {low:,.0f}" if low >= 100 else f" {low:.3g}",
                    (max(low, high), place),
                    va="center",
                    fontsize=7,
                )
        axes.set(xscale="log", title=group, xlabel=x_label)
        axes.title.set_fontsize(9)
        axes.xaxis.label.set_fontsize(8)
        axes.margins(x=0.18)
        axes.grid(axis="x", alpha=0.3)
    panels[0][0].set_yticks(range(len(names)), names, fontsize=8)
    panels[0][0].invert_yaxis()
    figure.suptitle(title, fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)
