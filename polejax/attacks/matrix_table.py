"""The matrix of attacks as a table: text for a terminal, rows for CSV, and bounds marked as what they are.

A run that makes no accepted claim counts with all of its steps. So a mean of steps is a lower bound where some runs
make none, and what is made of two such means is a bound, or nothing at all, by which of them is one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polejax.analysis.csv_files import write_csv
from polejax.analysis.estimate import Estimate
from polejax.attacks.detection import Measures

if TYPE_CHECKING:
    from polejax.attacks.matrix import Cell, Matrix

EXACT, LOWER, UPPER, UNKNOWN = "", "lower", "upper", "unknown"
"""What a number is: an estimate, a bound, or, of two bounds, neither."""
MARKS = {EXACT: "", LOWER: ">= ", UPPER: "<= ", UNKNOWN: "? "}
"""What stands before a number in text, by what it is."""
_WIDTHS = (22, 21, 22, 22, 17)
_FINEST = 1e-3
"""Half an interval below which a table's number has three decimals, and no more."""


def of_ratio(over_is_bound: bool, under_is_bound: bool) -> str:
    """What a ratio is, by whether the numbers over and under its stroke are lower bounds."""
    return {(False, False): EXACT, (True, False): LOWER, (False, True): UPPER, (True, True): UNKNOWN}[
        over_is_bound, under_is_bound
    ]


def bounds(cell: Cell, found: Measures) -> dict[str, str]:
    """What each number of an attempt is: of its steps, and of the share of the honest node's that it saves."""
    cheat, honest = found.finished.value < 1, cell.honest.finished.value < 1
    less = {LOWER: UPPER, UPPER: LOWER}
    ratio = of_ratio(bool(cheat), bool(honest))
    return {"steps": LOWER if cheat else EXACT, "saved": less.get(ratio, ratio), "net": less.get(ratio, ratio)}


def honest_bounds(cell: Cell) -> dict[str, str]:
    """What the numbers of honest nodes are."""
    here, bare = cell.honest.finished.value < 1, cell.bare_finished < 1
    return {"steps": LOWER if here else EXACT, "slowdown": of_ratio(bool(here), bare)}


def shown(found: Estimate, bound: str = EXACT, scale: float = 1.0) -> str:
    """An estimate as text, with what it is in front: ">= 400" where all runs ended without a claim."""
    scaled = Estimate(*(scale * part for part in (found.value, found.low, found.high)))
    if bound != EXACT and scaled.low == scaled.value == scaled.high:
        return f"{MARKS[bound]}{float(scaled.value):.4g}"
    fine = 0 < scaled.high - scaled.low < 2 * _FINEST
    return f"{MARKS[bound]}{scaled:{'.3f' if fine else ''}}"


def text(matrix: Matrix) -> str:
    """A block of lines for each layer, some 110 characters wide but for reasons."""
    return "\n".join(_lines(matrix))


def _lines(matrix: Matrix) -> Iterator[str]:
    yield matrix.title
    yield "estimate [95% interval]; >= and <= are bounds, ? is neither, as some runs ended before a claim"
    for name, cell in matrix.cells.items():
        honest, told = cell.honest, honest_bounds(cell)
        yield ""
        steps = f"{shown(honest.steps, told['steps'])} steps to an accepted claim"
        yield f"layer {name}: honest accuracy {honest.accuracy}, {steps}"
        if name != next(iter(matrix.cells)):
            slower = shown(cell.slowdown, told["slowdown"])
            yield f"  costs {shown(cell.cost, scale=100.0)} points of accuracy, {slower} times the steps"
        yield _row("strategy", "detected", "own steps to a claim", "steps saved (%)", "advantage")
        for strategy, found in cell.measures.items():
            marks = bounds(cell, found)
            yield _row(
                strategy,
                shown(found.detected),
                shown(found.steps, marks["steps"]),
                shown(found.saved, marks["saved"], 100.0),
                shown(found.advantage),
            )
        for strategy, why in cell.not_tried.items():
            yield f"  {strategy:{_WIDTHS[0]}}NOT TRIED: {why}"
    for name, why in matrix.not_tried.items():
        yield f"\nlayer {name} NOT TRIED: {why}"
    left_out = sum(len(cell.not_tried) for cell in matrix.cells.values())
    if left_out or matrix.not_tried:
        yield "\nNOT TRIED means that nothing here tells whether the layer stops that strategy."


def _row(*words: str) -> str:
    return ("  " + "".join(f"{word:{width}}" for word, width in zip(words, _WIDTHS, strict=True))).rstrip()


def rows(matrix: Matrix) -> list[dict[str, Any]]:
    """A row for each layer and strategy, tried or not."""
    found: list[dict[str, Any]] = []
    for name, cell in matrix.cells.items():
        of_layer = {"layer": name, **layer_columns(cell)}
        found += [
            {**of_layer, "strategy": strategy, "tried": "yes", **columns(cell, one)}
            for strategy, one in cell.measures.items()
        ]
        found += [
            {**of_layer, "strategy": strategy, "tried": "no", "why_not": why}
            for strategy, why in cell.not_tried.items()
        ]
    return found + [{"layer": name, "tried": "no", "why_not": why} for name, why in matrix.not_tried.items()]


def layer_columns(cell: Cell) -> dict[str, Any]:
    """What a layer does to honest nodes."""
    told = honest_bounds(cell)
    return {
        **with_ends("honest_accuracy_fraction", cell.honest.accuracy),
        **with_ends("accuracy_cost_fraction", cell.cost),
        **with_ends("honest_steps", cell.honest.steps),
        "honest_steps_bound": told["steps"],
        **with_ends("steps_against_none_ratio", cell.slowdown),
        "steps_against_none_bound": told["slowdown"],
        **with_ends("honest_finished_share", cell.honest.finished),
        **with_ends("honest_first_claims_rejected_share", cell.honest.rejected),
        **with_ends("rejected_without_margin_share", cell.strict.rejected),
    }


def columns(cell: Cell, found: Measures) -> dict[str, Any]:
    """What an attempt achieves."""
    marks = bounds(cell, found)
    made: dict[str, Any] = {}
    for field in dataclasses.fields(found):
        made |= with_ends(field.name, getattr(found, field.name))
        if field.name in marks:
            made[f"{field.name}_bound"] = marks[field.name]
    return made


def with_ends(name: str, found: Estimate | None) -> dict[str, float | str]:
    """Three columns of an estimate; empty ones of none."""
    if found is None:
        return {name: "", f"{name}_low": "", f"{name}_high": ""}
    return {name: float(found.value), f"{name}_low": float(found.low), f"{name}_high": float(found.high)}


def write(path: Path, table: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as CSV with the columns that any of them has; the path."""
    listed = list(table)
    names = dict.fromkeys(name for row in listed for name in row)
    cells = ([row.get(name, "") for name in names] for row in listed)
    write_csv(path, names, ([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in cells))
    return path
