"""The min-plus product: when each node receives its first block of a height, and whose block that is."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from polejax._core.types import Array

Arrivals = tuple[Array, Array]
"""First arrival f32[N], seconds, and source i32[N], the node whose block it is."""


def flood(
    publish: Array, delays_from: Callable[[Array], Array], rest: Callable[[Array], Arrivals] | None = None
) -> Arrivals:
    """The min-plus product over the blocks that are really published, earliest first; most heights have only one.

    A node that receives a block before it would publish its own stops, and its block would arrive first nowhere
    (triangle inequality), so it can be left out. One block costs O(N), and a height with B blocks O(B N), instead of
    O(N^2) for all pairs: at 128 nodes on a CPU a tenth of the time. Leaving out the blocks of stopped nodes also makes
    `source[source] == source` exact in float32 (ours).

    Args:
      publish: f32[N], seconds, when each node would publish; inf for a node that does not.
      delays_from: function of a node j i32[] that returns its delays D[j] f32[N], seconds, 0 at j itself.
      rest: function of `publish` that returns the arrivals of all blocks at once; None: the blocks after the first are
        spread one by one. It runs only if there is a second block (under `vmap`: if there is one in any lane, whereas
        a `cond` would always run it).

    Returns:
      As `Network.arrivals`: arrival f32[N] and source i32[N].
    """
    chex.assert_rank(publish, 1)
    nodes = jnp.arange(publish.shape[0], dtype=jnp.int32)

    def earliest(pending: Array) -> Arrivals:
        first = pending.min()
        publisher = jnp.where(pending == first, nodes, nodes.size - 1).min()
        return first + delays_from(publisher), jnp.broadcast_to(publisher, nodes.shape)

    def ahead(heard: Arrivals) -> Array:
        """bool[N]: publishes before any block arrives (the lower index wins a tie), and is not spread yet."""
        arrival, source = heard
        return (publish < arrival) | ((publish == arrival) & (nodes < source))

    def spread(heard: Arrivals) -> Arrivals:
        arrival, source = heard
        times, publisher = earliest(jnp.where(ahead(heard), publish, jnp.inf))
        better = (times < arrival) | ((times == arrival) & (publisher < source))
        return jnp.where(better, times, arrival), jnp.where(better, publisher, source)

    def spread_rest(heard: Arrivals) -> Arrivals:
        # Masking the stopped nodes makes this depend on the loop's state. Otherwise XLA would move it out of the loop
        # and compute it whether it is needed or not.
        return rest(jnp.where(publish <= heard[0], publish, jnp.inf)) if rest else spread(heard)

    return jax.lax.while_loop(lambda heard: ahead(heard).any(), spread_rest, earliest(publish))


def all_pairs(publish: Array, delay: Array) -> Arrivals:
    """The min-plus product over all pairs of publishers and nodes.

    Args:
      publish: f32[J], seconds at which each of J publishers publishes.
      delay: f32[J, N], seconds from publisher to node.

    Returns:
      First arrival f32[N] in seconds, and the publisher i32[N] of that minimum, the lowest among equal ones.
    """
    chex.assert_rank([publish, delay], [1, 2])
    times = publish[:, None] + delay
    arrival = times.min(axis=0)
    # The least index that attains the minimum: what argmin returns, but XLA vectorises this form.
    rows = jnp.arange(publish.shape[0], dtype=jnp.int32)[:, None]
    return arrival, jnp.where(times == arrival[None, :], rows, publish.shape[0] - 1).min(axis=0)
