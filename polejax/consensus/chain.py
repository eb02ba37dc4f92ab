"""The chain: the walk back along parents that finds the canonical blocks.

Which of the last heights all nodes agree on depends on whether they forked. To count only those heights would select
heights without forks: of a chain of one block, stale blocks would never be counted. So every chain is played on for
`heights_beyond` heights, a number that no outcome changes, until the branches of its last counted heights have met;
what is played beyond decides which blocks are canonical and is forgotten (ours).
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from polejax._core.record import record
from polejax._core.types import Array
from polejax.consensus.round import Blocks, Round

if TYPE_CHECKING:
    from polejax.consensus.scenario import Scenario

MOST_BEYOND = 16
"""Heights that are played at most beyond the last that counts."""


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


def heights_beyond(scenario: "Scenario") -> int:
    """How many heights are played beyond the last that counts; static, so that sweeps share a program.

    A fork of share p of the heights lasts longer than k heights with a probability of about p^k: 16 heights leave 1 in
    10^8 at a fork rate of 0.3. Where a height takes long (PoLe, hashing) they are 4 and 8. Heights whose branches have
    not met by then stay unsettled, and summaries tell how many they are.
    """
    if scenario.nodes.count == 1:
        return 0
    return min(MOST_BEYOND, max(4, scenario.mechanism.profile.heights_per_call // 32))


def holders_before(source: Array, flawed: Array) -> Array:
    """For each node's branch after some heights, the node whose view before them it extends: i32[N].

    Args:
      source: i32[K, N], of rounds.
      flawed: bool[K], heights that tell nothing.
    """

    def back(holders: Array, height: tuple[Array, Array]) -> tuple[Array, None]:
        source, flawed = height
        return jnp.where(flawed, holders, source[holders]), None

    everyone = jnp.arange(source.shape[-1], dtype=source.dtype)
    return jax.lax.scan(back, everyone, (source, flawed), reverse=True)[0]


def settle(rounds: Round, holders: Array, num_blocks: int | None = None) -> tuple[Array, Array, Canonical]:
    """Walk back from the nodes' tips along parents.

    Args:
      rounds: H rounds, leading axis of heights.
      holders: i32[N], for each node's final branch, the node whose view after the last of these rounds that branch
        extends; `arange(N)` at the end of a chain.
      num_blocks: heights that count; those played beyond tell only which blocks are canonical. None: all H.

    Returns:
      The same map for the views before the first of these rounds, i32[N]; the number of blocks that each node published
      at settled heights that count, i32[N]; and `Canonical`, from canonical[h - 1] = source[h - 1, canonical[h]]. The
      canonical branch is the one that ends in node 0's tip; at settled heights all nodes' branches agree with it.
    """
    nodes = jnp.arange(rounds.source.shape[-1], dtype=rounds.source.dtype)
    played = rounds.source.shape[0]

    def back(
        carry: tuple[Array, Array], height_and_counts: tuple[Round, Array | None]
    ) -> tuple[tuple[Array, Array], Canonical]:
        (holders, published_by), (height, counts) = carry, height_and_counts
        followed = height.source[holders]
        # A flawed height beyond those that count tells nothing of their branches.
        holders = followed if counts is None else jnp.where(counts | ~height.flawed, followed, holders)
        producer = holders[0]
        settled = (holders == producer).all() & ~height.flawed
        if counts is not None:
            settled = settled & counts
        published = height.source == nodes if height.published is None else height.published
        blocks = jax.tree.map(lambda leaf: leaf[producer], height.blocks)
        carry = holders, published_by + (published & settled).astype(jnp.int32)
        return carry, Canonical(producer, blocks, settled, published.sum(dtype=jnp.int32))

    nothing = jnp.zeros_like(nodes)
    counted = None
    if num_blocks is not None and num_blocks < played:
        counted = jnp.arange(played, dtype=jnp.int32) < num_blocks
    (holders, published_by), canonical = jax.lax.scan(back, (holders, nothing), (rounds, counted), reverse=True)
    return holders, published_by, canonical
