"""Difficulty of Proof of Learning: an accuracy threshold that is adjusted to keep the mean interval."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import axes
from polejax._core.types import Array, Numeric
from polejax.consensus.difficulty.base import Difficulty
from polejax.consensus.mechanism import Unit

FURTHEST = 12.0  # largest logit: within 1e-5 of the span of either bound, and not too far to return


class Accuracy(Difficulty):
    """An accuracy threshold between two bounds, whose logit moves by `gain` times (1 - interval / target) per block.

    Attributes:
      target: f32[], seconds per block.
      gain: f32[], logits per target interval by which a block is early or late.
      low: f32[], lower bound of the threshold, an accuracy.
      high: f32[], upper bound of the threshold, an accuracy.
    """

    target: Numeric = axes(0)
    gain: Numeric = axes(0)
    low: Numeric = axes(0)
    high: Numeric = axes(0)

    unit: ClassVar[Unit] = "accuracy"

    def start(self, initial: Array) -> Array:
        """Logits f32[N] of thresholds f32[N], moved inside the bounds."""
        share = (initial - self.low) / (self.high - self.low)
        return jnp.clip(jax.scipy.special.logit(jnp.clip(share, 0.0, 1.0)), -FURTHEST, FURTHEST)

    def level(self, state: Array) -> Array:
        """f32[N], accuracy threshold of the next block."""
        return self.low + (self.high - self.low) * jax.nn.sigmoid(state)

    def extend(self, state: Array, increment: Array, height: Array, uncles: Array) -> Array:
        """Logits f32[N] after a block `increment` f32[N] seconds after its parent."""
        return jnp.clip(state + self.gain * (1.0 - increment / self.target), -FURTHEST, FURTHEST)


def accuracy(target: Numeric, gain: Numeric = 0.1, low: Numeric = 0.1, high: Numeric = 0.99) -> Accuracy:
    """Keep PoLe's mean interval at the target by moving the accuracy threshold between two bounds.

    `gain` times the sum of (1 - interval / T) is the total change of the logit, which is bounded. So the mean interval
    is T if some threshold between the bounds gives it; otherwise the threshold stays at a bound (ours; the sources fix
    the threshold).

    Args:
      target: T, seconds per block.
      gain: logits by which a block with an interval of 0 raises the threshold; if it is large against the spread of
        intervals, the threshold oscillates.
      low: accuracy, at least chance (1 / number of classes).
      high: accuracy below 1; best the highest that long training reaches.

    Returns:
      An `Accuracy` rule; an initial threshold outside the bounds is moved inside.

    Raises:
      ValueError: a target or gain that is not positive, or bounds that are not 0 < low < high < 1.
    """
    low, high = checks.real("low", low, above=0.0), checks.real("high", high, below=1.0)
    if not checks.is_traced(low) and not checks.is_traced(high) and np.any(high <= low):
        raise ValueError(
            f"high must be above low, got high {np.max(high):g} and low {np.max(low):g}: leave room between"
        )
    return Accuracy(checks.real("target", target, above=0.0), checks.real("gain", gain, above=0.0), low, high)
