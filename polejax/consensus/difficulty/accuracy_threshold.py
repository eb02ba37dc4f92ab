"""Difficulty of Proof of Learning: an accuracy threshold that is moved to keep the mean interval."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.types import Array
from polejax.consensus.difficulty.base import Difficulty
from polejax.consensus.mechanism import Unit

FURTHEST = 12.0  # logits from the middle: within 1e-5 of the span of either bound, and back in finite time


class Accuracy(Difficulty):
    """An accuracy threshold between two bounds, whose logit moves by `gain` times (1 - interval / target)."""

    target: Array  # f32[], seconds per block
    gain: Array  # f32[], logits per target interval too early or too late
    low: Array  # f32[], accuracy
    high: Array  # f32[], accuracy

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


def accuracy(target: float, gain: float = 0.1, low: float = 0.1, high: float = 0.99) -> Accuracy:
    """Steer PoLe's mean interval to the target by moving the accuracy threshold, never to 1 and never below chance.

    The sum of (1 - interval / T) is what the logit moved, and that is bounded: the mean interval is T wherever some
    threshold between the bounds gives it, else the threshold stays at a bound (ours; the sources fix the threshold).

    Args:
      target: T, seconds per block.
      gain: logits that the threshold moves for a block at once; small against the spread of intervals, or it hunts.
      low: accuracy, at least chance (1 / number of classes).
      high: accuracy below 1; best the most that a long training reaches.

    Returns:
      An `Accuracy` controller; an initial threshold outside the bounds is moved inside.

    Raises:
      ValueError: a target or gain that is not positive, or bounds that are not 0 < low < high < 1.
    """
    low, high = checks.real("low", low, above=0.0), checks.real("high", high, below=1.0)
    if not checks.is_traced(low) and not checks.is_traced(high) and np.any(high <= low):
        raise ValueError(
            f"high must be above low, got high {np.max(high):g} and low {np.max(low):g}: leave room between"
        )
    return Accuracy(checks.real("target", target, above=0.0), checks.real("gain", gain, above=0.0), low, high)
