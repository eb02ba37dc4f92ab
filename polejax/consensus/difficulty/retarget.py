"""Difficulty that changes after every window of blocks: Bitcoin's rule."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import axes, record, static
from polejax._core.types import Array, Numeric
from polejax.consensus.difficulty.base import Difficulty
from polejax.consensus.mechanism import Unit


@record
class WindowState:
    """A branch's difficulty and how long its current window has taken.

    Attributes:
      level: f32[N], difficulty of the next block.
      elapsed: f32[N], seconds.
    """

    level: Array
    elapsed: Array


class Window(Difficulty):
    """Every `blocks` blocks, scale the difficulty by target time over measured time (Bitcoin's rule).

    Attributes:
      target: f32[], seconds per block.
      clamp: f32[], largest factor of one change, up or down.
      blocks: W, blocks per window; static.
      off_by_one: whether only the W - 1 intervals within a window are measured, as Bitcoin does; static.
    """

    target: Numeric = axes(0)
    clamp: Numeric = axes(0)
    blocks: int = static()
    off_by_one: bool = static(default=True)

    unit: ClassVar[Unit] = "work"

    def start(self, initial: Array) -> WindowState:
        """State at genesis for difficulties f32[N]: genesis is the first block of the first window."""
        return WindowState(initial, jnp.zeros_like(initial))

    def level(self, state: WindowState) -> Array:
        """f32[N], difficulty of the next block."""
        return state.level

    def extend(self, state: WindowState, increment: Array, height: Array, uncles: Array) -> WindowState:
        """State after the block of `height` i32[], `increment` f32[N] seconds after its parent."""
        position = height % self.blocks
        if self.off_by_one:
            # Bitcoin measures from a window's first block to its last, so the interval before the first is not counted.
            elapsed = jnp.where(position == 0, 0.0, state.elapsed + increment)
            complete = position == self.blocks - 1
        else:
            elapsed = jnp.where(position == 1 % self.blocks, 0.0, state.elapsed) + increment
            complete = position == 0
        factor = self.blocks * self.target / jnp.maximum(elapsed, np.finfo(np.float32).tiny)
        factor = jnp.clip(factor, 1.0 / self.clamp, self.clamp)
        return WindowState(jnp.where(complete, state.level * factor, state.level), elapsed)


def window(blocks: int = 2016, target: Numeric = 600.0, *, clamp: Numeric = 4.0, off_by_one: bool = True) -> Window:
    """After every window of W blocks, difficulty times W T / (time the window took).

    Args:
      blocks: W, blocks per window, at least 3 (the mean interval under the rule is infinite below that).
      target: T, seconds per block.
      clamp: largest factor of one change, up or down; inf for none (Bitcoin: 4).
      off_by_one: measure only the W - 1 intervals between the window's first block and its last, as Bitcoin does, and
        compare them with W T; if not, measure all W.

    Returns:
      A `Window` rule. Source: Bitcoin Core, `CalculateNextWorkRequired`.

    Raises:
      ValueError: W < 3, a target that is not positive, or a clamp below 1.
    """
    return Window(
        checks.real("target", target, above=0.0),
        checks.real("clamp", clamp, low=1.0, infinite=True),
        checks.whole("blocks", blocks, low=3),
        checks.flag("off_by_one", off_by_one),
    )


def bitcoin() -> Window:
    """Bitcoin's own numbers: windows of 2016 blocks, 600 seconds, at most a factor 4 a change, off by one."""
    return window()
