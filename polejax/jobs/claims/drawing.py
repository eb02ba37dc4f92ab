"""Drawing of the claims job's rows: points with intervals along a parameter."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from polejax.analysis.figure_style import marks
from polejax.jobs.claims.workbench import Row


def draw_lines(
    axes: Axes, lines: Mapping[str, Sequence[Row]], axis: str, name: str, floor: float = -np.inf
) -> dict[str, np.ndarray]:
    """Draw rows with their intervals against a parameter, one line a label; return the columns that were drawn.

    Args:
      axes: to draw into.
      lines: label -> rows, in order.
      axis: the entry of a row that is the horizontal place.
      name: of the statistic, for the columns.
      floor: where smaller values are drawn, as none is too small for a logarithmic axis; the columns keep them.
    """
    columns: dict[str, np.ndarray] = {}
    for label, rows, mark in marks(lines):
        place = np.array([float(one[axis]) for one in rows])
        value, low, high = (np.array([one[end] for one in rows], np.float64) for end in ("value", "low", "high"))
        drawn = np.maximum(value, floor)
        bars: Any = np.stack([drawn - np.maximum(low, floor), high - drawn])
        bars = np.where(np.isfinite(bars), np.maximum(bars, 0.0), 0.0)
        look = {"color": mark.colour, "marker": mark.marker, "ls": mark.line, "lw": 0.8, "ms": 3}
        axes.errorbar(place, drawn, bars, elinewidth=0.8, capsize=1.5, label=label, **look)
        columns |= {f"{label}: {axis}": place, f"{label}: {name}": value}
        columns |= {f"{label}: {name} low": low, f"{label}: {name} high": high}
    return columns
