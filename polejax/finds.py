"""Finds: the blocks that all nodes find, drawn in the order of time, and the chain that they make; for
`polejax.memoryless`.

Lanes come last: arrays of finds are [E, L], E finds of each of L chains, so that a step of a scan over finds is one
vector operation over chains. Each function is loops of its own, because a compiler keeps a loop's results in memory,
where it might repeat what made them for everyone who asks.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from scipy import special

from polejax import checks, draw
from polejax.alias import Alias
from polejax.checks import Array
from polejax.record import record, static
from polejax.rounding import rounded

RARE = 1e-12  # probability, per block, that the room does not suffice
_CHUNK = 64  # finds, or heights, that are worked on together: as many as stay in the cache for a few hundred chains
_FEW = 32  # nodes whose blocks are counted one node after another
_UNROLLED = 8  # recent blocks that are looked at in one piece of code
_WIDEST = 31  # blocks that a finder may have to choose among: bits of a word


@record
class Room:
    """How much of a chain is kept, all static."""

    in_flight: float = static()
    num_blocks: int = static()  # H
    recent: int = static()  # B: blocks that a finder chooses among
    finds: int = static()  # E: a multiple of the chunk

    @property
    def height_type(self) -> Any:
        """Holds any height."""
        return jnp.int16 if self.finds < 2**15 else jnp.int32

    @property
    def mask_type(self) -> Any:
        """Holds a bit for each recent block, and one more."""
        return jnp.uint8 if self.recent < 8 else jnp.uint16 if self.recent < 16 else jnp.uint32


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
    chunks = -(-(num_blocks + 1 + stale) // _CHUNK)
    return Room(x, num_blocks, recent, chunks * _CHUNK)


class Finds(NamedTuple):
    """The finds of all chains in the order of time."""

    gap: Array  # f32[E, L], seconds since the find before
    finder: Array  # u16[E, L]


class Chosen(NamedTuple):
    """What every find builds on."""

    height: Array  # [E, L], of the block found
    parent: Array  # u8[E, L]: how many finds before
    sound: Array  # bool[L]: nobody could have built on a block older than those looked at


class Ending(NamedTuple):
    """Where the chain of H blocks ends."""

    tip: Array  # i32[L]: which find node 0 holds at height H
    settled: Array  # i32[L]: greatest height at which all branches have the same block


def _chunked(array: Array) -> Array:
    return array.reshape(-1, _CHUNK, *array.shape[1:])


def draw_finds(keys: Array, finders: Alias, mean: Array, room: Room) -> Finds:
    """Gaps of `mean` f32[] seconds on average, and their finders, two random words each."""

    def chunk(_: None, find: Array) -> tuple[None, Finds]:
        words = jax.vmap(draw.two_words, (0, None))(keys, find)
        gap = rounded(draw.exponential_of(words[..., 0]) * mean)
        return None, Finds(gap.T, finders.of(words[..., 1]).T)

    _, finds = jax.lax.scan(chunk, None, _chunked(jnp.arange(room.finds, dtype=jnp.uint32)))
    return jax.tree.map(lambda leaf: leaf.reshape(room.finds, -1), finds)


class _Recent(NamedTuple):
    """The last B finds before a chunk, oldest first: genesis, and before it nothing."""

    gap: Array
    finder: Array
    height: Array
    sound: Array


def choose(finds: Finds, network: Any, room: Room) -> Chosen:
    """Resolve the parents chunk by chunk: who knows what, then the heights one after another, then the first heard."""
    lanes, recent = finds.gap.shape[1], room.recent
    longest = jnp.asarray(network.longest, jnp.float32)
    over_recent = functools.partial(jax.lax.fori_loop, 1, recent + 1, unroll=recent <= _UNROLLED)

    def chunk(before: _Recent, now: tuple[Array, Finds]) -> tuple[_Recent, tuple[Array, Array]]:
        find, (gap, finder) = now
        gaps = jnp.concatenate([before.gap, gap])
        finders = jnp.concatenate([before.finder, finder])

        def earlier(of: Array, back: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(of, recent - back, _CHUNK)

        def tell_known(back: Array, told: tuple[Array, ...]) -> tuple[Array, ...]:
            age, mask, known_to_all = told
            age = age + earlier(gaps, back - 1)
            known = age >= network.between(earlier(finders, back), finder)
            known = known | (find[:, None] == back - 1)  # genesis
            mask = mask | (known.astype(mask.dtype) << (back - 1).astype(mask.dtype))
            return age, mask, jnp.minimum(known_to_all, jnp.where(age >= longest, age, jnp.inf))

        young = jnp.zeros_like(gap), jnp.zeros(gap.shape, room.mask_type), jnp.full_like(gap, jnp.inf)
        age, mask, known_to_all = over_recent(tell_known, young)
        unsound = age < known_to_all + longest
        mask = mask | (unsound.astype(mask.dtype) << recent)
        height = _heights(mask, before.height)
        heights = jnp.concatenate([before.height, height])

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
        sound = before.sound & ((mask >> recent) == 0).all(axis=0)
        return _Recent(gaps[_CHUNK:], finders[_CHUNK:], heights[_CHUNK:], sound), (height, parent)

    nothing = _Recent(
        jnp.full((recent, lanes), jnp.inf),
        jnp.zeros((recent, lanes), finds.finder.dtype),
        jnp.full((recent, lanes), -1, room.height_type).at[-1].set(0),
        jnp.ones(lanes, bool),
    )
    order = _chunked(jnp.arange(room.finds, dtype=jnp.int32))
    last, chosen = jax.lax.scan(chunk, nothing, (order, jax.tree.map(_chunked, finds)))
    height, parent = jax.tree.map(lambda leaf: leaf.reshape(room.finds, lanes), chosen)
    return Chosen(height, parent, last.sound)


def _heights(mask: Array, before: Array) -> Array:
    """Heights of a chunk's finds, one above the greatest that each finder knows of the recent ones."""
    back = jnp.arange(before.shape[0], dtype=mask.dtype)[:, None]

    def step(recent: Array, known: Array) -> tuple[Array, Array]:
        best = jnp.where((known[None] >> back) & 1 != 0, recent, recent.dtype.type(-1)).max(axis=0)
        return jnp.concatenate([best[None] + 1, recent[:-1]]), best + 1

    return jax.lax.scan(step, before[::-1], mask)[1]


def end(finds: Finds, chosen: Chosen, network: Any, room: Room) -> Ending:
    """Find the blocks of height H, node 0's among them, and walk back until all their branches have met."""
    lane = jnp.arange(finds.gap.shape[1], dtype=jnp.int32)

    def at(of: Array, find: Array) -> Array:
        return of.at[jnp.maximum(find, 0), lane].get(mode="promise_in_bounds")

    order = jnp.arange(room.finds, dtype=jnp.int32)[:, None]
    last = jnp.where(chosen.height == room.num_blocks, order, -1).max(axis=0)
    pending = jnp.uint32(1) + jnp.zeros(lane.shape, jnp.uint32)  # of the blocks before `last`, those that branches need
    tip, first_heard, age = last, jnp.full(lane.shape, jnp.inf), jnp.zeros(lane.shape)
    for back in range(room.recent + 1):
        find = last - back
        there = (find >= 0) & (at(chosen.height, find) == room.num_blocks)
        pending = pending | (there.astype(jnp.uint32) << back)
        finder = at(finds.finder, find)
        heard = network.between(finder, jnp.zeros_like(finder)) - age
        tip = jnp.where(there & (heard <= first_heard), find, tip)
        first_heard = jnp.where(there & (heard <= first_heard), heard, first_heard)
        age = age + at(finds.gap, find)

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
    since = jnp.where(order > oldest[None], finds.gap, 0.0).sum(axis=0)
    complete = (last >= 0) & (since >= network.longest)
    height = jnp.where(met >= 0, at(chosen.height, met).astype(jnp.int32), 0)
    return Ending(tip, jnp.where(complete, height, 0))


class Kept(NamedTuple):
    """What is kept of the chains."""

    interval: Array  # f32[L, H], seconds
    producer: Array  # i32[L, H]
    published: Array  # i32[L, H], blocks at the height
    settled: Array  # i32[L], greatest settled height
    published_by: Array  # i32[L, N], at settled heights


def keep(finds: Finds, chosen: Chosen, ending: Ending, num_nodes: int, room: Room) -> Kept:
    """Walk back from the tips, block by block, and read off what is kept of every block."""
    lanes = finds.gap.shape[1]
    lane = jnp.arange(lanes, dtype=jnp.int32)
    interval, blocks = _of_finds(finds, chosen, room)

    def back(find: Array, _: None) -> tuple[Array, Array]:
        parent = chosen.parent.at[find, lane].get(mode="promise_in_bounds")
        return jnp.maximum(find - parent.astype(jnp.int32), 0), find

    def chunk(find: Array, _: None) -> tuple[Array, tuple[Array, ...]]:
        find, canonical = jax.lax.scan(back, find, length=_CHUNK, reverse=True)
        kept = (of.at[canonical.T, lane[:, None]].get(mode="promise_in_bounds") for of in (interval, blocks))
        return find, tuple(kept)

    chunks = -(-room.num_blocks // _CHUNK)
    _, kept = jax.lax.scan(chunk, jnp.maximum(ending.tip, 0), length=chunks, reverse=True)
    # Heights fill whole chunks from above: what is left over lies below genesis.
    interval, blocks = (jnp.moveaxis(of, 0, 1).reshape(lanes, -1)[:, -room.num_blocks :] for of in kept)
    producer, published = ((part).astype(jnp.int32) for part in (blocks & 0xFFFF, blocks >> 16))
    by = _published_by(finds.finder, chosen.height, ending.settled, num_nodes)
    return Kept(interval, producer, published, ending.settled, by)


def _of_finds(finds: Finds, chosen: Chosen, room: Room) -> tuple[Array, Array]:
    """Of every find: seconds since its parent f32[E, L]; its finder and how many blocks have its height, u32[E, L].

    The two share a word, finder below, so that they are looked up together.
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
    return interval, finds.finder.astype(jnp.uint32) | (published.astype(jnp.uint32) << 16)


def _published_by(finder: Array, height: Array, settled: Array, num_nodes: int) -> Array:
    """How many blocks i32[L, N] each node published at settled heights."""
    counted = height <= settled.astype(height.dtype)[None]
    if num_nodes <= _FEW:
        of = _chunked(jnp.where(counted, finder, num_nodes).astype(jnp.uint8))
        # Bytes hold a chunk's counts, and more of them than of words are added up at once.
        by = [(of == node).astype(jnp.uint8).sum(axis=1, dtype=jnp.uint8) for node in range(num_nodes)]
        return jnp.stack([chunks.sum(axis=0, dtype=jnp.int32) for chunks in by], axis=1)
    lane = jnp.broadcast_to(jnp.arange(finder.shape[1], dtype=jnp.int32)[None], finder.shape)
    where = jnp.where(counted, finder.astype(jnp.int32), num_nodes)
    return jnp.zeros((finder.shape[1], num_nodes), jnp.int32).at[lane, where].add(1, mode="drop")
