"""A forest plot: one statistic of many scenarios, below each other."""

from collections.abc import Mapping

import numpy as np

from polejax.analysis.estimate import Estimate
from polejax.analysis.figure_style import COLOURS, Plot, canvas, estimate_columns, shown, styled

MOST = 40
"""Scenarios that fit one below the other."""


@styled
def forest(found: Mapping[str, Estimate | None], axis: str) -> Plot:
    """Draw each scenario's estimate with its interval, the first scenario on top.

    Args:
      found: by the scenario's name, an estimate []; None or NaN where it has none. The first `MOST` are drawn.
      axis: the statistic with its unit.
    """
    names = list(found)[:MOST]
    nothing = Estimate(*[np.float64(np.nan)] * 3)
    stacked = Estimate(
        *(np.array(parts, np.float64) for parts in zip(*(found[name] or nothing for name in names), strict=True))
    )
    figure, axes = canvas(0.8 + 0.17 * len(names))
    places = -np.arange(len(names))
    look = {"ls": "", "marker": "o", "ms": 3.0, "elinewidth": 0.9, "capsize": 1.5, "color": COLOURS[0]}
    axes.errorbar(stacked.value, places, xerr=stacked.yerr, **look)
    axes.set_xlabel(axis)
    axes.grid(axis="y", color="0.9", lw=0.5)
    axes.set_axisbelow(True)
    axes.set_yticks(places, [shown(name) for name in names])
    axes.set_ylabel("scenario")
    axes.set_ylim(places[-1] - 0.6, 0.6)
    return Plot(figure, {"scenario": np.array(names), **estimate_columns(stacked, axis)})
