"""Difficulty that changes with every block: Ethereum's rules, ASERT and an exponential moving average."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import axes, static
from polejax._core.types import Array, Numeric
from polejax.consensus.difficulty.base import LevelRule
from polejax.consensus.mechanism import Unit


class Ethereum(LevelRule):
    """Ethereum's rules: D + D gain max(1 + u - floor(interval / step), lowest).

    Attributes:
      step: f32[], seconds.
      gain: f32[], fraction of the difficulty.
      lowest: f32[], bound on the factor of `gain`, negative.
      uncles: whether u is 1 for a block that names uncles, and not always 0; static.
    """

    step: Numeric = axes(0)
    gain: Numeric = axes(0)
    lowest: Numeric = axes(0)
    uncles: bool = static(default=False)

    unit: ClassVar[Unit] = "work"

    @property
    def counts_uncles(self) -> bool:
        """See `Difficulty.counts_uncles`."""
        return self.uncles

    def extend(self, state: Array, increment: Array, height: Array, uncles: Array) -> Array:
        """Difficulty f32[N] after a block `increment` f32[N] seconds after its parent that names `uncles` i32[]."""
        credit = 1.0 + (uncles > 0).astype(jnp.float32) if self.uncles else jnp.float32(1.0)
        return state + state * self.gain * jnp.maximum(credit - jnp.floor(increment / self.step), self.lowest)


class Asert(LevelRule):
    """Difficulty times 2^((target - interval) / half-life) at every block.

    Attributes:
      target: f32[], seconds per block.
      half_life: f32[], seconds behind schedule that halve the difficulty.
    """

    target: Numeric = axes(0)
    half_life: Numeric = axes(0)

    unit: ClassVar[Unit] = "work"

    def extend(self, state: Array, increment: Array, height: Array, uncles: Array) -> Array:
        """Difficulty f32[N] after a block `increment` f32[N] seconds after its parent."""
        return state * jnp.exp2((self.target - increment) / self.half_life)


class MovingAverage(LevelRule):
    """Exponential moving average: 1 / D moves by the fraction 1 / blocks towards interval / (target D).

    Attributes:
      target: f32[], seconds per block.
      blocks: f32[], memory, in blocks.
    """

    target: Numeric = axes(0)
    blocks: Numeric = axes(0)

    unit: ClassVar[Unit] = "work"

    def extend(self, state: Array, increment: Array, height: Array, uncles: Array) -> Array:
        """Difficulty f32[N] after a block `increment` f32[N] seconds after its parent."""
        return state / (1.0 + (increment / self.target - 1.0) / self.blocks)


def homestead(step: Numeric = 10.0, gain: Numeric = 1 / 2048) -> Ethereum:
    """Ethereum's rule from Homestead on: D + D gain max(1 - floor(interval / step), -99); mean interval 10 / ln 2.

    Args:
      step: seconds.
      gain: fraction of the difficulty that one step adds or takes; Ethereum: 1 / 2048.

    Returns:
      An `Ethereum` rule, without the rounding of timestamps to seconds, the least difficulty and the difficulty bomb.
      Source: EIP-2.

    Raises:
      ValueError: a step that is not positive, or a gain not in (0, 0.01], where the difficulty could reach 0.
    """
    return _ethereum(step, gain, False)


def byzantium(step: Numeric = 9.0, gain: Numeric = 1 / 2048) -> Ethereum:
    """Ethereum's rule from Byzantium on: Homestead's with max(1 + u - floor(interval / step), -99).

    u is 1 if the block names an uncle. Every block is assumed to name the stale blocks at the height below its own, and
    its producer to have heard of all of them by then. Uncles from lower heights are left out (ours: stale blocks are
    rare, and intervals are long compared with delays).

    Args:
      step: seconds.
      gain: fraction of the difficulty that one step adds or takes; Ethereum: 1 / 2048.

    Returns:
      An `Ethereum` rule. Source: EIP-100.

    Raises:
      ValueError: as `homestead`.
    """
    return _ethereum(step, gain, True)


def _ethereum(step: Numeric, gain: Numeric, counts_uncles: bool) -> Ethereum:
    gain = checks.real("gain", gain, above=0.0, high=0.01)
    return Ethereum(checks.real("step", step, above=0.0), gain, checks.real("lowest", -99.0), counts_uncles)


def asert(target: Numeric = 600.0, half_life: Numeric = 172_800.0) -> Asert:
    """Bitcoin Cash's absolutely scheduled rule, D = D_0 2^((h T - t_h) / half-life), applied from block to block.

    The product of the changes is the absolute schedule, so the mean interval is T however the power changes. The
    fixed-point arithmetic of the original is left out.

    Args:
      target: T, seconds per block.
      half_life: seconds behind schedule that halve the difficulty; Bitcoin Cash: two days.

    Returns:
      An `Asert` rule. Source: aserti3-2d, Bitcoin Cash upgrade specification 2020-11-15.

    Raises:
      ValueError: an argument is not positive, or a half-life is shorter than the target: blocks could more than double
        the difficulty each, and a late one take it beyond float32.
    """
    target, half_life = checks.real("target", target, above=0.0), checks.real("half_life", half_life, above=0.0)
    if not checks.is_traced(target) and not checks.is_traced(half_life) and np.any(half_life < target):
        raise ValueError(
            f"half_life must be at least target, got {np.min(half_life):g} s and {np.max(target):g} s: it is in "
            "seconds, two days are 172,800"
        )
    return Asert(target, half_life)


def ema(target: Numeric = 600.0, blocks: Numeric = 144.0) -> MovingAverage:
    """Exponential moving average of targets (WTEMA): D / (1 + (interval / T - 1) / B).

    For exponential work at constant power P the reciprocal difficulty is a moving average of exponential numbers: mean
    1 / (T P) and squared coefficient of variation 1 / (2 B - 1), so that the mean interval is somewhat above T (ours).

    Args:
      target: T, seconds per block.
      blocks: B, memory in blocks, more than 1.

    Returns:
      A `MovingAverage` rule. Source: the WTEMA rule of Harding and Eliosoff, as compared by Zawy
      (github.com/zawy12/difficulty-algorithms).

    Raises:
      ValueError: a target that is not positive, or a memory of one block or less.
    """
    return MovingAverage(checks.real("target", target, above=0.0), checks.real("blocks", blocks, above=1.0))
