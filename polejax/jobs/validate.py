"""Validation: closed forms and published numbers against simulations, as a table of standard scores."""

import math
import time
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax

from polejax._core import checks
from polejax._core.keys import key_of
from polejax._core.switches import steady
from polejax._core.types import Array
from polejax.jobs import validation_cases
from polejax.jobs.measures import Case


class Row(NamedTuple):
    """One line of the table.

    Attributes:
      name: of the case.
      expected: the value that the source gives.
      simulated: what the simulation estimates.
      error: standard error of the difference; of `simulated` alone, unless the expected value has one, too.
      z: (simulated - expected, beyond the tolerance if there is one) / error; of an exact case 0 or inf.
      source: where the expected value is from.
      seconds: s that the simulation took, compilation included.
    """

    name: str
    expected: float
    simulated: float
    error: float
    z: float
    source: str
    seconds: float


@steady
def run(
    thorough: bool = False,
    key: Array | None = None,
    chosen: Sequence[Case] | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Simulate every case and compare.

    Args:
      thorough: 16 times the seeds, so that errors are a quarter; under 2 minutes on two cores if not.
      key: typed key; None: a fixed one. A case's numbers depend on it and on the case's name alone.
      chosen: cases to run instead of all.
      on_row: called with each row as it is done.

    Returns:
      One `Row` per case; see `passed`.

    Raises:
      ValueError: a key that is no single typed key.
    """
    key = key_of(20260) if key is None else key
    checks.key("key", key)
    rows = []
    for case in cases(thorough) if chosen is None else chosen:
        began = time.perf_counter()
        value, error = case.measure(jax.random.fold_in(key, zlib.crc32(case.name.encode())))
        rows.append(_row(case, value, math.hypot(error, case.spread), time.perf_counter() - began))
        if on_row is not None:
            on_row(rows[-1])
    return rows


def _row(case: Case, value: float, error: float, seconds: float) -> Row:
    difference = value - case.expected
    beyond = math.copysign(max(abs(difference) - case.tolerance, 0.0), difference)
    if math.isnan(difference):
        beyond = difference
    z = beyond / error if error != 0 else math.copysign(math.inf, beyond) if beyond else 0.0
    source = case.source + (f"; compared within {case.tolerance:g}" if case.tolerance else "")
    return Row(case.name, case.expected, value, error, z, source, seconds)


def passed(rows: Sequence[Row], sigmas: float = 5.0) -> bool:
    """Whether every row's |z| is at most `sigmas`; a z that is no number fails."""
    return all(abs(row.z) <= sigmas for row in rows)


def cases(thorough: bool = False) -> list[Case]:
    """All cases; `thorough` multiplies their seeds by 16."""
    scale = 16 if thorough else 1
    return [case for group in validation_cases.GROUPS for case in group(scale)]
