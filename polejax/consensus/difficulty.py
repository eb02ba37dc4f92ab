"""Difficulty: what the next block on a branch demands, and how it answers to the intervals on that branch."""

from typing import Any, ClassVar, Protocol

from polejax._core.record import record
from polejax._core.types import Array
from polejax.consensus.accuracy_difficulty import Accuracy, accuracy
from polejax.consensus.block_difficulty import Asert, Ethereum, Level, MovingAverage, asert, byzantium, ema, homestead
from polejax.consensus.window_difficulty import Window, bitcoin, window

__all__ = [
    "Accuracy",
    "Asert",
    "Difficulty",
    "Ethereum",
    "Fixed",
    "MovingAverage",
    "Window",
    "accuracy",
    "asert",
    "bitcoin",
    "byzantium",
    "ema",
    "fixed",
    "homestead",
    "window",
]


class Difficulty(Protocol):
    """A controller whose state every node carries for the branch it follows; leading axis N throughout."""

    per_branch: ClassVar[bool]  # whether branches may differ in their state, so that nodes take over their source's

    def start(self, initial: Array) -> Any:
        """State of the controller at genesis, for initial difficulties f32[N]."""
        ...

    def level(self, state: Any) -> Array:
        """f32[N], difficulty of the next block."""
        ...

    def extend(self, state: Any, increment: Array, height: Array, uncles: Array) -> Any:
        """State after one more block.

        Args:
          state: before it.
          increment: f32[N], seconds from its parent's publishing to its own.
          height: i32[], the block's.
          uncles: i32[], stale blocks at the height below, which the block names.
        """
        ...


@record
class Fixed(Level):
    """The difficulty never changes."""

    per_branch: ClassVar[bool] = False

    def extend(self, state: Array, increment: Array, height: Array, uncles: Array) -> Array:
        """The same difficulty f32[N]."""
        return state


def fixed() -> Fixed:
    """The difficulty that the mechanism starts with, for ever."""
    return Fixed()
