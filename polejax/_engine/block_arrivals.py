"""Block arrivals: the blocks that all nodes find, in the order of time, and the parent of each.

Lanes come last: arrays are [E, L], E arrivals of each of L chains, so that a step of a scan over arrivals is one vector
operation over chains. XLA:CPU recomputes shared inputs for every consumer, so each stage is a loop of its own whose
results are kept in memory, and what is drawn together is kept as one number.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from polejax._core import checks, draw, threefry
from polejax._core.numerics import rounded
from polejax._core.record import Record, static
from polejax._core.types import Array
from polejax._engine.node_sampling import Alias, Bounds
from polejax.network.base import Network

RARE = 1e-11  # probability, per block, that the room does not suffice
UNROLLED = 8  # recent blocks that are looked at in one piece of code
_CHUNK = 64  # arrivals that are worked on together at most: as many as stay in the cache for many chains
_WIDEST = 31  # blocks that a finder may have to choose among: bits of a word, and one more


def _chunks(count: int) -> int:
    """How many chunks of equal length it takes."""
    return -(-count // _CHUNK)


class Room(Record):
    """How much of a chain is kept, all static.

    Attributes:
      in_flight: blocks that arrive on average within the longest delay.
      num_blocks: H.
      recent: B, blocks that a finder chooses among.
      arrivals: E, in chunks of equal length.
    """

    in_flight: float = static()
    num_blocks: int = static()
    recent: int = static()
    arrivals: int = static()

    @property
    def chunk(self) -> int:
        """Arrivals that are worked on together."""
        return self.arrivals // _chunks(self.arrivals)

    @property
    def height_type(self) -> Any:
        """Holds any height."""
        return jnp.int16 if self.arrivals < 2**15 else jnp.int32

    @property
    def mask_type(self) -> Any:
        """Holds a bit for each recent block."""
        return jnp.uint8 if self.recent <= 8 else jnp.uint16 if self.recent <= 16 else jnp.uint32


def room_for(in_flight: float, num_blocks: int) -> Room:
    """Room that does not suffice with a probability of `RARE` a block at most.

    A finder knows every block older than the longest delay d; the last of those, e, was found by a node that knew every
    block older than d before e. So only blocks within d before the arrival, e, and those within d before e matter: 1 +
    a Poisson number of mean 2 x, where x is the number in flight. To reach height H + 1 takes, at each height, one
    arrival after the height is known to all, d after its first block: no more than H + a Poisson number of mean
    x (H + 1) (ours).
    """
    x = float(checks.real("in_flight", in_flight, low=0.0, ndim=0))
    recent = next((b for b in range(2, _WIDEST + 1) if x == 0 or special.pdtrc(b - 1, 2 * x) < RARE), None)
    if recent is None:
        raise ValueError(
            f'blocks within the longest delay must be at most about 3 on average for method="poisson", got {x:g}: '
            'shorten the delays, or use method="rounds"'
        )
    mean = x * (num_blocks + 1)
    stale = 0
    while mean and special.pdtrc(stale, mean) >= RARE:
        stale += max(1, int(mean**0.5) // 4)
    needed = num_blocks + 1 + stale
    if needed + _CHUNK > np.iinfo(np.int32).max:
        raise ValueError(
            f"num_blocks must be fewer, as int32 counts arrivals, got {num_blocks:,}: simulate more chains"
        )
    chunks = _chunks(needed)
    return Room(x, num_blocks, recent, -(-needed // chunks) * chunks)


class Arrivals(NamedTuple):
    """The blocks of all chains in the order of time.

    Attributes:
      gap: f32[E, L], seconds since the arrival before.
      finder: u8[E, L], or u16 of more than 256 nodes: which node.
    """

    gap: Array
    finder: Array


class Chosen(NamedTuple):
    """What every block extends.

    Attributes:
      height: i16[E, L], or i32 of long chains: of the block itself.
      parent: u8[E, L], how many arrivals before; 0 where it may be older than those looked at.
    """

    height: Array
    parent: Array

    @property
    def sound(self) -> Array:
        """bool[L]: all parents are known."""
        return self.parent.all(axis=0)


def chunked(array: Array, room: Room) -> Array:
    """Arrivals [E, ...] in chunks of equal length, [E / chunk, chunk, ...]."""
    return array.reshape(-1, room.chunk, *array.shape[1:])


def draw_arrivals(keys: Array, finders: Alias | Bounds, mean: Array, room: Room) -> Arrivals:
    """Gaps of `mean` f32[] seconds on average, and their finders, two random words each.

    Both are parts of one complex number until all are drawn: XLA:CPU would make the words twice for two arrays.
    """

    def chunk(_: None, arrival: Array) -> tuple[None, Array]:
        words = threefry.two_words(keys[None], arrival[:, None])
        gap = rounded(-jnp.log(draw.uniform_of(words[0])) * mean)
        return None, jax.lax.complex(gap, finders.of(words[1]).astype(jnp.float32))

    _, arrivals = jax.lax.scan(chunk, None, chunked(jnp.arange(room.arrivals, dtype=jnp.uint32), room))
    arrivals = arrivals.reshape(room.arrivals, -1)
    return Arrivals(arrivals.real, arrivals.imag.astype(jnp.uint8 if finders.count <= 2**8 else jnp.uint16))


class _Before(NamedTuple):
    """The arrivals before a chunk, oldest first: genesis, and before it nothing."""

    gap: Array  # [B, L]
    finder: Array  # [B, L]
    height: Array  # [2 B + 1, L]


def choose(arrivals: Arrivals, network: Network, room: Room) -> Chosen:
    """Resolve the parents chunk by chunk: who knows what, then the heights one after another, then the first heard.

    If no block older than those looked at is as high as the parent, none could have been the parent.
    """
    lanes, recent = arrivals.gap.shape[1], room.recent
    longest = jnp.asarray(network.max_delay, jnp.float32)
    over_recent = functools.partial(jax.lax.fori_loop, 1, recent + 1, unroll=recent <= UNROLLED)

    def earlier(of: Array, back: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(of, of.shape[0] - room.chunk - back, room.chunk)

    def chunk(before: _Before, now: tuple[Array, Arrivals]) -> tuple[_Before, tuple[Array, Array]]:
        arrival, (gap, finder) = now
        gaps = jnp.concatenate([before.gap, gap])
        finders = jnp.concatenate([before.finder, finder])

        def tell_known(back: Array, told: tuple[Array, Array]) -> tuple[Array, Array]:
            age, mask = told
            age = age + earlier(gaps, back - 1)
            known = age >= network.between(earlier(finders, back), finder)
            known = known | (arrival[:, None] == back - 1)  # genesis
            return age, mask | (known.astype(mask.dtype) << (back - 1).astype(mask.dtype))

        _, mask = over_recent(tell_known, (jnp.zeros_like(gap), jnp.zeros(gap.shape, room.mask_type)))
        heights = _heights(mask, before.height, recent)
        height = earlier(heights, 0)

        def tell_first(back: Array, told: tuple[Array, ...]) -> tuple[Array, ...]:
            age, best, parent = told
            age, other = age + earlier(gaps, back - 1), earlier(finders, back)
            candidate = ((mask >> (back - 1).astype(mask.dtype)) & 1 != 0) & (earlier(heights, back) == height - 1)
            # Of blocks with the same delay the oldest is heard first, and a node hears its own before any other.
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
        jnp.zeros((recent, lanes), arrivals.finder.dtype),
        jnp.full((2 * recent + 1, lanes), -1, room.height_type).at[-1].set(0),
    )
    order = jnp.arange(room.arrivals, dtype=jnp.int32)
    _, chosen = jax.lax.scan(chunk, nothing, jax.tree.map(lambda of: chunked(of, room), (order, arrivals)))
    return Chosen(*jax.tree.map(lambda leaf: leaf.reshape(room.arrivals, lanes), chosen))


def _heights(mask: Array, before: Array, recent: int) -> Array:
    """Heights before and of a chunk: one above the greatest that each finder knows of the recent ones."""
    back = jnp.arange(recent, dtype=mask.dtype)[::-1, None]
    start = before.shape[0]

    def step(index: Array, heights: Array) -> Array:
        height = jax.lax.dynamic_slice_in_dim(heights, index + start - recent, recent)
        known = (mask[index][None] >> back) & 1 != 0
        best = jnp.where(known, height, height.dtype.type(-1)).max(axis=0)
        return jax.lax.dynamic_update_slice_in_dim(heights, best[None] + 1, index + start, 0)

    heights = jnp.concatenate([before, jnp.zeros(mask.shape, before.dtype)])
    return jax.lax.fori_loop(0, mask.shape[0], step, heights)
