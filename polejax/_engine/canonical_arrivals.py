"""Canonical arrivals: which block arrivals make the chain, from node 0's tip back to genesis, and what is kept of them.

Lanes come last, as in `block_arrivals`, until what is kept is put in place.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from polejax._core.types import Array
from polejax._engine.block_arrivals import UNROLLED, Arrivals, Chosen, Room, chunked
from polejax.network.base import Network

_LINE = 16  # heights that are put in place together: a line of the cache
_FEW = 32  # nodes whose blocks are counted one node after another


class Ending(NamedTuple):
    """Where the chain of H blocks ends.

    Attributes:
      tip: i32[L], the number of the arrival that node 0 holds at height H.
      settled: i32[L], greatest height at which all branches have the same block.
    """

    tip: Array
    settled: Array


def end(arrivals: Arrivals, chosen: Chosen, network: Network, room: Room) -> Ending:
    """Find the blocks of height H, node 0's among them, and walk back until all their branches have met."""
    lane = jnp.arange(arrivals.gap.shape[1], dtype=jnp.int32)

    def at(of: Array, arrival: Array) -> Array:
        return of.at[jnp.maximum(arrival, 0), lane].get(mode="promise_in_bounds")

    # It takes H arrivals to reach height H.
    order = jnp.arange(room.num_blocks - 1, room.arrivals, dtype=jnp.int32)[:, None]
    last = jnp.where(chosen.height[room.num_blocks - 1 :] == room.num_blocks, order, -1).max(axis=0)
    pending = jnp.uint32(1) + jnp.zeros(lane.shape, jnp.uint32)  # of the blocks before `last`, those that branches need

    def look(back: Array, seen: tuple[Array, ...]) -> tuple[Array, ...]:
        pending, tip, first_heard, age = seen
        arrival = last - back
        there = (arrival >= 0) & (at(chosen.height, arrival) == room.num_blocks)
        finder = at(arrivals.finder, arrival)
        heard = network.between(finder, jnp.zeros_like(finder)) - age
        first = there & (heard <= first_heard)
        seen = jnp.where(first, arrival, tip), jnp.where(first, heard, first_heard), age + at(arrivals.gap, arrival)
        return pending | (there.astype(jnp.uint32) << back.astype(jnp.uint32)), *seen

    nothing = pending, last, jnp.full(lane.shape, jnp.inf), jnp.zeros(lane.shape)
    pending, tip, _, _ = jax.lax.fori_loop(0, room.recent + 1, look, nothing)

    def unmerged(walk: tuple[Array, Array]) -> Array:
        return (walk[1] > 1).any()

    def back_up(walk: tuple[Array, Array]) -> tuple[Array, Array]:
        """Replace the youngest pending block by its parent, where there are others."""
        arrival, pending = walk
        parent = pending | (jnp.uint32(1) << at(chosen.parent, arrival).astype(jnp.uint32))
        steps = jax.lax.population_count((parent >> 1 << 1) ^ ((parent >> 1 << 1) - 1)) - 1
        merged = pending <= 1
        steps = jnp.where(merged, jnp.uint32(0), steps)
        return arrival - steps.astype(jnp.int32), jnp.where(merged, pending, parent >> steps)

    met, _ = jax.lax.while_loop(unmerged, back_up, (last, pending))
    # Every block of height H must be among the arrivals: no node finds one once all have heard the first.
    oldest = last - 31 + jax.lax.clz(pending).astype(jnp.int32)
    since = jnp.where(order > oldest[None], arrivals.gap[room.num_blocks - 1 :], 0.0).sum(axis=0)
    complete = (last >= 0) & (since >= network.max_delay)
    height = jnp.where(met >= 0, at(chosen.height, met).astype(jnp.int32), 0)
    return Ending(tip, jnp.where(complete, height, 0))


class Kept(NamedTuple):
    """What is kept of the chains; see `History`.

    Attributes:
      interval: f32[L, H], seconds from parent to block.
      producer: i32[L, H], node.
      published: i32[L, H], blocks at the height.
      settled: bool[L, H].
      published_by: i32[L, N], or u16 of many nodes: blocks at settled heights.
    """

    interval: Array
    producer: Array
    published: Array
    settled: Array
    published_by: Array


def keep(arrivals: Arrivals, chosen: Chosen, ending: Ending, num_nodes: int, room: Room) -> Kept:
    """Walk back from the tips, block by block, and read off what is kept of every block."""
    lanes, lines = arrivals.gap.shape[1], -(-room.num_blocks // _LINE)
    lane = jnp.arange(lanes, dtype=jnp.int32)
    since, blocks = _of_arrivals(arrivals, chosen, room)

    def back(arrival: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        block = blocks.at[arrival, lane].get(mode="promise_in_bounds")
        return jnp.maximum(arrival - (block >> _PARENT).astype(jnp.int32), 0), (arrival, block)

    def walk(index: Array, walked: tuple[Array, ...]) -> tuple[Array, ...]:
        """Put heights in place, line by line from above, which transposes them in the cache."""
        arrival, *kept = walked
        arrival, (canonical, block) = jax.lax.scan(back, arrival, length=_LINE, reverse=True)
        parts = since.at[canonical, lane[None]].get(mode="promise_in_bounds"), block
        place = functools.partial(jax.lax.dynamic_update_slice_in_dim, start_index=(lines - 1 - index) * _LINE, axis=1)
        return arrival, *(place(of, part.T) for of, part in zip(kept, parts, strict=True))

    empty = (jnp.zeros((lanes, lines * _LINE), of.dtype) for of in (since, blocks))
    _, *kept = jax.lax.fori_loop(0, lines, walk, (jnp.maximum(ending.tip, 0), *empty))
    # Heights fill whole lines from above: what is left over lies below genesis.
    interval, block = (of[:, -room.num_blocks :] for of in kept)
    producer = (block & 0xFFFF).astype(jnp.int32)
    published = ((block >> _PUBLISHED) & 63).astype(jnp.int32)
    by = _published_by(arrivals.finder, chosen.height, ending.settled, num_nodes, room)
    settled = jnp.arange(1, room.num_blocks + 1, dtype=jnp.int32)[None] <= ending.settled[:, None]
    return Kept(interval, producer, published, settled, by)


_PUBLISHED, _PARENT = 16, 22  # bits below: a finder is below 2^16, and at most 63 blocks that matter share a height


def _of_arrivals(arrivals: Arrivals, chosen: Chosen, room: Room) -> tuple[Array, Array]:
    """Of every arrival: seconds since its parent f32[E, L]; its finder, the number of blocks at its height, its parent.

    The latter share a word u32[E, L], finder lowest, so that they are looked up together.
    """

    def around(of: Array, nothing: Any) -> Array:
        return jnp.pad(of, ((room.recent, room.recent), (0, 0)), constant_values=nothing)

    def shifted(of: Array, back: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(of, room.recent - back, room.arrivals)

    gaps, heights = around(arrivals.gap, 0.0), around(chosen.height, -1)

    def tell(back: Array, told: tuple[Array, Array]) -> tuple[Array, Array]:
        interval, published = told
        interval = interval + jnp.where(chosen.parent.astype(jnp.int32) > back, shifted(gaps, back), 0.0)
        for other in (back, -back):
            published = published + (shifted(heights, other) == chosen.height).astype(published.dtype)
        return interval, published

    told = arrivals.gap, jnp.ones_like(chosen.parent)
    interval, published = jax.lax.fori_loop(1, room.recent + 1, tell, told, unroll=room.recent <= UNROLLED)
    finder, published, parent = (of.astype(jnp.uint32) for of in (arrivals.finder, published, chosen.parent))
    return interval, finder | (published << _PUBLISHED) | (parent << _PARENT)


def _published_by(finder: Array, height: Array, settled: Array, num_nodes: int, room: Room) -> Array:
    """How many blocks each node published at settled heights: i32[L, N], or u16 of many nodes where that holds them."""

    def counted(finder: Array, height: Array) -> Array:
        return jnp.where(height <= settled.astype(height.dtype)[None], finder.astype(jnp.int32), num_nodes)

    if num_nodes <= _FEW:
        nodes = jnp.arange(num_nodes, dtype=jnp.uint8)[:, None]

        def count(by: Array, node: Array) -> tuple[Array, None]:
            return by + (node[None] == nodes).astype(by.dtype), None

        def chunk(by: Array, of: tuple[Array, Array]) -> tuple[Array, None]:
            # Bytes hold a chunk's counts, and more of them than of words are added up at once.
            nobody = jnp.zeros(by.shape, jnp.uint8)
            return by + jax.lax.scan(count, nobody, counted(*of).astype(jnp.uint8))[0].astype(by.dtype), None

        chunks = jax.tree.map(lambda of: chunked(of, room), (finder, height))
        return jax.lax.scan(chunk, jnp.zeros((num_nodes, finder.shape[1]), jnp.int32), chunks)[0].T
    # Chain by chain, as narrow as they can be: the counts of one chain stay in the cache, those of all weigh less.
    nobody = jnp.zeros(num_nodes, jnp.uint16 if room.arrivals < 2**16 else jnp.int32)
    return jax.lax.map(lambda node: nobody.at[node].add(1, mode="drop"), counted(finder, height).T)
