"""A section of the claims page: one claim, what was measured, and a verdict."""

import dataclasses

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
    return str(as_estimate(one))
