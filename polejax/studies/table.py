"""Tables: a study's estimates as a data frame, a row for each number or for each scenario."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polejax._core.record import replace
from polejax.analysis import doubts
from polejax.analysis.estimate import Estimate
from polejax.analysis.summaries import NAMED, Summary
from polejax.studies.bank_parts import Honest
from polejax.studies.precision import Precision

if TYPE_CHECKING:
    from pandas import DataFrame

UNITS = {name: unit for name, _, unit in NAMED} | {"win_share": "share", "stale_share": "share"}
"""Unit of every estimate of a summary."""


def chosen_metrics(metrics: Sequence[str] | None, summaries: Sequence[Summary]) -> list[str]:
    """The metrics wanted; None: all numbers, not by node, that a scenario has."""
    if metrics is not None:
        return list(metrics)
    return [name for name, _, _ in NAMED if any(vars(summary)[name] is not None for summary in summaries)]


def tidy(
    names: Sequence[str],
    parameters: dict[str, np.ndarray],
    summaries: Sequence[Summary],
    metrics: Sequence[str],
    precision: Precision | None,
    honest: Honest | None = None,
) -> "DataFrame":
    """One row for each number of each scenario; see `Results.table`."""
    import pandas

    rows = []
    for index, (name, summary) in enumerate(zip(names, summaries, strict=True)):
        of = {"scenario": name, **{parameter: values[index] for parameter, values in parameters.items()}}
        for metric in metrics:
            short = None if precision is None else precision.doubt(name, metric)
            whole = None if honest is None else honest.estimate(index, metric, UNITS[metric], summary)
            of_bank = summary.doubt if whole is None else replace(summary, replayed=None).doubt
            doubt = doubts.joined(told for told in (short, of_bank) if told) or ""
            for node, found in _entries(vars(summary)[metric] if whole is None else whole):
                number = {"value": found.value, "low": found.low, "high": found.high}
                rows.append({**of, "metric": metric, "node": node, "unit": UNITS[metric], **number, "doubt": doubt})
    columns = ["scenario", *parameters, "metric", "node", "unit", "value", "low", "high", "doubt"]
    frame = pandas.DataFrame(rows, columns=columns)
    if all(row["node"] is None for row in rows):
        return frame.drop(columns="node")
    return frame.astype({"node": "Int64"})


def widened(frame: "DataFrame") -> "DataFrame":
    """One row for each scenario: of each number its value under its metric, and `_low` and `_high`."""
    import pandas

    own = list(frame.columns[: frame.columns.get_loc("metric")])
    rows = []
    for _, group in frame.groupby("scenario", sort=False, observed=True):
        row: dict[str, Any] = group.iloc[0][own].to_dict()
        for one in group.to_dict("records"):
            node = one.get("node")
            label = one["metric"] if node is None or pandas.isna(node) else f"{one['metric']}[{node}]"
            row |= {label: one["value"], f"{label}_low": one["low"], f"{label}_high": one["high"]}
        doubt = doubts.joined(dict.fromkeys(told for told in group["doubt"] if told)) or ""
        rows.append({**row, "doubt": doubt})
    wide = pandas.DataFrame(rows)
    return wide[[name for name in wide.columns if name != "doubt"] + ["doubt"]]


def _entries(found: Estimate | None) -> Iterator[tuple[int | None, Estimate]]:
    """An estimate's numbers, each with its node; none of what a scenario has not."""
    if found is None:
        return
    if np.ndim(found.value) == 0:
        yield None, found
        return
    for node, parts in enumerate(zip(found.value, found.low, found.high, strict=True)):
        yield node, Estimate(*parts)


def cells(frame: "DataFrame", parameters: Sequence[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """A tidy table as text: a header, a row for each scenario with its numbers, and the notes that its marks refer to.

    Numbers are written as everywhere, with two digits of half their interval. Where there are doubts, marks stand
    beside the numbers, and the row's last cell says in short what they mean.
    """
    metrics = list(dict.fromkeys(zip(frame["metric"], frame["unit"], strict=True)))
    own = [*(["scenario"] if "scenario" in frame else []), *parameters]
    marks = {note: f"[{place}]" for place, note in enumerate(dict.fromkeys(filter(None, frame["doubt"])), 1)}
    body = []
    for _, group in frame.groupby(own, sort=False, dropna=False) if own else [((), frame)]:
        found: dict[Any, str] = {}
        for one in group.to_dict("records"):
            number = f"{Estimate(one['value'], one['low'], one['high'])} {marks.get(one['doubt'], '')}".rstrip()
            place = (one["metric"], one["unit"])
            found[place] = f"{found[place]}, {number}" if place in found else number
        row = [*(_word(group.iloc[0][name]) for name in own), *(found.get(metric, "") for metric in metrics)]
        told = (f"{marks[note]} {_short(note)}" for note in dict.fromkeys(filter(None, group["doubt"])))
        body.append([*row, ", ".join(told)] if marks else row)
    header = [*own, *(f"{metric} ({unit})" for metric, unit in metrics), *(["doubt"] if marks else [])]
    return header, body, [f"{mark} {note}" for note, mark in marks.items()]


def _short(note: str) -> str:
    """Doubts in few words: what stands before the colon of each."""
    return " and ".join(doubt.partition(":")[0] for doubt in note.split("; ") if ":" in doubt)


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
