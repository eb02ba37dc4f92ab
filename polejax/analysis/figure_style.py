"""The look of figures, and how they are written: PDF, PNG, SVG and a CSV of what is drawn, the same bytes each time."""

import functools
import io
import re
from collections.abc import Callable, Container, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polejax._core import paths
from polejax._core.brief import brief
from polejax._core.checked import checked
from polejax._core.netcdf import write_whole
from polejax._core.printable import printable
from polejax.analysis.csv_files import write_csv
from polejax.analysis.estimate import Estimate
from polejax.analysis.observed import Observed
from polejax.consensus.history import History

_Arguments = ParamSpec("_Arguments")

_LONGEST = 100  # letters of a file's name
WIDTH = 3.5  # inches, one column of a paper

# Okabe and Ito 2008: told apart with every common colour blindness; styles and markers tell them apart in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STYLE: Any = {  # as matplotlib.rc_context takes it
    "text.usetex": False,  # labels are no TeX
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 8.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,  # TrueType: text stays text
    "svg.hashsalt": "polejax",
    "savefig.dpi": 300,
    "path.simplify": False,  # draw every point of the CSV
}


class Plot(NamedTuple):
    """A figure, and the columns of numbers that it draws; a column's name ends in its unit."""

    figure: Figure
    columns: dict[str, np.ndarray]

    def __repr__(self) -> str:
        return brief(self)

    def _repr_png_(self) -> bytes:
        """The figure, which notebooks show at the end of a cell."""
        drawn = io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=150)
        return drawn.getvalue()


class Mark(NamedTuple):
    """How one mechanism is drawn, in every figure."""

    colour: str
    line: Any
    marker: str


def shown(label: str) -> str:
    r"""A label as matplotlib draws it letter by letter, with no formula between `$` and no `_` that hides it.

    Characters that no font has are written as in Python (ESC is `\x1b`).
    """
    text = printable(label).replace("$", r"\$")
    return f" {text}" if not text or text.startswith("_") else text  # matplotlib leaves `_label` out of legends


def file_name(name: str, taken: Container[str]) -> str:
    """A name in small letters, digits and underscores that a file of any system may have, and that is not taken."""
    name = re.sub(r"[^\w.-]", "_", name.lower(), flags=re.ASCII)[:_LONGEST]
    return next(free for free in (name, *(f"{name}_{number}" for number in range(2, 99))) if free not in taken)


def marks(labels: Mapping[str, Any]) -> list[tuple[str, Any, Mark]]:
    """Labels, what they stand for, and how to draw them, in the order given; at most seven can be told apart.

    Raises:
      ValueError: no labels, more than seven, or one that is no word.
    """
    for label in labels:
        if not isinstance(label, str):
            raise ValueError(f"labels must be words, got {label!r}: use str(label)")
    if not 1 <= len(labels) <= len(COLOURS):
        raise ValueError(f"histories must hold 1 to {len(COLOURS)} labels, got {len(labels)}: draw several figures")
    looks = zip(COLOURS, LINES, MARKERS, strict=True)
    return [(label, value, Mark(*look)) for (label, value), look in zip(labels.items(), looks, strict=False)]


def open_marker(mark: Mark) -> dict[str, Any]:
    """Options of a marker that lets what lies below it shine through."""
    return {"color": mark.colour, "marker": mark.marker, "mfc": "none", "mec": mark.colour, "mew": 0.8}


def styled(draw: Callable[_Arguments, Plot]) -> Callable[_Arguments, Plot]:
    """Draw a figure in the package's style and leave the user's as it is."""

    @functools.wraps(draw)
    def styled_draw(*args: _Arguments.args, **options: _Arguments.kwargs) -> Plot:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **options)

    return styled_draw


def canvas(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """An empty figure, `height` inches tall, and its axes; unknown to pyplot, so nothing has to be closed."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def sample_size(sizes: Mapping[str, tuple[int, int]]) -> str:
    """'16 seeds × 64 blocks each', from each label's (S, H); every label's own where they differ."""
    texts = {
        label: f"{seeds:,} seed{'s' * (seeds > 1)} × {blocks:,} blocks" if seeds else f"measured, {blocks:,} blocks"
        for label, (seeds, blocks) in sizes.items()
    }
    if len(set(texts.values())) == 1:
        return next(iter(texts.values())) + " each" * (len(texts) > 1)
    return "\n".join(f"{shown(label)}: {text}" for label, text in texts.items())


def sizes(histories: Mapping[str, History | Observed]) -> dict[str, tuple[int, int]]:
    """Seeds S and heights H of each history, unsettled heights included; S is 0 for a measured chain."""
    return {
        label: (0 if isinstance(one, Observed) else np.atleast_2d(one.settled).shape[0], one.num_blocks)
        for label, one in histories.items()
    }


def draw_estimate(
    axes: Axes, x: Any, estimate: Estimate, mark: Mark, filled: bool = True, label: str | None = None
) -> None:
    """Draw estimates with their intervals; an infinite interval has no bar."""
    value, low, high = (np.atleast_1d(part) for part in (estimate.value, estimate.low, estimate.high))
    bars = np.stack([value - low, high - value])
    bars = np.where(np.isfinite(bars), np.maximum(bars, 0.0), 0.0)
    look = {**open_marker(mark), "mfc": mark.colour if filled else "white"}
    axes.errorbar(np.atleast_1d(x), value, bars, ls="", elinewidth=0.8, capsize=1.5, label=label, **look)


def estimate_columns(estimate: Estimate, name: str, unit: str = "") -> dict[str, np.ndarray]:
    """Columns of an estimate and the ends of its interval."""
    parts = {"": estimate.value, " low": estimate.low, " high": estimate.high}
    return {f"{name}{which}{unit}": np.atleast_1d(part) for which, part in parts.items()}


def say_size(axes: Axes, text: str) -> None:
    """Write the sample's size above the axes."""
    axes.set_title(text, loc="right", color="0.3")


@checked
def save(figure: Figure, path: str | Path, columns: Mapping[str, Any]) -> list[Path]:
    """Write a figure as PDF, PNG and SVG, and what it draws as CSV.

    Args:
      figure: to write.
      path: without suffix; folders are made.
      columns: name with unit -> numbers or words [any length]; shorter columns end in empty cells. Words that
        spreadsheets would take for formulas get an apostrophe in front.

    Returns:
      The four paths. The same figure gives the same bytes: no dates, no versions. Each file is written whole or not
      at all.

    Raises:
      ValueError: no path.
      OSError: a file cannot be written.
    """
    path = Path(paths.checked("path", path))
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_name(path.name + suffix) for suffix in (".pdf", ".png", ".svg", ".csv")]
    with matplotlib.rc_context(STYLE):
        anonymous: Any = {"CreationDate": None, "Creator": None, "Producer": None}
        _draw(figure, files[0], "pdf", anonymous)
        _draw(figure, files[1], "png", {"Software": None})
        write_whole(str(files[2]), as_svg(figure))
    cells = (map(_cell, np.ravel(column)) for column in columns.values())
    write_csv(files[3], columns, zip_longest(*cells, fillvalue=""))
    return files


def as_svg(figure: Figure) -> bytes:
    """A figure as SVG, its letters drawn as curves; the same figure gives the same bytes."""
    drawn = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def _draw(figure: Figure, path: Path, kind: str, metadata: Any) -> None:
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind, metadata=metadata)
    write_whole(str(path), drawn.getvalue())


def _cell(entry: Any) -> str:
    return str(entry) if isinstance(entry, str) else f"{entry:.9g}"  # nine digits tell every float32 apart
