"""Recorded: what was recorded of finite length, and is drawn from again and again instead of anew."""

import abc
from typing import Any

import jax

from polejax._core.record import Record


class Recorded(Record, abc.ABC, abstract=True):
    """A record of so many runs, as a bank's of learning curves: what repeats them shares their chance errors."""

    @property
    @abc.abstractmethod
    def num_curves(self) -> int:
        """Number of recorded runs."""


def fewest_curves(scenario: Any) -> int | None:
    """The fewest runs of any record that a scenario repeats, its tasks and its adversary included; None: of none."""
    found = jax.tree.leaves(scenario, is_leaf=_is_recorded)
    return min((leaf.num_curves for leaf in found if _is_recorded(leaf)), default=None)


def _is_recorded(part: Any) -> bool:
    return isinstance(part, Recorded)
