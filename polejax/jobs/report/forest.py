"""A forest plot: estimates of many scenarios below each other, one panel for each statistic."""

from collections.abc import Mapping, Sequence

import numpy as np

from polejax.analysis.estimate import Estimate
from polejax.analysis.figure_style import COLOURS, Plot, canvas, estimate_columns, shown, styled

MOST = 40
"""Scenarios that fit one below the other."""


@styled
def forest(found: Mapping[str, Sequence[Estimate | None]], statistics: Sequence[str]) -> Plot:
    """Draw each scenario's estimates with their intervals, the first scenario on top.

    Args:
      found: by the scenario's name, an estimate [] for each statistic; None or NaN where it has none. The first `MOST`.
      statistics: names with their units.
    """
    names = list(found)[:MOST]
    figure, panels = canvas(0.7 + 0.16 * len(names), 1, len(statistics), sharey=True, squeeze=False)
    figure.set_figwidth(1.6 * figure.get_figwidth())
    places = -np.arange(len(names))
    columns: dict[str, np.ndarray] = {"scenario": np.array(names)}
    nothing = Estimate(*[np.float64(np.nan)] * 3)
    for number, (axes, statistic) in enumerate(zip(panels[0], statistics, strict=True)):
        rows = [found[name][number] or nothing for name in names]
        stacked = Estimate(*(np.array([part for part in parts], np.float64) for parts in zip(*rows, strict=True)))
        axes.errorbar(
            stacked.value, places, xerr=stacked.yerr, ls="", marker="o", ms=2.5, elinewidth=0.8, color=COLOURS[number]
        )
        axes.set_xlabel(statistic)
        axes.grid(axis="y", color="0.9", lw=0.5)
        axes.set_axisbelow(True)
        columns |= estimate_columns(stacked, statistic)
    panels[0][0].set_yticks(places, [_cut(shown(name)) for name in names])
    panels[0][0].set_ylim(places[-1] - 0.6, 0.6)
    return Plot(figure, columns)


def _cut(name: str) -> str:
    return name if len(name) <= 48 else f"{name[:45]}..."
