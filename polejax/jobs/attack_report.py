"""What an attack job found, as tables (CSV) and figures: the matrix, the price of each layer, and what mends what."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from polejax._core.describe import describe
from polejax._core.netcdf import write_whole
from polejax._core.paths import checked
from polejax._core.tables import Table
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import head
from polejax.analysis.figure_style import COLOURS, LINES, MARKERS, WIDTH, Plot, canvas, say_size, styled
from polejax.analysis.figure_style import save as save_figure
from polejax.attacks import matrix_table
from polejax.attacks.detection import Measures
from polejax.attacks.matrix import NEED_IMAGES_ONLY, NEED_SAMPLES
from polejax.jobs.attack import Cells, Settings, num_pairs

STOPPED = 0.1
"""A strategy counts as stopped where it saves at most this share of an honest node's training steps."""


def save(cells: Cells, settings: Settings, seconds: float) -> list[Path]:
    """Write layers.csv, attacks.csv, mending.csv, roc.csv, about.json and figures/ into the settings' folder.

    Raises:
      ValueError: the folder cannot be written to.
    """
    from polejax._core import devices

    folder = Path(checked("out", settings.out))
    about = {
        "settings": dataclasses.asdict(settings) | {"out": str(folder)},
        "versions": devices.versions(),
        "machine": devices.machine(),
        "seconds": seconds,
    }
    try:
        paths = [
            matrix_table.write(folder / "layers.csv", layer_rows(cells)),
            matrix_table.write(folder / "attacks.csv", attack_rows(cells)),
            matrix_table.write(folder / "mending.csv", mending_rows(cells)),
            matrix_table.write(folder / "roc.csv", roc_rows(cells)),
        ]
        write_whole(str(folder / "about.json"), (json.dumps(describe(about), indent=2) + "\n").encode())
        for name, draw in (("price", price), ("matrix", matrix), ("roc", roc)):
            plot = draw(cells, num_pairs(settings))
            paths += save_figure(plot.figure, folder / "figures" / name, plot.columns)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"out must be a folder that can be written to, got {folder} ({reason})") from None
    return paths


def overview(cells: Cells) -> Table:
    """The layers, one a row: what each costs, and the best attackers; what is a bound, and what was not tried."""
    rows = []
    for (model, layer), cell in cells.items():
        tops = []
        for strategies in (NEED_IMAGES_ONLY, (*NEED_IMAGES_ONLY, *NEED_SAMPLES)):
            name, saved = best(cell.measures, strategies)
            mark = matrix_table.MARKS[matrix_table.bounds(cell, cell.measures[name])["saved"]]
            tops.append(f"{mark}{float(saved):.0%} {name}")
        steps = matrix_table.shown(cell.honest.steps, matrix_table.honest_bounds(cell)["steps"])
        rows.append((f"{model}, {layer}", str(cell.honest.accuracy), str(cell.cost), steps, *tops))
    names = ("accuracy at the end", "its cost against no layer", "steps to an accepted claim")
    attacks = ("best attack, images only", "best attack, samples known")
    notes = (
        "best attack: training steps that it saves, if cheats know the samples' images behind their own layer alone, "
        "or the samples themselves; >= and <= are bounds, ? is neither, as some runs ended before a claim",
        *_not_tried(cells),
    )
    return Table(("model, layer", *names, *attacks), rows, f"honest nodes and attacks; {head(0.95)}", notes)


def _not_tried(cells: Cells) -> Iterator[str]:
    """What was left out and why, a line for each strategy and reason."""
    behind: dict[tuple[str, str], list[str]] = {}
    for (model, layer), cell in cells.items():
        for strategy, why in cell.not_tried.items():
            behind.setdefault((strategy, why), []).append(f"{model}, {layer}")
    for (strategy, why), where in behind.items():
        yield f"NOT TRIED: {strategy} ({'; '.join(where)}), as {why}"


def layer_rows(cells: Cells) -> Iterator[dict[str, Any]]:
    """What each layer does to honest nodes."""
    for (model, layer), cell in cells.items():
        yield {"model": model, "layer": layer, **matrix_table.layer_columns(cell)}


def attack_rows(cells: Cells) -> Iterator[dict[str, Any]]:
    """What each strategy achieves behind each layer."""
    for (model, layer), cell in cells.items():
        for strategy, found in cell.measures.items():
            yield {"model": model, "layer": layer, "strategy": strategy, "tried": "yes"} | matrix_table.columns(
                cell, found
            )
        for strategy, why in cell.not_tried.items():
            yield {"model": model, "layer": layer, "strategy": strategy, "tried": "no", "why_not": why}


def roc_rows(cells: Cells) -> Iterator[dict[str, Any]]:
    """Rates of false rejection and of detection over the accept threshold, for each strategy behind each layer."""
    for (model, layer), cell in cells.items():
        for strategy, found in cell.rocs.items():
            for at, threshold in enumerate(found.threshold):
                rates = {"false_rejection_share": found.rejected, "detection_share": found.detected}
                columns = [
                    matrix_table.with_ends(name, Estimate(rate.value[at], rate.low[at], rate.high[at]))
                    for name, rate in rates.items()
                ]
                row = {"model": model, "layer": layer, "strategy": strategy, "accept_threshold": float(threshold)}
                yield row | columns[0] | columns[1]


def mending_rows(cells: Cells) -> Iterator[dict[str, Any]]:
    """What stops which strategy: the layer at the least cost in accuracy, or what a rule leaves of it."""
    yield from _layer_rows(cells)
    for (model, layer), cell in cells.items():
        if layer == "none":  # rules are no matter of layers
            liar = cell.measures["liar, no margin"]
            price = {"honest_first_claims_rejected_share": float(cell.strict.rejected.value)}
            row = {"model": model, "strategy": "liar", "rule": "no margin: verifiers ask for the threshold itself"}
            yield (
                row
                | matrix_table.with_ends("saved_share", liar.saved)
                | matrix_table.with_ends("advantage", liar.advantage)
                | price
            )
        for rule, advantage in cell.collusion.items():
            yield {
                "model": model,
                "strategy": "early key",
                "layer": layer,
                "rule": rule,
                **matrix_table.with_ends("advantage", advantage),
            }


def _layer_rows(cells: Cells) -> Iterator[dict[str, Any]]:
    """For each strategy that carries a model over, the layer that stops it at the least cost in accuracy."""
    for model in dict.fromkeys(model for model, _ in cells):
        for strategy in (*NEED_IMAGES_ONLY, *NEED_SAMPLES):
            stopping = {
                layer: cell
                for (whose, layer), cell in cells.items()
                if whose == model and strategy in cell.measures and _stopped(cell.measures[strategy])
                if cell.honest.finished.value > 0.5  # a layer behind which nobody learns stops everybody
            }
            if not stopping:
                yield {"model": model, "strategy": strategy, "layer": "no layer tried"}
                continue
            layer, cell = min(stopping.items(), key=lambda item: float(item[1].cost.value))
            yield {
                "model": model,
                "strategy": strategy,
                "layer": layer,
                "rule": "",
                **matrix_table.with_ends("saved_share", cell.measures[strategy].saved),
                **matrix_table.with_ends("advantage", cell.measures[strategy].advantage),
                **matrix_table.with_ends("accuracy_cost_fraction", cell.cost),
                **matrix_table.with_ends("steps_against_none_ratio", cell.slowdown),
            }


def best(measures: Mapping[str, Measures], strategies: Sequence[str]) -> tuple[str, Estimate]:
    """The strategy, of those named, that saves most training steps, and its share of them; at least 0."""
    found = {name: measures[name].saved for name in strategies if name in measures}
    name = max(found, key=lambda name: float(found[name].value))
    saved = found[name]
    return name, Estimate(*(np.maximum(part, 0.0) for part in (saved.value, saved.low, saved.high)))


@styled
def price(cells: Cells, pairs: int) -> Plot:
    """Accuracy cost of each layer against what the best attacker saves, who knows samples or only their images."""
    figure, axes = canvas(3.6)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("model", "layer", "cost_points", "cost_low", "cost_high", "knows", "strategy")
    }
    columns |= {"saved_percent": [], "saved_low": [], "saved_high": []}
    spots: dict[tuple[int, int], list[tuple[float, float, str]]] = {}  # points that lie together share a label
    key = []
    for number, ((model, layer), cell) in enumerate(cells.items(), 1):
        colour, marker = (COLOURS[0], MARKERS[0]) if model == "dense" else (COLOURS[1], MARKERS[1])
        x = 100 * np.array([cell.cost.value, cell.cost.low, cell.cost.high])
        tops = []
        for knows, strategies, filled in (
            ("images only", NEED_IMAGES_ONLY, True),
            ("samples", (*NEED_IMAGES_ONLY, *NEED_SAMPLES), False),
        ):
            name, saved = best(cell.measures, strategies)
            y = 100 * np.array([saved.value, saved.low, saved.high])
            tops.append(float(y[0]))
            face = colour if filled else "none"
            bars = ([[one[0] - one[1]], [one[2] - one[0]]] for one in (y, x))
            axes.errorbar(x[0], y[0], *bars, color=colour, marker=marker, mfc=face, lw=0.5)
            for column, value in zip(columns, (model, layer, *x, knows, name, *y), strict=True):
                columns[column].append(value)
        axes.plot([x[0], x[0]], tops, color=colour, lw=0.4, alpha=0.5)
        spots.setdefault((round(x[0] / 0.8), round(tops[0] / 4)), []).append((x[0], tops[0], str(number)))
        few = "" if cell.honest.finished.value > 0.5 else " (few finish)"
        name = f"{number} {layer}{few}" if model == "dense" else f"{number} {layer}, {model[:4]}.{few}"
        key += axes.plot([], [], ls="", marker=marker, color=colour, label=name)
    for (across, up), together in spots.items():
        label = ",".join(number for _, _, number in together)
        offset = (2, -6) if (across - 1, up) in spots else (2, 3)  # below where a neighbour's label lies above
        axes.annotate(label, together[0][:2], offset, textcoords="offset points", fontsize=5)
    for filled, text in ((True, "knows images only"), (False, "knows the samples")):
        axes.plot([], [], ls="", marker="o", color="0.3", mfc="0.3" if filled else "none", label=text)
    axes.legend(handles=axes.get_lines()[-2:], loc="center right", fontsize=6)
    narrow = {"handletextpad": 0.1, "handlelength": 1.0, "columnspacing": 1.0}
    figure.legend(handles=key, loc="outside lower center", ncols=3, fontsize=5, **narrow)
    axes.set_ylim(-5, 110)
    say_size(axes, f"{pairs} pairs each; bars: 95% intervals")
    axes.set(xlabel="accuracy cost of the layer (points)", ylabel="steps saved by the best attacker (%)")
    return Plot(figure, {name: np.array(values) for name, values in columns.items()})


@styled
def matrix(cells: Cells, pairs: int) -> Plot:
    """Share of an honest node's steps that each strategy saves behind each layer, in percent."""
    strategies = list(max(cells.values(), key=lambda cell: len(cell.measures)).measures)
    values = np.full((len(cells), len(strategies)), np.nan)
    for row, cell in enumerate(cells.values()):
        for name, found in cell.measures.items():
            values[row, strategies.index(name)] = 100 * found.saved.value
    figure, axes = canvas(0.9 + 0.17 * len(cells))
    axes.imshow(np.clip(values, 0, 100), cmap="Reds", vmin=0, vmax=140, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, "" if np.isnan(value) else f"{value:.0f}", ha="center", va="center", fontsize=4.5)
    names = [f"{layer} ({model[:4]}.)" for model, layer in cells]
    axes.set_yticks(range(len(names)), names, fontsize=5)
    axes.set_xticks(range(len(strategies)), strategies, rotation=50, ha="right", fontsize=5)
    say_size(axes, f"training steps saved (%), mean of {pairs} pairs; intervals: attacks.csv")
    drawn = {"layer": np.array(names)}
    drawn |= {f"{name}_saved_percent": values[:, at] for at, name in enumerate(strategies)}
    return Plot(figure, drawn)


@styled
def roc(cells: Cells, pairs: int) -> Plot:
    """Detection of strategies' opening claims against false rejection of honest ones, a panel for each layer."""
    strategies = (*NEED_IMAGES_ONLY, *NEED_SAMPLES, "early key")
    colours = (*COLOURS, "0.6")
    rows = -(-len(cells) // 4)
    figure = Figure(figsize=(2 * WIDTH, 1.75 * rows), layout="constrained")
    panels = figure.subplots(rows, 4, sharex=True, sharey=True, squeeze=False).ravel()
    drawn: dict[str, list[Any]] = {name: [] for name in ("panel", "strategy", "false_rejection", "detection")}
    for axes, ((model, layer), cell) in zip(panels, cells.items(), strict=False):
        axes.plot([0, 1], [0, 1], color="0.8", lw=0.5)
        for number, name in enumerate(strategies):
            if name not in cell.rocs:
                continue
            found = cell.rocs[name]
            label = f"{name} {float(found.area.value):.2f}"
            line = LINES[number % len(LINES)]
            axes.plot(found.rejected.value, found.detected.value, color=colours[number], ls=line, lw=0.8, label=label)
            drawn["panel"] += [f"{model}, {layer}"] * len(found.threshold)
            drawn["strategy"] += [name] * len(found.threshold)
            drawn["false_rejection"] += found.rejected.value.tolist()
            drawn["detection"] += found.detected.value.tolist()
        axes.set_title(f"{model}, {layer}", loc="left", fontsize=6)
        small = {"title_fontsize": 4, "fontsize": 4, "handlelength": 1.5, "labelspacing": 0.2}
        # On white, as every corner of some panel has curves; intervals of the areas are in attacks.csv.
        axes.legend(title=f"AUC, {pairs} pairs", loc="lower right", frameon=True, edgecolor="none", **small)
    for axes in panels[len(cells) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(cells) - 4) : len(cells)]:  # the lowest of their columns
        axes.tick_params(labelbottom=True)
    figure.supxlabel("honest claims rejected (share)", fontsize=7)
    figure.supylabel("cheats' opening claims detected (share)", fontsize=7)
    return Plot(figure, {name: np.array(values) for name, values in drawn.items()})


def _stopped(found: Measures) -> bool:
    return bool(found.saved.value <= STOPPED)
