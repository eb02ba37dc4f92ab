"""Progress: how far a long call is, reported to the same kind of callback everywhere."""

import time
from collections.abc import Callable

from polejax._core import checks
from polejax._core.record import Record, static


class Progress(Record):
    """How far a call is; `str` writes it on one line, so `progress=print` works.

    Attributes:
      done: number of finished units, including those of an earlier run that this one continues.
      total: number of all units.
      unit: what is counted: "blocks" (over all scenarios and seeds), "curves" or "attacks".
      seconds: since the call began.
      rate: units per second that this call finished; 0 before the first.
      left: seconds that the rest takes at this rate; inf before the first.
      label: the part of a job that is under way; "" if the call has one part only.
    """

    done: int = static()
    total: int = static()
    unit: str = static()
    seconds: float = static()
    rate: float = static()
    left: float = static()
    label: str = static(default="")

    def __str__(self) -> str:
        """As '4,096,000 of 8,192,000 blocks (50%), 1,170,000 blocks/s, 3 s left'."""
        part = f"{self.label}: " if self.label else ""
        line = f"{part}{self.done:,} of {self.total:,} {self.unit} ({100 * self.done / self.total:.0f}%)"
        if not self.rate:
            return line
        rate = f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.2g}"
        return f"{line}, {rate} {self.unit}/s, {self.left:.0f} s left"


Callback = Callable[[Progress], None]
"""What a user passes as `progress`."""


class Meter:
    """Counts what a call has finished, and reports it to a callback."""

    def __init__(self, callback: Callback | None, total: int, unit: str, *, before: int = 0, label: str = "") -> None:
        """Begin to measure time.

        Args:
          callback: called after every `add`; None: nothing is reported.
          total: number of all units.
          unit: what is counted.
          before: number of units that were finished before this call.
          label: the part of a job that this is.

        Raises:
          ValueError: the callback cannot be called.
        """
        if callback is not None and (not callable(callback) or isinstance(callback, type)):
            raise ValueError(
                f"progress must be a function of a Progress, got {checks.shown(callback)}: pass print, or None"
            )
        self._callback, self._total, self._unit, self._label = callback, total, unit, label
        self._before, self._done, self._begun = before, before, time.perf_counter()

    def add(self, count: int) -> None:
        """Report that `count` more units are finished; 0 reports that the work begins."""
        self._done += count
        if self._callback is None:
            return
        seconds = time.perf_counter() - self._begun
        rate = (self._done - self._before) / max(seconds, 1e-9)
        left = (self._total - self._done) / rate if rate else float("inf")
        self._callback(Progress(self._done, self._total, self._unit, seconds, rate, left, self._label))
