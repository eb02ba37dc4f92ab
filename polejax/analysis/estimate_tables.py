"""Tables of estimates: each number with its interval and unit, and of numbers per node a row for each of the first."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from polejax._core.tables import Table
from polejax._core.types import Array
from polejax.analysis.estimate import Estimate

SHOWN = 16
"""Nodes, or whatever else an array has an entry for, that a table shows."""

Number = Estimate | Array | float | None
"""What a row tells; None: the row is left out."""


def estimate_table(
    rows: Iterable[tuple[str, str, Number]], confidence: float, title: str = "", notes: Sequence[str] = ()
) -> Table:
    """A row for each number that is known: its name, the number with its interval, its unit."""
    cells = [(name, cell(number), unit) for name, unit, number in rows if number is not None]
    return Table(("statistic", head(confidence), "unit"), cells, title, notes)


def entries_table(
    columns: Mapping[str, Number],
    confidence: float,
    what: str = "node",
    names: Sequence[str] = (),
    title: str = "",
    notes: Sequence[str] = (),
) -> Table:
    """A row for each entry of arrays [N], the first `SHOWN`; its note says how many more there are.

    Args:
      columns: by name, `Estimate` [N] or f64[N]; None: left out.
      confidence: of the intervals.
      what: an entry is of.
      names: of the entries; () : 0, 1, ...
      title: of the table.
      notes: below it, before that of how many entries are left out.
    """
    known = {name: number for name, number in columns.items() if number is not None}
    count = max(np.size(_value(number)) for number in known.values())
    shown = range(min(count, SHOWN))
    rows = [
        (names[place] if names else str(place), *(cell(entry(number, place)) for number in known.values()))
        for place in shown
    ]
    more = count - len(shown)
    notes = [*notes, *([f"and {more:,} more of {what}, in the fields"] if more else [])]
    return Table((what, *known), rows, f"{title or f'by {what}'}; {head(confidence)}", notes)


def head(confidence: float) -> str:
    """What a column of estimates is called."""
    return f"estimate [{confidence * 100:.4g}% interval]"


def cell(number: Number) -> str:
    """A number as a cell of a table."""
    if isinstance(number, Estimate):
        return str(number)
    return "" if number is None else f"{float(number):.4g}"


def entry(number: Number, place: int) -> Number:
    """One entry of an array, or of an estimate of one."""
    if isinstance(number, Estimate):
        return Estimate(*(np.ravel(part)[place] for part in (number.value, number.low, number.high)))
    return np.ravel(np.asarray(number))[place]


def _value(number: Number) -> Array:
    return number.value if isinstance(number, Estimate) else np.asarray(number)
