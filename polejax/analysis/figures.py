"""Figures of a study: each draws what it is given, labelled histories or summaries, and returns what it drew.

All are one column of a paper wide, colour-blind-safe, with units and the sample's size; `write_all` makes every one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from polejax import theory
from polejax._core import checks, paths
from polejax._core.checked import checked
from polejax.analysis.estimate import Estimate
from polejax.analysis.figure_style import (
    Plot,
    canvas,
    draw_estimate,
    estimate_columns,
    file_name,
    marks,
    sample_size,
    save,
    say_size,
    shown,
    sizes,
    styled,
)
from polejax.analysis.interval_figures import interval_quantiles, interval_series, interval_survival
from polejax.analysis.service_at_loads import ServiceAtLoads
from polejax.analysis.service_figures import latency_against_load
from polejax.analysis.summaries import Summary, summarise
from polejax.consensus.history import History
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario

__all__ = [
    "Plot",
    "interval_quantiles",
    "interval_series",
    "interval_survival",
    "latency_against_load",
    "learning_curves",
    "save",
    "variation_and_stale_blocks",
    "win_shares",
    "write_all",
]


def __dir__() -> list[str]:
    return __all__


@checked
@styled
def variation_and_stale_blocks(summaries: Mapping[str, Summary], size: str) -> Plot:
    """CV of the block interval and both stale rates, with their confidence intervals.

    Args:
      summaries: label -> `Summary`.
      size: of the samples, in words.
    """
    words = [shown(label).replace(" ", "\n") for label in summaries]
    wide = len(words) * max(len(line) for word in words for line in word.split("\n")) > 24  # they would run together
    figure, (left, right) = canvas(2.3 + 0.17 * len(summaries) * wide, 1, 2)
    drawn: list[tuple[str, str, Estimate]] = []
    for place, (label, summary, mark) in enumerate(marks(summaries)):
        draw_estimate(left, place, summary.interval_cv, mark, label=shown(label))
        draw_estimate(right, place - 0.15, summary.stale_per_block, mark)
        draw_estimate(right, place + 0.15, summary.stale_per_main, mark, filled=False)
        drawn += [
            (label, "interval CV [ratio]", summary.interval_cv),
            (label, "stale / published [share]", summary.stale_per_block),
            (label, "stale / canonical [ratio]", summary.stale_per_main),
        ]
    left.axhline(1.0, color="0.3", lw=0.8, ls=":")
    left.annotate("exponential", (0.98, 1.0), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=6)
    left.set_ylabel("CV of the block interval [ratio]")
    right.set_ylabel("stale blocks [%]")
    right.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    for axes in (left, right):
        axes.set_xlim(-0.6, len(summaries) - 0.4)
        axes.set_ylim(0.0, None)
        axes.set_xticks(range(len(summaries)), [""] * len(summaries) if wide else words)
    if wide:
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower left")
    right.set_xlabel("filled: of published\nopen: per canonical", fontsize=6)
    figure.suptitle(f"{size}; {_bars(summaries)} over seeds", fontsize=7, color="0.3")
    labels, names, estimates = zip(*drawn, strict=True)
    stacked = Estimate(*(np.array([getattr(e, part) for e in estimates]) for part in ("value", "low", "high")))
    return Plot(
        figure, {"label": np.array(labels), "statistic [unit]": np.array(names), **estimate_columns(stacked, "value")}
    )


@checked
@styled
def win_shares(summaries: Mapping[str, Summary], nodes: Mapping[str, AnyNodes], size: str) -> Plot:
    """Each node's share of the canonical blocks against its share of the power, with confidence intervals.

    Args:
      summaries: label -> `Summary`.
      nodes: label -> the N nodes of those histories.
      size: of the samples, in words.

    Returns:
      `Plot`. Logarithmic where powers differ more than tenfold and every node won. Where all powers are equal, the
      nodes stand in their order instead. Points of equal power, and of several labels, are set side by side: the CSV
      tells both where a point stands and the power share itself.
    """
    figure, axes = canvas(2.7)
    shares = {label: np.asarray(theory.power_share(nodes[label].power)) for label in summaries}
    largest, least = max(s.max() for s in shares.values()), min(s.min() for s in shares.values())
    won = min(summary.win_share.value.min() for summary in summaries.values()) > 0
    equal, logarithmic = bool(largest < (1 + 1e-6) * least), bool(largest > 10 * least and won)
    columns: dict[str, np.ndarray] = {}
    for place, (label, summary, mark) in enumerate(marks(summaries)):
        power, beside = shares[label], _beside(shares[label], place, len(summaries), equal)
        stands = power * np.exp(0.1 * beside) if logarithmic else power + 0.02 * largest * beside
        stands = 1 + np.arange(power.size) + 0.3 * beside if equal else stands
        draw_estimate(axes, stands, summary.win_share, mark, label=shown(label))
        columns |= {
            f"{label}: power share [fraction]": power,
            f"{label}: drawn at [{'node' if equal else 'fraction'}]": stands,
        }
        columns |= estimate_columns(summary.win_share, f"{label}: win share", " [fraction]")
    if equal:
        axes.axhline(largest, color="0.3", lw=0.8, label=f"power share {largest:.3g}", zorder=0)
        axes.set_ylim(0.0, 1.4 * axes.get_ylim()[1])
        axes.set_xlabel("node (all of equal power)")
    else:
        ends = np.array([0.6 * least, 1.5 * largest]) if logarithmic else np.array([0.0, 1.2 * largest])
        axes.plot(ends, ends, color="0.3", lw=0.8, label="win share = power share", zorder=0)
        axes.set(xscale="log", yscale="log") if logarithmic else axes.set_ylim(0.0, None)
        axes.set_xlim(*ends)
        axes.set_xlabel("share of the power [fraction]")
    axes.set_ylabel("share of the blocks won [fraction]")
    axes.legend(loc="upper left")
    say_size(axes, f"{size}; {_bars(summaries)}")
    return Plot(figure, columns)


@checked
@styled
def learning_curves(history: History, evaluate_every: int, threshold: float, individual: int = 5) -> Plot:
    """Validation accuracy of the winners against their training steps: median, the middle 80%, and some single ones.

    Args:
      history: with `learning.curve` f32[S, H, K], K evaluations; only settled blocks are drawn.
      evaluate_every: training steps between evaluations.
      threshold: accuracy that a claim needs, drawn as a line.
      individual: single curves to draw, evenly spread over the blocks.

    Returns:
      `Plot`. A winner that has finished keeps its last accuracy, lest the median at late steps be of the slow alone.

    Raises:
      ValueError: no curves were recorded.
    """
    evaluate_every = checks.whole("evaluate_every", evaluate_every, low=1)
    threshold = checks.number("threshold", threshold, low=0.0, high=1.0)
    individual = checks.whole("individual", individual)
    recorded = None if history.learning is None else np.asarray(history.learning.curve)
    if recorded is None or recorded.shape[-1] == 0:
        raise ValueError("history must record learning curves, got none: give the mechanism curve_points")
    curves = recorded.reshape(-1, recorded.shape[-1])[np.ravel(history.settled)].astype(np.float64)
    training = curves > 0.0
    last = np.maximum.accumulate(np.where(training, np.arange(curves.shape[1]), 0), axis=1)
    held = np.take_along_axis(curves, last, axis=1)
    last_shown = int(np.flatnonzero(training.any(axis=0))[-1]) + 1 if training.any() else 1
    steps = evaluate_every * (1 + np.arange(last_shown))
    low, median, high = np.quantile(held[:, :last_shown], [0.1, 0.5, 0.9], axis=0)
    figure, axes = canvas(2.5)
    axes.fill_between(steps, low, high, color="0.85", lw=0, label="middle 80%")
    columns = {"training steps": steps, "10% [accuracy]": low, "median [accuracy]": median, "90% [accuracy]": high}
    columns["still training [share]"] = training[:, :last_shown].mean(axis=0)
    for place in np.unique(np.linspace(0, len(curves) - 1, individual).astype(int)):
        curve = np.where(training[place], curves[place], np.nan)[:last_shown]
        axes.plot(steps, curve, color="0.5", lw=0.5, marker=".", ms=2, label=None if place else "single winners")
        columns[f"block {place + 1} [accuracy]"] = curve
    axes.plot(steps, median, color="#0072B2", label="median (finished: last value)")
    axes.axhline(threshold, color="#D55E00", ls="--", lw=0.9, label=f"threshold {threshold:g}")
    axes.set(xlim=(0, 1.02 * steps[-1]), ylim=(0.0, 1.0))
    axes.set_xlabel("training steps of the winner")
    axes.set_ylabel("validation accuracy [fraction]")
    axes.legend(loc="lower right")
    say_size(axes, sample_size(sizes({"": history})))
    return Plot(figure, columns)


@checked
def write_all(
    histories: Mapping[str, History],
    scenarios: Mapping[str, Scenario],
    folder: str | Path,
    *,
    service: ServiceAtLoads | None = None,
) -> list[Path]:
    """Write every figure of a study that its histories allow, as PDF, PNG, SVG and CSV.

    Args:
      histories: label -> `History`.
      scenarios: label -> `Scenario` that it is of: powers, thresholds and steps between evaluations.
      folder: to write into; made if missing.
      service: of transactions at several loads, for one more figure; None: none.

    Returns:
      Paths of all files. Learning curves only of histories that recorded them, under the label in small letters, with
      an underscore for whatever is no ASCII letter, digit, dot or hyphen.

    Raises:
      ValueError: labels that differ, and as the figures and `summarise`.
    """
    if set(scenarios) != set(histories):
        raise ValueError(f"scenarios must have the labels {sorted(histories)}, got {sorted(scenarios)}")
    nodes = {label: scenarios[label].nodes for label in histories}
    summaries = {label: summarise(history, nodes[label]) for label, history in histories.items()}
    size = sample_size(sizes(histories))
    plots = {
        "interval_survival": interval_survival(histories),
        "interval_quantiles": interval_quantiles(histories),
        "interval_series": interval_series(histories),
        "variation_and_stale_blocks": variation_and_stale_blocks(summaries, size),
        "win_shares": win_shares(summaries, nodes, size),
    }
    if service is not None:
        plots["latency_against_load"] = latency_against_load(service)
    for label, history in histories.items():
        if history.learning is not None and history.learning.curve.shape[-1]:
            mechanism: Any = scenarios[label].mechanism
            curves = learning_curves(history, mechanism.recipe.evaluate_every, float(mechanism.rules.threshold))
            plots[file_name(f"learning_curves_{label}", plots)] = curves
    place = Path(paths.checked("folder", folder))
    return [path for name, plot in plots.items() for path in save(plot.figure, place / name, plot.columns)]


def _bars(summaries: Mapping[str, Summary]) -> str:
    """What the bars are; that a chain alone has none, lest its points look exact."""
    confidence = next(iter(summaries.values())).confidence
    alone = [label for label, summary in summaries.items() if not np.isfinite(summary.interval_mean.high)]
    if len(alone) == len(summaries):
        return "one chain: no intervals"
    return f"bars: {confidence:.0%} intervals" + (
        f" (none of {', '.join(map(shown, alone))}: one chain)" if alone else ""
    )


def _beside(power: np.ndarray, place: int, places: int, alone: bool) -> np.ndarray:
    """Where in (-1, 1) to set each node, so that neither labels nor, unless each stands alone, equal powers hide it."""
    beside = np.zeros(power.size)
    for same in np.eye(power.size, dtype=bool) if alone else power == np.unique(power)[:, None]:
        count = same.sum()
        beside[same] = (2 * (np.arange(count) * places + place) + 1) / (count * places) - 1
    return beside
