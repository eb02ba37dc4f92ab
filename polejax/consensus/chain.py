"""The chain: the walk back along parents that finds the canonical blocks."""

import jax
import jax.numpy as jnp

from polejax._core.record import record
from polejax._core.types import Array
from polejax.consensus.round import Blocks, Round


@record
class Canonical:
    """The canonical block of each height; leading axis of heights.

    Attributes:
      producer: i32[H], the node that produced the canonical block.
      blocks: the canonical blocks, each leaf [H, ...].
      settled: bool[H], whether every node's branch holds this block, so that no later block can change it, and no claim
        up to it was flawed.
      published: i32[H], number of blocks published at the height.
    """

    producer: Array
    blocks: Blocks
    settled: Array
    published: Array


def settle(rounds: Round, holders: Array) -> tuple[Array, Array, Canonical]:
    """Walk back from the nodes' tips along parents.

    Args:
      rounds: H rounds, leading axis of heights.
      holders: i32[N], for each node's final branch, the node whose view after the last of these rounds that branch
        extends; `arange(N)` at the end of a chain.

    Returns:
      The same map for the views before the first of these rounds, i32[N]; the number of blocks that each node published
      at settled heights, i32[N]; and `Canonical`, from canonical[h - 1] = source[h - 1, canonical[h]]. The canonical
      branch is the one that ends in node 0's tip; at settled heights all nodes' branches agree with it.
    """
    nodes = jnp.arange(rounds.source.shape[-1], dtype=rounds.source.dtype)

    def back(carry: tuple[Array, Array], height: Round) -> tuple[tuple[Array, Array], Canonical]:
        holders, published_by = carry
        holders = height.source[holders]
        producer = holders[0]
        settled = (holders == producer).all() & ~height.flawed
        published = height.source == nodes if height.published is None else height.published
        blocks = jax.tree.map(lambda leaf: leaf[producer], height.blocks)
        carry = holders, published_by + (published & settled).astype(jnp.int32)
        return carry, Canonical(producer, blocks, settled, published.sum(dtype=jnp.int32))

    nothing = jnp.zeros_like(nodes)
    (holders, published_by), canonical = jax.lax.scan(back, (holders, nothing), rounds, reverse=True)
    return holders, published_by, canonical
