"""A section of the claims page: one claim, what was measured, and a verdict."""

import dataclasses

from polejax.analysis.estimate import Estimate
from polejax.analysis.figure_style import Plot
from polejax.jobs.claims.workbench import Row, as_estimate


@dataclasses.dataclass(frozen=True)
class Section:
    """One claim and its answer.

    Attributes:
      name: of its files.
      title: the claim in a few words.
      claim: what the paper says, and where.
      measured: a paragraph with the numbers that decide.
      verdict: "holds", "fails", or "holds if ...".
      depends: what the verdict depends on.
      not_measured: what was left out.
      rows: every number, for the table and the CSV.
      plot: one figure; None: none.
      table: what to show beside the text, its head first; None: nothing.
      seconds: that measuring took.
    """

    name: str
    title: str
    claim: str
    measured: str
    verdict: str
    depends: tuple[str, ...]
    not_measured: tuple[str, ...]
    rows: list[Row]
    plot: Plot | None
    table: list[list[str]] | None = None
    seconds: float = 0.0


def word(one: Row) -> str:
    """A row's number with its interval."""
    return shown(as_estimate(one))


def shown(found: Estimate) -> str:
    """An estimate as it prints; whole numbers as such, and not more than five digits where an interval is tiny."""
    ends = [float(end) for end in (found.value, found.low, found.high)]
    if all(end.is_integer() for end in ends):
        return format(found, ".0f")
    return format(found, ".5g") if ends[2] - ends[1] < 2e-4 * abs(ends[0]) else str(found)
