"""What a difficulty rule is: what the next block on a branch demands, and how it answers to that branch's intervals."""

import abc
from typing import ClassVar

from polejax._core.record import Record
from polejax._core.types import Array, Tree
from polejax.consensus.mechanism import Unit


class Difficulty(Record, abc.ABC, abstract=True):
    """A rule whose state every node carries for the branch it follows; leading axis N throughout."""

    per_branch: ClassVar[bool] = True
    """Whether branches may differ in their state, so that nodes take over their source's."""

    unit: ClassVar[Unit | None] = None
    """What it moves: work or an accuracy; None: either, as it changes nothing."""

    @property
    def counts_uncles(self) -> bool:
        """Whether `extend` asks for the number of stale blocks at the height below."""
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
          state: before it.
          increment: f32[N], seconds from its parent's publishing to its own.
          height: i32[], the block's.
          uncles: i32[], stale blocks at the height below, which the block names.
        """


class LevelRule(Difficulty, abstract=True):
    """A rule that remembers nothing but the difficulty."""

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
    """The difficulty that the mechanism starts with, for ever."""
    return Fixed()
