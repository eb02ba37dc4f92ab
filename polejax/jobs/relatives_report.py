"""What `polejax.jobs.relatives` found, as a table, as CSV columns and as one figure."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from polejax._core import paths
from polejax.analysis.estimate import Estimate
from polejax.analysis.figure_style import COLOURS, WIDTH, Plot, canvas, say_size, styled
from polejax.jobs.relatives import Row
from polejax.jobs.relatives_numbers import LOAD, RISKS

NONE = "-"
_SHORT = {
    "winners' accuracy, untouched data [fraction]": "accuracy, untouched [fraction]",
    **{
        f"double spend, {share:.0%} of the power, z = {z} [chance]": f"double spend, q {share:g}, z {z}"
        for share, z in RISKS
    },
}
"""Names that are too long for an axis of a panel."""


def numbers(row: Row) -> dict[str, Estimate | None]:
    """A row's numbers by name and unit, in a reader's order."""
    risks = {
        f"double spend, {share:.0%} of the power, z = {depth} [chance]": row.risks[share, depth]
        for share, depth in RISKS
    }
    return {
        "interval, mean [s]": row.interval,
        "interval, CV [ratio]": row.cv,
        "stale blocks [share]": row.stale,
        "fairness exponent [ratio]": row.exponent,
        **risks,
        f"latency at load {LOAD:g} [s]": row.latency,
        "winners' accuracy, untouched data [fraction]": row.accuracy,
        "useful work [share]": row.useful,
    }


def table(rows: Sequence[Row]) -> str:
    """A block of lines for each number, a line for each protocol, and why some are missing."""
    width = max(len(row.name) for row in rows)
    lines = []
    for name in numbers(rows[0]):
        lines.append(name)
        for row in rows:
            found = numbers(row)[name]
            lines.append(f"  {row.name:{width}}  {NONE if found is None else found}")
    notes = [f"{row.name}, {name}: {reason}" for row in rows for name, reason in row.why.items()]
    return "\n".join([*lines, *notes])


def write_csv(rows: Sequence[Row], path: Path) -> Path:
    """One line for each protocol: value, low and high of each number, empty where there is none, and the reasons."""
    path = Path(paths.checked("path", path))
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(numbers(rows[0]))
    ends = ("", ", low", ", high")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["protocol", "source", *(name + end for name in names for end in ends), "notes"])
        for row in rows:
            cells: list[str] = []
            for found in numbers(row).values():
                parts = () if found is None else (found.value, found.low, found.high)
                cells += [f"{float(part):.9g}" for part in parts] or [""] * 3
            notes = "; ".join(f"{name}: {reason}" for name, reason in row.why.items())
            writer.writerow([row.name, row.source, *cells, notes])
    return path


@styled
def figure(rows: Mapping[str, Mapping[str, Estimate | None]], size: str = "", columns: int = 2) -> Plot:
    """All protocols, a panel for each number, 95% bars; where a protocol has no such number its line is empty.

    Args:
      rows: `numbers` by the name of the protocol.
      size: how many chains and blocks, written above the last panel of the first row.
      columns: of panels.
    """
    names = [name for name in next(iter(rows.values())) if name.endswith("[s]") or "z = 1 " not in name]
    height = 0.5 + 0.13 * len(rows)
    lines = -(-len(names) // columns)
    drawn, panels = canvas(height * lines, lines, columns, sharey=True, squeeze=False)
    drawn.set_figwidth(WIDTH * columns / 2)
    places = np.arange(len(rows))
    told: dict[str, np.ndarray] = {"protocol": np.array(list(rows))}
    for name, axes in zip(names, panels.flat, strict=False):
        found = [row[name] for row in rows.values()]
        value, low, high = (
            np.array([np.nan if one is None else float(getattr(one, end)) for one in found])
            for end in ("value", "low", "high")
        )
        shown = ~np.isnan(value)
        bars = [(value - low)[shown], (high - value)[shown]]
        axes.errorbar(value[shown], places[shown], xerr=bars, color=COLOURS[0], marker="o", ms=2.5, ls="none", lw=0.8)
        axes.set_xlabel(_SHORT.get(name, name), fontsize=6)
        axes.tick_params(labelsize=6)
        if shown.any() and "accuracy" not in name:
            axes.set_xlim(min(0.0, np.nanmin(low)), 1.05 * np.nanmax(high) or 1.0)
        told |= {name: value, name + ", low": low, name + ", high": high}
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    panels.flat[0].set_yticks(places, list(rows))
    panels.flat[0].invert_yaxis()
    if size:
        say_size(panels[0, -1], size)
    return Plot(drawn, told)
