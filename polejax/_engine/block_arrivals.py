"""Finds: the blocks that all nodes find, drawn in the order of time, and the chain that they make; for
`polejax.memoryless`.

Lanes come last: arrays of finds are [E, L], E finds of each of L chains, so that a step of a scan over finds is one
vector operation over chains. On CPUs a compiled loop makes one array, and makes it anew for everyone who asks: so each
function is loops of its own, whose results are kept in memory, and what is drawn together is kept as one number.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from scipy import special

from polejax._core import checks, draw, threefry
from polejax._core.numerics import rounded
from polejax._core.record import record, static
from polejax._core.types import Array
from polejax._engine.node_sampling import Alias, Bounds

RARE = 1e-11  # probability, per block, that the room does not suffice
_CHUNK = 64  # finds that are worked on together at most: as many as stay in the cache for many chains
_LINE = 16  # heights that are put in place together: a line of the cache
_FEW = 32  # nodes whose blocks are counted one node after another
_UNROLLED = 8  # recent blocks that are looked at in one piece of code
_WIDEST = 31  # blocks that a finder may have to choose among: bits of a word, and one more


def _chunks(count: int) -> int:
    """How many chunks of equal length it takes."""
    return -(-count // _CHUNK)


@record
class Room:
    """How much of a chain is kept, all static."""

    in_flight: float = static()
    num_blocks: int = static()  # H
    recent: int = static()  # B: blocks that a finder chooses among
    finds: int = static()  # E, in chunks of equal length

    @property
    def chunk(self) -> int:
        """Finds that are worked on together."""
        return self.finds // _chunks(self.finds)

    @property
    def height_type(self) -> Any:
        """Holds any height."""
        return jnp.int16 if self.finds < 2**15 else jnp.int32

    @property
    def mask_type(self) -> Any:
        """Holds a bit for each recent block."""
        return jnp.uint8 if self.recent <= 8 else jnp.uint16 if self.recent <= 16 else jnp.uint32


def room_for(in_flight: float, num_blocks: int) -> Room:
    """Room that does not suffice with a probability of `RARE` a block at most.

    A finder knows every block older than the longest delay d; the last of those, e, was built by one who knew every
    block older than d before e. So only blocks within d before the find, e, and those within d before e matter: 1 + a
    Poisson number of mean 2 x. For height H + 1 it takes, at each height, one find after the height is known to all, d
    after its first block: no more than H + a Poisson number of mean x (H + 1), where x is the number in flight (ours).
    """
    x = float(checks.real("in_flight", in_flight, low=0.0, ndim=0))
    recent = next((b for b in range(2, _WIDEST + 1) if x == 0 or special.pdtrc(b - 1, 2 * x) < RARE), None)
    if recent is None:
        raise ValueError(f"in_flight must be at most about 3, got {x:g}: shorten the delays, or use polejax.simulate")
    mean = x * (num_blocks + 1)
    stale = 0
    while mean and special.pdtrc(stale, mean) >= RARE:
        stale += max(1, int(mean**0.5) // 4)
    needed = num_blocks + 1 + stale
    chunks = _chunks(needed)
    return Room(x, num_blocks, recent, -(-needed // chunks) * chunks)


class Finds(NamedTuple):
    """The finds of all chains in the order of time."""

    gap: Array  # f32[E, L], seconds since the find before
    finder: Array  # u8[E, L], or u16 of more than 256 nodes


class Chosen(NamedTuple):
    """What every find builds on."""

    height: Array  # [E, L], of the block found
    parent: Array  # u8[E, L]: how many finds before; 0 where it may be older than those looked at

    @property
    def sound(self) -> Array:
        """bool[L]: all parents are known."""
        return self.parent.all(axis=0)


class Ending(NamedTuple):
    """Where the chain of H blocks ends."""

    tip: Array  # i32[L]: which find node 0 holds at height H
    settled: Array  # i32[L]: greatest height at which all branches have the same block


def _chunked(array: Array, room: Room) -> Array:
    return array.reshape(-1, room.chunk, *array.shape[1:])


def draw_finds(keys: Array, finders: Alias | Bounds, mean: Array, room: Room) -> Finds:
    """Gaps of `mean` f32[] seconds on average, and their finders, two random words each.

    Both are parts of one complex number until all are drawn, as the words would be made twice for two arrays.
    """

    def chunk(_: None, find: Array) -> tuple[None, Array]:
        words = threefry.two_words(keys[None], find[:, None])
        gap = rounded(-jnp.log(draw.uniform_of(words[0])) * mean)
        return None, jax.lax.complex(gap, finders.of(words[1]).astype(jnp.float32))

    _, finds = jax.lax.scan(chunk, None, _chunked(jnp.arange(room.finds, dtype=jnp.uint32), room))
    finds = finds.reshape(room.finds, -1)
    return Finds(finds.real, finds.imag.astype(jnp.uint8 if finders.count <= 2**8 else jnp.uint16))


class _Before(NamedTuple):
    """The finds before a chunk, oldest first: genesis, and before it nothing."""

    gap: Array  # [B, L]
    finder: Array  # [B, L]
    height: Array  # [2 B + 1, L]


def choose(finds: Finds, network: Any, room: Room) -> Chosen:
    """Resolve the parents chunk by chunk: who knows what, then the heights one after another, then the first heard.

    If no block older than those looked at is as high as the parent, none could have been the parent.
    """
    lanes, recent = finds.gap.shape[1], room.recent
    longest = jnp.asarray(network.max_delay, jnp.float32)
    over_recent = functools.partial(jax.lax.fori_loop, 1, recent + 1, unroll=recent <= _UNROLLED)

    def earlier(of: Array, back: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(of, of.shape[0] - room.chunk - back, room.chunk)

    def chunk(before: _Before, now: tuple[Array, Finds]) -> tuple[_Before, tuple[Array, Array]]:
        find, (gap, finder) = now
        gaps = jnp.concatenate([before.gap, gap])
        finders = jnp.concatenate([before.finder, finder])

        def tell_known(back: Array, told: tuple[Array, Array]) -> tuple[Array, Array]:
            age, mask = told
            age = age + earlier(gaps, back - 1)
            known = age >= network.between(earlier(finders, back), finder)
            known = known | (find[:, None] == back - 1)  # genesis
            return age, mask | (known.astype(mask.dtype) << (back - 1).astype(mask.dtype))

        _, mask = over_recent(tell_known, (jnp.zeros_like(gap), jnp.zeros(gap.shape, room.mask_type)))
        heights = _heights(mask, before.height, recent)
        height = earlier(heights, 0)

        def tell_first(back: Array, told: tuple[Array, ...]) -> tuple[Array, ...]:
            age, best, parent = told
            age, other = age + earlier(gaps, back - 1), earlier(finders, back)
            candidate = ((mask >> (back - 1).astype(mask.dtype)) & 1 != 0) & (earlier(heights, back) == height - 1)
            # Of blocks that come the same way the oldest is heard first, and one's own before any other.
            heard = (
                jnp.where(other == finder, jnp.uint8(recent + 1), back.astype(jnp.uint8))
                if network.equidistant
                else age - network.between(other, finder) + longest
            )
            first = candidate & (heard >= best)
            return age, jnp.where(first, heard, best), jnp.where(first, back.astype(jnp.uint8), parent)

        unheard = jnp.zeros(gap.shape, jnp.uint8 if network.equidistant else jnp.float32)
        nobody = jnp.zeros_like(gap), unheard, jnp.zeros(gap.shape, jnp.uint8)
        _, _, parent = over_recent(tell_first, nobody)
        # While all is sound, a block is higher than any that is older by more than B, so B + 1 of them are enough.
        older = functools.reduce(jnp.maximum, (earlier(heights, back) for back in range(recent + 1, 2 * recent + 2)))
        parent = jnp.where(older < height - 1, parent, jnp.uint8(0))
        return _Before(gaps[room.chunk :], finders[room.chunk :], heights[room.chunk :]), (height, parent)

    nothing = _Before(
        jnp.full((recent, lanes), jnp.inf),
        jnp.zeros((recent, lanes), finds.finder.dtype),
        jnp.full((2 * recent + 1, lanes), -1, room.height_type).at[-1].set(0),
    )
    order = jnp.arange(room.finds, dtype=jnp.int32)
    _, chosen = jax.lax.scan(chunk, nothing, jax.tree.map(lambda of: _chunked(of, room), (order, finds)))
    return Chosen(*jax.tree.map(lambda leaf: leaf.reshape(room.finds, lanes), chosen))


def _heights(mask: Array, before: Array, recent: int) -> Array:
    """Heights before and of a chunk: of every find one above the greatest that its finder knows of the recent ones."""
    back = jnp.arange(recent, dtype=mask.dtype)[::-1, None]
    start = before.shape[0]

    def step(index: Array, heights: Array) -> Array:
        height = jax.lax.dynamic_slice_in_dim(heights, index + start - recent, recent)
        known = (mask[index][None] >> back) & 1 != 0
        best = jnp.where(known, height, height.dtype.type(-1)).max(axis=0)
        return jax.lax.dynamic_update_slice_in_dim(heights, best[None] + 1, index + start, 0)

    heights = jnp.concatenate([before, jnp.zeros(mask.shape, before.dtype)])
    return jax.lax.fori_loop(0, mask.shape[0], step, heights)


def end(finds: Finds, chosen: Chosen, network: Any, room: Room) -> Ending:
    """Find the blocks of height H, node 0's among them, and walk back until all their branches have met."""
    lane = jnp.arange(finds.gap.shape[1], dtype=jnp.int32)

    def at(of: Array, find: Array) -> Array:
        return of.at[jnp.maximum(find, 0), lane].get(mode="promise_in_bounds")

    # It takes H finds to reach height H.
    order = jnp.arange(room.num_blocks - 1, room.finds, dtype=jnp.int32)[:, None]
    last = jnp.where(chosen.height[room.num_blocks - 1 :] == room.num_blocks, order, -1).max(axis=0)
    pending = jnp.uint32(1) + jnp.zeros(lane.shape, jnp.uint32)  # of the blocks before `last`, those that branches need

    def look(back: Array, seen: tuple[Array, ...]) -> tuple[Array, ...]:
        pending, tip, first_heard, age = seen
        find = last - back
        there = (find >= 0) & (at(chosen.height, find) == room.num_blocks)
        finder = at(finds.finder, find)
        heard = network.between(finder, jnp.zeros_like(finder)) - age
        first = there & (heard <= first_heard)
        seen = jnp.where(first, find, tip), jnp.where(first, heard, first_heard), age + at(finds.gap, find)
        return pending | (there.astype(jnp.uint32) << back.astype(jnp.uint32)), *seen

    nothing = pending, last, jnp.full(lane.shape, jnp.inf), jnp.zeros(lane.shape)
    pending, tip, _, _ = jax.lax.fori_loop(0, room.recent + 1, look, nothing)

    def unmerged(walk: tuple[Array, Array]) -> Array:
        return (walk[1] > 1).any()

    def back_up(walk: tuple[Array, Array]) -> tuple[Array, Array]:
        """Replace the youngest pending block by its parent, where there are others."""
        find, pending = walk
        parent = pending | (jnp.uint32(1) << at(chosen.parent, find).astype(jnp.uint32))
        steps = jax.lax.population_count((parent >> 1 << 1) ^ ((parent >> 1 << 1) - 1)) - 1
        merged = pending <= 1
        steps = jnp.where(merged, jnp.uint32(0), steps)
        return find - steps.astype(jnp.int32), jnp.where(merged, pending, parent >> steps)

    met, _ = jax.lax.while_loop(unmerged, back_up, (last, pending))
    # Every block of height H must be among the finds: nobody finds one once all have heard the first.
    oldest = last - 31 + jax.lax.clz(pending).astype(jnp.int32)
    since = jnp.where(order > oldest[None], finds.gap[room.num_blocks - 1 :], 0.0).sum(axis=0)
    complete = (last >= 0) & (since >= network.max_delay)
    height = jnp.where(met >= 0, at(chosen.height, met).astype(jnp.int32), 0)
    return Ending(tip, jnp.where(complete, height, 0))


class Kept(NamedTuple):
    """What is kept of the chains."""

    interval: Array  # f32[L, H], seconds
    producer: Array  # i32[L, H]
    published: Array  # i32[L, H], blocks at the height
    settled: Array  # bool[L, H]
    published_by: Array  # i32[L, N] or u16, at settled heights


def keep(finds: Finds, chosen: Chosen, ending: Ending, num_nodes: int, room: Room) -> Kept:
    """Walk back from the tips, block by block, and read off what is kept of every block."""
    lanes, lines = finds.gap.shape[1], -(-room.num_blocks // _LINE)
    lane = jnp.arange(lanes, dtype=jnp.int32)
    since, blocks = _of_finds(finds, chosen, room)

    def back(find: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        block = blocks.at[find, lane].get(mode="promise_in_bounds")
        return jnp.maximum(find - (block >> _PARENT).astype(jnp.int32), 0), (find, block)

    def walk(index: Array, walked: tuple[Array, ...]) -> tuple[Array, ...]:
        """Put heights in place, line by line from above, which transposes them in the cache."""
        find, *kept = walked
        find, (canonical, block) = jax.lax.scan(back, find, length=_LINE, reverse=True)
        parts = since.at[canonical, lane[None]].get(mode="promise_in_bounds"), block
        place = functools.partial(jax.lax.dynamic_update_slice_in_dim, start_index=(lines - 1 - index) * _LINE, axis=1)
        return find, *(place(of, part.T) for of, part in zip(kept, parts, strict=True))

    empty = (jnp.zeros((lanes, lines * _LINE), of.dtype) for of in (since, blocks))
    _, *kept = jax.lax.fori_loop(0, lines, walk, (jnp.maximum(ending.tip, 0), *empty))
    # Heights fill whole lines from above: what is left over lies below genesis.
    interval, block = (of[:, -room.num_blocks :] for of in kept)
    producer = (block & 0xFFFF).astype(jnp.int32)
    published = ((block >> _PUBLISHED) & 63).astype(jnp.int32)
    by = _published_by(finds.finder, chosen.height, ending.settled, num_nodes, room)
    settled = jnp.arange(1, room.num_blocks + 1, dtype=jnp.int32)[None] <= ending.settled[:, None]
    return Kept(interval, producer, published, settled, by)


_PUBLISHED, _PARENT = 16, 22  # bits below: a finder is below 2^16, and at most 63 blocks that matter share a height


def _of_finds(finds: Finds, chosen: Chosen, room: Room) -> tuple[Array, Array]:
    """Of every find: seconds since its parent f32[E, L]; its finder, how many blocks have its height, and its parent.

    The latter share a word u32[E, L], finder lowest, so that they are looked up together.
    """

    def around(of: Array, nothing: Any) -> Array:
        return jnp.pad(of, ((room.recent, room.recent), (0, 0)), constant_values=nothing)

    def shifted(of: Array, back: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(of, room.recent - back, room.finds)

    gaps, heights = around(finds.gap, 0.0), around(chosen.height, -1)

    def tell(back: Array, told: tuple[Array, Array]) -> tuple[Array, Array]:
        interval, published = told
        interval = interval + jnp.where(chosen.parent.astype(jnp.int32) > back, shifted(gaps, back), 0.0)
        for other in (back, -back):
            published = published + (shifted(heights, other) == chosen.height).astype(published.dtype)
        return interval, published

    told = finds.gap, jnp.ones_like(chosen.parent)
    interval, published = jax.lax.fori_loop(1, room.recent + 1, tell, told, unroll=room.recent <= _UNROLLED)
    finder, published, parent = (of.astype(jnp.uint32) for of in (finds.finder, published, chosen.parent))
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

        chunks = jax.tree.map(lambda of: _chunked(of, room), (finder, height))
        return jax.lax.scan(chunk, jnp.zeros((num_nodes, finder.shape[1]), jnp.int32), chunks)[0].T
    # Chain by chain, as narrow as they can be: the counts of one chain stay in the cache, those of all weigh less.
    nobody = jnp.zeros(num_nodes, jnp.uint16 if room.finds < 2**16 else jnp.int32)
    return jax.lax.map(lambda node: nobody.at[node].add(1, mode="drop"), counted(finder, height).T)
