"""Power of the nodes along a chain, on the host in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.switches import steady
from polejax._core.types import Array
from polejax.consensus.nodes import Nodes, Scheduled


@steady
def powers(nodes: Nodes | Scheduled, num_blocks: int) -> Array:
    """Power of every node while it works on each of the heights 1 .. H, float64 [H, N] work units per second."""
    if isinstance(nodes, Nodes):
        return np.broadcast_to(np.asarray(nodes.power, dtype=np.float64), (num_blocks, nodes.count))
    nodes = jax.tree.map(jnp.asarray, nodes)
    heights = jnp.arange(1, num_blocks + 1, dtype=jnp.int32)
    return np.asarray(jax.vmap(lambda height: nodes.at(height).power)(heights), dtype=np.float64)


@steady
def power_share(nodes: Nodes | Scheduled, blocks: Array) -> Array:
    """Each node's share of the power, float64[N], on average over so many blocks [H] at each of the heights 1 .. H."""
    power = powers(nodes, len(blocks))
    return blocks @ (power / power.sum(axis=1, keepdims=True)) / np.sum(blocks)
