"""Figures of the block interval: its survival function, its quantiles and its course along a chain."""

from collections.abc import Mapping

import numpy as np

from polejax import theory
from polejax._core import checks
from polejax._core.checked import checked
from polejax.analysis.figure_style import Plot, canvas, marks, open_marker, sample_size, say_size, shown, sizes, styled
from polejax.analysis.observed import Observed
from polejax.analysis.seed_tally import check_intervals
from polejax.consensus.history import History

Chains = Mapping[str, History | Observed]
"""By label, a history of S seeds, leaves [S, H, ...], or of one chain, [H, ...]; or a measured chain."""


@checked
@styled
def interval_survival(histories: Chains, confidence: float = 0.95) -> Plot:
    """Share of block intervals that are longer than x mean intervals, against the exponential law of ideal PoW.

    Args:
      histories: label -> `History`, or `Observed` of a measured chain; each one's settled intervals are divided by
        their own mean, told in seconds.
      confidence: of the grey band around the exponential, which holds the whole curve of independent exponential
        intervals at once: Dvoretzky, Kiefer and Wolfowitz's, at Massart's width, for the smallest sample drawn.

    Returns:
      `Plot`. The mean is the sample's own and blocks may depend on one another, so the band is a guide, no exact test.
    """
    confidence = checks.confidence(confidence)
    figure, axes = canvas(2.5)
    columns: dict[str, np.ndarray] = {}
    fewest, longest = np.inf, 0.0
    for label, history, mark in marks(histories):
        interval = _settled(history)
        mean, ranks = interval.mean(), _ranks(interval.size)
        seconds = np.append(0.0, np.maximum(interval[ranks], 0.0))
        scaled, survival = seconds / mean, np.append(1.0, 1.0 - (ranks + 1.0) / interval.size)
        axes.step(
            scaled, survival, where="post", color=mark.colour, ls=mark.line, label=f"{shown(label)} (mean {mean:.4g} s)"
        )
        fewest, longest = min(fewest, interval.size), max(longest, scaled[-1])
        columns |= {
            f"{label}: interval [s]": seconds,
            f"{label}: interval [mean intervals]": scaled,
            f"{label}: survival [probability]": survival,
        }
    x = np.linspace(0.0, 1.05 * longest, 200)
    exponential = np.asarray(theory.exponential_survival(x, 1.0))
    width = theory.dkw_half_width(int(fewest), confidence)
    low, high = np.maximum(exponential - width, 0.0), np.minimum(exponential + width, 1.0)
    axes.fill_between(x, low, high, color="0.85", lw=0, label=f"{confidence:.0%} DKW band, n = {fewest:,}", zorder=0)
    axes.plot(x, exponential, color="0.3", lw=0.8, label="exponential", zorder=1)
    axes.set_yscale("log")
    axes.set_ylim(0.5 / fewest, 1.3)
    axes.set_xlim(0.0, x[-1])
    axes.set_xlabel("block interval x [mean intervals]")
    axes.set_ylabel("P(interval > x)")
    axes.legend(loc="best")
    say_size(axes, sample_size(sizes(histories)))
    law = {"x [mean intervals]": x, "exponential [probability]": exponential}
    band = {"band low [probability]": low, "band high [probability]": high}
    return Plot(figure, columns | law | band)


@checked
@styled
def interval_quantiles(histories: Chains) -> Plot:
    """Quantiles of the block interval against those of the exponential law (QQ), both in mean intervals.

    Args:
      histories: label -> `History`, or `Observed` of a measured chain; each one's settled intervals are divided by
        their own mean, told in seconds.

    Returns:
      `Plot`; the k-th of n intervals stands against -ln(1 - (k - 1/2) / n).
    """
    figure, axes = canvas(2.7)
    columns: dict[str, np.ndarray] = {}
    end = 0.0
    for label, history, mark in marks(histories):
        interval = _settled(history)
        mean, ranks = interval.mean(), _ranks(interval.size, 60)
        expected = -np.log1p(-(ranks + 0.5) / interval.size)
        observed = np.maximum(interval[ranks], 0.0) / mean
        axes.plot(expected, observed, ls="", label=f"{shown(label)} (mean {mean:.4g} s)", **open_marker(mark))
        end = max(end, expected[-1], observed[-1])
        columns |= {
            f"{label}: exponential quantile [mean intervals]": expected,
            f"{label}: interval quantile [mean intervals]": observed,
            f"{label}: interval quantile [s]": np.maximum(interval[ranks], 0.0),
        }
    axes.plot([0, 1.05 * end], [0, 1.05 * end], color="0.3", lw=0.8, label="exponential", zorder=0)
    axes.set(xlim=(0, 1.05 * end), ylim=(0, 1.05 * end))
    axes.set_xlabel("exponential quantile [mean intervals]")
    axes.set_ylabel("interval quantile [mean intervals]")
    axes.legend(loc="upper left")
    say_size(axes, sample_size(sizes(histories)))
    return Plot(figure, columns)


@checked
@styled
def interval_series(histories: Chains, seed: int = 0, longest: int = 128) -> Plot:
    """Block intervals of one chain of each history, height by height, on one scale.

    Args:
      histories: label -> `History`, or `Observed` of a measured chain.
      seed: index of the chain among the S.
      longest: heights to draw at most; the first ones.

    Returns:
      `Plot`; unsettled heights are left out.
    """
    seed, longest = checks.whole("seed", seed), checks.whole("longest", longest, low=1)
    figure, rows = canvas(0.7 + 0.9 * len(histories), len(histories), sharex=True, sharey=True, squeeze=False)
    columns: dict[str, np.ndarray] = {}
    for (label, history, mark), axes in zip(marks(histories), rows[:, 0], strict=True):
        settled = np.atleast_2d(history.settled)[seed, :longest]
        height = 1 + np.flatnonzero(settled)
        interval = np.maximum(np.atleast_2d(history.interval)[seed, :longest][settled].astype(np.float64), 0.0)
        axes.vlines(height, 0.0, interval, color=mark.colour, lw=0.7)
        axes.plot(height, interval, ls="", ms=2.5, color=mark.colour, marker=mark.marker)
        mean = _settled(history).mean()
        axes.axhline(mean, color="0.3", lw=0.8, ls=":")
        axes.annotate(
            f"{shown(label)} (dotted: mean {mean:.4g} s)", (0.01, 0.98), xycoords="axes fraction", va="top", fontsize=7
        )
        columns |= {f"{label}: height [blocks]": height, f"{label}: interval [s]": interval}
    rows[0, 0].set_ylim(0.0, 1.25 * rows[0, 0].get_ylim()[1])
    rows[-1, 0].set_xlabel("height [blocks]")
    figure.supylabel("block interval [s]", fontsize=8)
    say_size(rows[0, 0], f"chain {seed + 1} of {sample_size(sizes(histories))}")
    return Plot(figure, columns)


def _settled(history: History | Observed) -> np.ndarray:
    """All settled intervals of all seeds in ascending order, f64, s; of measured chains negative ones, too."""
    if isinstance(history, Observed):
        return np.sort(history.interval)
    check_intervals(history)
    interval = np.sort(np.asarray(history.interval)[np.asarray(history.settled)]).astype(np.float64)
    if not interval.size:
        raise ValueError("history must hold settled heights, got none: simulate more blocks")
    return interval


def _ranks(count: int, most: int = 400) -> np.ndarray:
    """Ranks 0 .. count - 1, or about `most` of them: evenly spread at first, every one in the upper tail."""
    if count <= most:
        return np.arange(count)
    tail = count - np.unique(np.geomspace(1, count, most // 2).astype(int))
    return np.union1d(np.linspace(0, count - 1, most // 2).astype(int), tail)
