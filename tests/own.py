"""Mechanisms, a network, an election and a difficulty rule as a user writes them, each in a few lines."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike

import polejax as pj
from polejax.mechanisms import draw


class Erlang(pj.Mechanism):
    """Work that is a sum of `stages` exponential pieces: gamma law of that shape."""

    mean: ArrayLike
    stages: int = pj.static(default=3)

    @property
    def initial_difficulty(self):
        """f32[], mean work of one node for the first block."""
        return jnp.float32(self.mean)

    def race(self, key, views, nodes, listening=None):
        """Claims with the sum of pieces, each of mean difficulty / stages."""
        keys = [jax.random.fold_in(key, stage) for stage in range(self.stages)]
        pieces = sum(draw.exponential(stage, nodes.address) for stage in keys)
        work = views.difficulty * pieces / self.stages
        return pj.Claims(work, score=jnp.ones_like(work), valid=jnp.ones(work.shape, bool))


class Ring(pj.Network):
    """Nodes in a ring, each `hop` seconds from its two neighbours."""

    hop: ArrayLike
    num_nodes: int = pj.static()

    @property
    def count(self):
        """Number of nodes N."""
        return self.num_nodes

    def delays_from(self, publisher):
        """Delays by the shorter way around."""
        steps = jnp.abs(jnp.arange(self.num_nodes) - publisher)
        return jnp.float32(self.hop) * jnp.minimum(steps, self.num_nodes - steps).astype(jnp.float32)


class Lazy(pj.elections.Election):
    """The first block heard, but every node waits `pause` seconds before it begins on the next height."""

    pause: ArrayLike

    def closing(self, first, start):
        """Some time after the first claim."""
        return first + self.pause

    def elect(self, publish, claims, network, views):
        """The first block heard, later."""
        arrival, source = network.arrivals(publish)
        return pj.elections.Elected(self.closing(arrival, views.start), source, None)


class Steps(pj.difficulty.LevelRule):
    """Difficulty goes up by a factor after a block that came before the target time, and down after a late one."""

    target: ArrayLike
    factor: ArrayLike = 1.05

    unit: ClassVar[str] = "work"

    def extend(self, state, increment, height, uncles):
        """Difficulty f32[N] after a block `increment` f32[N] seconds after its parent."""
        return state * jnp.where(increment < self.target, self.factor, 1.0 / self.factor)


class NnxNetwork(nnx.Module):
    """A network of Flax's newer interface."""

    def __init__(self, features, hidden, classes, *, rngs):
        self.first, self.last = nnx.Linear(features, hidden, rngs=rngs), nnx.Linear(hidden, classes, rngs=rngs)

    def __call__(self, inputs):
        """Logits f32[M, C]."""
        return self.last(nnx.relu(self.first(inputs)))
