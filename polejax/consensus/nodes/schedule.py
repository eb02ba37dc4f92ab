"""Schedules: power that changes along the chain, by growth, by a sudden loss, or as nodes come and go."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import axes, record, replace
from polejax._core.types import Array
from polejax.consensus.nodes.nodes import Nodes


@record
class Scheduled:
    """Nodes whose power depends on the height they work on.

    Power depends on height and not on time, because nodes on different branches share no clock, and a float32 clock
    could not resolve intervals on a long chain (ours).

    Attributes:
      nodes: addresses of N nodes, and their power at a factor of 1.
      since: i32[P], the height from which each of P phases holds, rising from 0.
      factor: f32[P, N], by which each node's power is multiplied in each phase; 0: the node does not work but listens.
      growth: f32[], fraction by which all power grows with every block, without end.
    """

    nodes: Nodes
    since: Array = axes(1)
    factor: Array = axes(2)
    growth: Array = axes(0)

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.nodes.count

    @property
    def power(self) -> Array:
        """f32[N], work units per second at genesis."""
        return self.nodes.power * self.factor[..., 0, :]

    @property
    def address(self) -> Array:
        """u32[N], each node's identity."""
        return self.nodes.address

    def at(self, height: Array) -> Nodes:
        """The nodes, with their power while they work on a block of a height i32[]."""
        phase = (self.since <= height).sum() - 1
        grown = jnp.exp(jnp.log1p(self.growth) * height.astype(jnp.float32))
        return replace(self.nodes, power=self.nodes.power * self.factor[phase] * grown)


def schedule(nodes: Nodes, since: Sequence[int], factor: Array) -> Scheduled:
    """Nodes whose power is multiplied by a factor in each phase of the chain.

    Args:
      nodes: `Nodes`, whose power is that at a factor of 1.
      since: P heights at which phases begin, rising, the first one 0.
      factor: f32[P], the same for all nodes, or [P, N]; at least 0, and in no phase 0 for all nodes.

    Raises:
      ValueError: heights that do not rise from 0, or factors of another shape, negative, or 0 for all.
    """
    _check_nodes(nodes)
    given = checks.numbers("since", since)
    if given.ndim != 1:
        raise ValueError(f"since must be a list of heights, got {checks.shown(since)}: begin with height 0")
    heights = np.asarray([checks.whole("since", height, high=2**31 - 1) for height in given], np.int32)
    if heights.size == 0 or heights[0] != 0 or (np.diff(heights) <= 0).any():
        raise ValueError(f"since must rise from 0, got {checks.shown(since)}: begin with height 0")
    factors = np.asarray(checks.real("factor", factor, low=0.0))
    if factors.shape == heights.shape:
        factors = np.repeat(factors[:, None], nodes.count, axis=1)
    if factors.shape != (heights.size, nodes.count):
        raise ValueError(f"factor must be [{heights.size}] or [{heights.size}, {nodes.count}], got {factors.shape}")
    dead = ~factors.any(axis=1)
    if dead.any():
        raise ValueError(f"factor must leave some node power, got 0 for all from height {heights[dead][0]} on")
    return Scheduled(nodes, heights, factors, np.float32(0.0))


def growth(nodes: Nodes, per_block: float) -> Scheduled:
    """Nodes whose power grows by a fraction `per_block` every block (negative: it shrinks).

    Raises:
      ValueError: a fraction of -1 or less.
    """
    _check_nodes(nodes)
    grown = schedule(nodes, [0], [1.0])
    return replace(grown, growth=checks.real("per_block", per_block, above=-1.0))


def lose(nodes: Nodes, lost: Array, height: int) -> Scheduled:
    """Nodes of which those in `lost` bool[N] stop working at a height, for ever: a sudden loss of power.

    Raises:
      ValueError: a mask of another shape or one that is true for all nodes, or a height below 1.
    """
    _check_nodes(nodes)
    lost = checks.entries("lost", lost)
    if lost.dtype != bool or lost.shape != (nodes.count,):
        raise ValueError(f"lost must be bool[{nodes.count}], got {checks.shown(lost)}")
    after = np.where(lost, 0.0, 1.0)
    return schedule(
        nodes, [0, checks.whole("height", height, low=1, high=2**31 - 1)], np.stack([np.ones(nodes.count), after])
    )


def _check_nodes(nodes: Nodes) -> None:
    checks.instance("nodes", nodes, Nodes, "polejax.nodes.equal(9)")


AnyNodes = Nodes | Scheduled
"""What a scenario accepts as its nodes."""
