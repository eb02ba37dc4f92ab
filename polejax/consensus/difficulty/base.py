"""The base of all difficulty rules: the difficulty of the next block, given the intervals on its branch."""

import abc
from typing import ClassVar

from polejax._core.record import Record
from polejax._core.types import Array, Tree
from polejax.consensus.mechanism import Unit


class Difficulty(Record, abc.ABC, abstract=True):
    """A rule that sets each block's difficulty; nodes carry its state for the branch they follow, leading axis N."""

    per_branch: ClassVar[bool] = True
    """Whether branches may differ in state, so that a node must take over the state of the block it takes."""

    unit: ClassVar[Unit | None] = None
    """What the difficulty measures: work or an accuracy; None: the rule fits both, as it changes nothing."""

    @property
    def counts_uncles(self) -> bool:
        """Whether `extend` uses the number of stale blocks at the height below."""
        return False

    @abc.abstractmethod
    def start(self, initial: Array) -> Tree:
        """State of the rule at genesis, for initial difficulties f32[N]."""

    @abc.abstractmethod
    def level(self, state: Tree) -> Array:
        """f32[N], difficulty of the next block."""

    @abc.abstractmethod
    def extend(self, state: Tree, increment: Array, height: Array, uncles: Array) -> Tree:
        """State after one more block.

        Args:
          state: before the block.
          increment: f32[N], seconds from the parent's publishing to the block's.
          height: i32[], of the block.
          uncles: i32[], number of stale blocks at the height below, which the block names as uncles.
        """


class LevelRule(Difficulty, abstract=True):
    """A rule whose only state is the difficulty."""

    def start(self, initial: Array) -> Array:
        """The difficulty f32[N] itself."""
        return initial

    def level(self, state: Array) -> Array:
        """f32[N], difficulty of the next block."""
        return state


class Fixed(LevelRule):
    """The difficulty never changes."""

    per_branch: ClassVar[bool] = False

    def extend(self, state: Array, increment: Array, height: Array, uncles: Array) -> Array:
        """The same difficulty f32[N]."""
        return state


def fixed() -> Fixed:
    """A difficulty that never changes from the mechanism's initial one."""
    return Fixed()
