"""The page of a study's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polejax._core.folder import Folder
from polejax._core.tables import Table
from polejax.analysis.estimate_tables import head
from polejax.analysis.figure_style import COLOURS, Plot, as_svg, file_name
from polejax.analysis.interval_figures import interval_survival
from polejax.analysis.summaries import Summary, rows
from polejax.jobs.report import provenance
from polejax.jobs.report.forest import MOST, forest
from polejax.jobs.web_page import Download, Page, Part, Picture, as_csv
from polejax.studies.parameters import flat
from polejax.studies.results import Results

_LARGEST = 20_000_000  # blocks that are read for a figure
_LONGEST = 20  # letters of a scenario's name in a figure
_DRAWN = (
    ("interval, mean", "mean interval [s]"),
    ("interval, coefficient of variation", "CV of the interval [ratio]"),
    ("stale / canonical blocks", "stale / canonical [ratio]"),
)


def page(folder: Path) -> Page:
    """What is on disk of a study, whether it is finished or not.

    Raises:
      StudyError: the folder is damaged.
    """
    results = Results(folder)
    manifest = Folder(folder, "study").manifest(("scenarios", "versions", "seed"))
    missing = {shard.scenario for shard in results.missing}
    found = {index: _summary(results, index) for index in range(len(results.names))}
    summaries = {results.names[index]: one for index, one in found.items() if one is not None}
    lead = [
        f"A study of {len(results.names):,} scenarios, {results.num_seeds:,} seeds of {results.num_blocks:,} blocks."
    ]
    if missing:
        lead.append(f"**Not finished:** {len(results.missing):,} shards of {len(missing):,} scenarios are missing.")
    marks = _marks(results.names)
    table = _table(summaries, marks)
    parameters = _parameters(results.names, manifest["scenarios"], marks)
    drawn = _figures(results, summaries, marks)
    downloads = [as_csv("scenarios.csv", _numbers(summaries)), as_csv("parameters.csv", parameters)]
    pictures = [Picture(name, "svg", as_svg(plot.figure)) for name, plot in drawn.items()]
    for name, plot in drawn.items():
        taken = [file.name for file in downloads]
        downloads.append(_columns(f"figure_{file_name(name, taken)}.csv", plot))
    parts = [
        Part("Scenarios", tables=[table]),
        Part("Figures", pictures=pictures),
        Part("Parameters", tables=[parameters] if len(parameters.head) > 1 else []),
        Part("All numbers", folded=[_titled(name, one) for name, one in summaries.items()]),
    ]
    return Page("A study", lead, _about(results, manifest), [], parts, downloads)


def _marks(names: list[str]) -> dict[str, str]:
    """What figures call each scenario: its name, or its number where names are long."""
    long = max(map(len, names)) > _LONGEST
    return {name: str(number) if long else name for number, name in enumerate(names, 1)}


def _summary(results: Results, index: int) -> Summary | None:
    """The summary of a scenario; None where nothing of it is on disk, or no height is settled."""
    try:
        return results.summarise(index)
    except ValueError:
        return None


def _titled(name: str, summary: Summary) -> Table:
    table = summary.tables()[0]
    return table.titled(f"{name}: {table.title}")


def _table(summaries: dict[str, Summary], marks: dict[str, str]) -> Table:
    """A row for each scenario."""
    names = list(dict.fromkeys((name, unit) for one in summaries.values() for name, unit, _ in rows(one)))
    cells = {label: {(name, unit): str(value) for name, unit, value in rows(one)} for label, one in summaries.items()}
    body = [[_marked(label, marks), *(of.get(name, "") for name in names)] for label, of in cells.items()]
    notes = [f"{label}: {one.doubt}" for label, one in summaries.items() if one.doubt is not None]
    return Table(["scenario", *(f"{name} ({unit})" for name, unit in names)], body, head(0.95), notes)


def _marked(label: str, marks: dict[str, str]) -> str:
    return label if marks[label] == label else f"{marks[label]}: {label}"


def _numbers(summaries: dict[str, Summary]) -> Table:
    """The same as plain numbers, one to a row."""
    body = [
        [label, name, unit, *(f"{float(part):.9g}" for part in value)]
        for label, one in summaries.items()
        for name, unit, value in rows(one)
    ]
    return Table(["scenario", "statistic", "unit", "value", "low", "high"], body)


def _parameters(labels: list[str], descriptions: list[Any], marks: dict[str, str]) -> Table:
    """Numbers and words in which scenarios differ."""
    scenarios = [flat(scenario) for scenario in descriptions]
    names = [
        name
        for name in dict.fromkeys(name for one in scenarios for name in one)
        if len({str(one.get(name)) for one in scenarios}) > 1
        and not any(isinstance(one.get(name), list) for one in scenarios)
    ]
    body = [
        [_marked(label, marks), *(provenance.in_words(one[name]) if name in one else "" for name in names)]
        for label, one in zip(labels, scenarios, strict=True)
    ]
    return Table(["scenario", *names], body, "parameters in which scenarios differ")


def _figures(results: Results, summaries: dict[str, Summary], marks: dict[str, str]) -> dict[str, Plot]:
    """All scenarios below each other; of a few whose blocks were kept, the law of the interval, too."""
    drawn: dict[str, Plot] = {}
    if not summaries:
        return drawn
    more = f" (the first {MOST} of {len(summaries):,} scenarios)" if len(summaries) > MOST else ""
    for name, axis in _DRAWN:
        found = {
            marks[label]: next((value for row, _, value in rows(one) if row == name), None)
            for label, one in summaries.items()
        }
        drawn[f"{axis.partition(' [')[0]}{more}"] = forest(found, axis)
    blocks = results.num_seeds * results.num_blocks * min(len(summaries), len(COLOURS))
    if results.records == "blocks" and blocks <= _LARGEST:
        few = list(summaries)[: len(COLOURS)]
        histories = {marks[label]: results.history(label) for label in few}
        more = f" (the first {len(few)} scenarios)" if len(few) < len(summaries) else ""
        drawn[f"block intervals{more}"] = interval_survival(histories)
    return drawn


def _columns(name: str, plot: Plot) -> Download:
    columns = {key: np.ravel(values).tolist() for key, values in plot.columns.items()}
    longest = max(map(len, columns.values()))
    body = [[str(column[at]) if at < len(column) else "" for column in columns.values()] for at in range(longest)]
    return as_csv(name, Table(list(columns), body))


def _about(results: Results, manifest: Mapping[str, Any]) -> provenance.About:
    about = [
        ("in Python", f"polejax.open_study({results.path!r})"),
        ("seeds", f"{results.num_seeds:,} of each scenario, from seed {manifest['seed']}"),
        ("blocks", f"{results.num_blocks:,} a chain; kept: {results.records}"),
        ("versions", provenance.in_words(manifest["versions"])),
    ]
    seconds = results.timings()
    return [*about, ("seconds", provenance.in_words({name.split("_")[0]: one for name, one in seconds.items()}))]
