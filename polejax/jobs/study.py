"""The study job: a config file's scenarios, many seeds of each, into a folder, and a table of what came out."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from polejax._core import checks
from polejax._core.netcdf import write_whole
from polejax._core.paths import reason
from polejax._core.printable import printable
from polejax._core.progress import Callback, Progress
from polejax._core.tables import Table
from polejax.jobs import config
from polejax.jobs.options import UserPath
from polejax.studies import table
from polejax.studies.results import Results

if TYPE_CHECKING:
    from rich.console import Console

PRINTED = ("interval_mean", "interval_cv", "stale_per_main")
"""Numbers that the printed table has; `table.csv` has all."""
MOST_ROWS = 60
"""Scenarios that the printed table has."""
_LINES = 10
"""Lines of progress where the output is no terminal."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """A grid of scenarios, many seeds of each, into a folder; killed and started again, it goes on."""

    config: Annotated[UserPath, tyro.conf.Positional]
    """TOML file; `python -m pydoc polejax.jobs.config` says what goes into it, and what can be named there"""
    until: tuple[str, ...] = ()
    """half-widths of 95% intervals that seeds are added for, as in `--until stale_per_main=0.002 interval_cv=0.01`"""
    max_seeds: int | None = None
    """most seeds, with --until"""
    processes: int = 1
    """processes that share the shards and the cores of this machine; the results do not depend on it"""


def run(settings: Settings, progress: Callback | None = None) -> Results:
    """Run the study of a config file, or go on with it, and write its table to `table.csv` in its folder.

    Args:
      settings: of the job.
      progress: called with `Progress` in blocks.
    """
    results = config.run(
        settings.config,
        until=_targets(settings.until),
        max_seeds=settings.max_seeds,
        processes=settings.processes,
        progress=progress,
    )
    write_table(results)
    return results


def write_table(results: Results) -> Path:
    """Write all estimates to `table.csv` in the folder of a study; return its path."""
    path = Path(results.path) / "table.csv"
    try:
        write_whole(str(path), results.table().to_csv(index=False, lineterminator="\n").encode())
    except OSError as error:
        raise ValueError(f"out must be a folder that can be written to, got {path} ({reason(error)})") from None
    return path


def _targets(words: tuple[str, ...]) -> dict[str, float] | None:
    """Half-widths by name, of words like "interval_cv=0.01"; None: no word."""
    found = {}
    for word in words:
        name, equals, number = word.partition("=")
        try:
            found[name] = checks.number(f"until {name}", float(number), above=0.0)
        except ValueError:
            equals = ""
        if not equals:
            raise ValueError(f"until must be names and half-widths, as interval_cv=0.01, got {checks.shown(word)}")
    return found or None


def printed(results: Results) -> Table:
    """The table of a study as the command line prints it, with its notes."""
    precision = results.precision
    metrics = [*PRINTED, *(name for name in (precision.targets if precision else ()) if name not in PRINTED)]
    frame = results.table(metrics)
    # Names of a config file's scenarios tell their parameters, unless all are one grid.
    parameters = [] if "scenario" in frame else list(results.parameters)
    header, body, notes = table.cells(frame, parameters)
    title = f"{results.num_seeds:,} seeds of {results.num_blocks:,} blocks; estimate [95% confidence interval]"
    if len(body) > MOST_ROWS:
        notes = [f"{len(body) - MOST_ROWS:,} more scenarios are in table.csv", *notes]
    return Table(header, body[:MOST_ROWS], title, notes if precision is None else [str(precision), *notes])


@contextlib.contextmanager
def shown(console: "Console") -> Iterator[Callback]:
    """A callback that shows progress: a bar in a terminal, elsewhere some ten lines in all."""
    if not console.is_terminal:
        yield _sparse(console)
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    with Bars(BarColumn(20), TextColumn("{task.description}"), console=console) as bars:
        bar = bars.add_task("compiling")

        def report(progress: Progress) -> None:
            bars.update(bar, total=progress.total, completed=progress.done, description=str(progress))

        yield report


def _sparse(console: "Console") -> Callback:
    last, when = -1.0, time.perf_counter()

    def report(progress: Progress) -> None:
        nonlocal last, when
        share, now = progress.done / progress.total, time.perf_counter()
        if share < last:  # more seeds were added
            last = share
        if share == 1.0 or (share - last >= 1 / _LINES and now - when > 1.0) or now - when > 60.0:
            last, when = share, now
            console.print(str(progress))

    return report


def show(settings: Settings) -> int:
    """What `polejax study` does: run, print, and say where the files are."""
    from rich.console import Console

    begun = time.perf_counter()
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with shown(console) as report:
        results = run(settings, report)
    print(f"{printed(results)}\n")
    files = f"table    {os.path.join(results.path, 'table.csv')}\nresults  polejax.open_study({results.path!r})"
    console.print(printable(files))
    console.print(f"took     {time.perf_counter() - begun:.0f} s")
    return 0
