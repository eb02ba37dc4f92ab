"""Passage: when each curve of a bank first passes, looked up instead of searched for in every round."""

from polejax._core.record import Record, axes
from polejax._core.types import Array


class Passage(Record):
    """Where the curves of a bank pass, worked out before the first round; what is None is not asked for.

    Attributes:
      made: i32[B], evaluations up to and with the first valid claim at the fixed threshold; -K: none of K.
      claims: i32[B, K], how many of the evaluations up to each one are at or above the fixed threshold.
      reach: f32[B, K], the highest threshold that a curve passes at one of the evaluations up to each one.
      highest: f32[B, K], its highest validation accuracy up to each one.
    """

    made: Array | None = axes(1)
    claims: Array | None = axes(2)
    reach: Array | None = axes(2)
    highest: Array | None = axes(2)
