"""Sums of many chains of one Poisson process, made on the devices straight from block arrivals.

Private, and one file of more than 300 lines because its parts only make sense together: `tally_many` needs a chain's
sums, not its blocks. Sums straight from arrivals run at 3.2 to 4.6 times the rate of histories (10 to 1,000 nodes, two
CPU cores), so summing up the histories of `block_arrivals` in place of this file would lose more than two thirds of the
rate.

How. On a clique, what a block extends depends on the arrivals that its finder has not heard of yet, and on what those
extend: seldom on more than two or three where few blocks are in flight. So:
1. guess that each block extends the one before; correct all parents in parallel a fixed number of times; then check
   (`_choose`);
2. mark as canonical the blocks with a child, then those with a child that has one, and so on, as often (`_canonical`);
3. heights are needed only near the end, where branches must have met (`resolve`);
4. add up what the marks select (`_deviations`, `_by_few_nodes`, `_by_many_nodes`).
A plan (`Plan`) says how many corrections nearly always suffice, and how far each looks back. Chains for which they do
not suffice are known from the check, and are played again as histories (`sums_of_chains`), as are all chains on other
networks. All of this is ours.

Arrays are [E, L], E arrivals of each of L chains, as in `block_arrivals`. What XLA needs: on CPUs it recomputes shared
inputs for every consumer, but not across the branches of a condition, so each stage is a branch that is always taken
(`Stages`); and arrays of bytes that are added up side by side keep the processor's vectors full, where a reduction
along rows would not (`folded`).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from polejax._core import draw, lanes, threefry
from polejax._core.lanes import Layout
from polejax._core.numerics import added_up, rounded
from polejax._core.record import Record, static
from polejax._core.types import Array
from polejax._engine import block_arrivals, canonical_arrivals, poisson
from polejax._engine.canonical_arrivals import Kept
from polejax._engine.node_sampling import Alias, Bounds
from polejax._engine.poisson import Race
from polejax.analysis.seed_tally import Tally
from polejax.network.base import Network

_CACHED = 64  # chains that a CPU core advances in lockstep: their arrivals stay in its cache
_PACKED = 32  # nodes, at most, that share a word with a gap
_BYTE = 15  # times 16, which is the most that a byte counts here
_CHUNK = 64  # arrivals whose deviations are summed up in float32
_SELDOM = 1.5e-4  # probability, per chain, that the corrections do not suffice
_MARGIN = 32  # heights at the end, at least, in which branches are let merge
_LONGEST = 2**14  # arrivals at the end whose heights can be known


class Sums(NamedTuple):
    """What is left of chains.

    Attributes:
      settled: i32[L], heights.
      published: i32[L], blocks at settled heights.
      deviation: f32[L, K], s: of settled intervals from the mean gap between arrivals, summed in K parts of the chain.
      square: f32[L, K], s^2: the same of their squares.
      wins: i32[L / together, N], canonical blocks at settled heights.
      published_by: i32[L / together, N], all blocks at settled heights.
    """

    settled: Array
    published: Array
    deviation: Array
    square: Array
    wins: Array
    published_by: Array


# The plan: how many corrections, and how far each looks back.


class Plan(Record):
    """How many corrections of how many arrivals, all static.

    Attributes:
      in_flight: blocks that arrive on average within the longest delay.
      num_blocks: heights H, those beyond the last that counts included.
      counted: heights that count.
      recent: B, blocks that a finder chooses among.
      corrections: until all parents are right, and until only canonical blocks are marked.
      head: arrivals whose heights need not be known, in whole chunks.
      tail: arrivals after them, in sixteens.
    """

    in_flight: float = static()
    num_blocks: int = static()
    counted: int = static()
    recent: int = static()
    corrections: int = static()
    head: int = static()
    tail: int = static()

    @property
    def arrivals(self) -> int:
        """E, arrivals in all."""
        return self.head + self.tail

    @property
    def before(self) -> int:
        """F, arrivals that are drawn before genesis, as every correction looks back."""
        return self.recent * (self.corrections + 1)

    @property
    def last(self) -> int:
        """Arrivals of the tail of which it is known whether they are canonical."""
        return self.tail - self.recent * self.corrections

    @property
    def parts(self) -> int:
        """K, sums of deviations of a chain."""
        return self.head // _CHUNK + self.last // divisor(self.last)

    @property
    def mask_type(self) -> Any:
        """Holds two bits for each recent block."""
        return jnp.uint8 if self.recent <= 4 else jnp.uint16


@functools.cache
def plan_for(in_flight: float, num_blocks: int) -> Plan | None:
    """The plan that seldom does not suffice; None where too many corrections would be needed, or chains are short.

    For the number of blocks that matter, and of stale ones, see `block_arrivals.room_for`.
    """
    counted, num_blocks = num_blocks, num_blocks + poisson.beyond(in_flight)
    x, mean, seldom = in_flight, in_flight * (num_blocks + 1), _SELDOM / num_blocks
    recent = next((b for b in range(2, 9) if x == 0 or special.pdtrc(b - 1, 2 * x) < seldom), None)
    corrections = next((p for p in range(2, 7) if x ** (p + 1) < seldom), None)
    head = (num_blocks - _MARGIN) // _CHUNK * _CHUNK
    if recent is None or corrections is None or head <= 0:
        return None
    stale = 0
    while mean and special.pdtrc(stale, mean) >= _SELDOM / 10:
        stale += 1
    tail = num_blocks + 1 + stale - head + recent * corrections
    if tail > _LONGEST:
        return None
    return Plan(x, num_blocks, counted, recent, corrections, head, -(-tail // 16) * 16)


def together(plan: Plan, num_nodes: int) -> int:
    """Chains, at most, whose blocks are counted together by node: 1 of a few nodes, else a power of two."""
    return 1 if num_nodes <= _PACKED else max(1, 1 << (2**16 // plan.arrivals).bit_length() - 1)


def _plan(race: Race, in_flight: float, num_blocks: int) -> Plan | None:
    return plan_for(in_flight, num_blocks) if race.network.equidistant else None


# What XLA needs.


class Stages(NamedTuple):
    """Compiles each function that it calls as a stage of its own, whose results are kept in memory.

    Attributes:
      always: bool[], true, which XLA does not know; None: not on a CPU, and nothing is kept apart.
    """

    always: Array | None

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The results of a function of arrays. Slices are free inside it, and cost a copy among its arguments."""
        if self.always is None:
            return function(*arguments)

        def never(*arguments: Any) -> Any:
            shapes = jax.eval_shape(function, *arguments)
            return jax.tree.map(lambda of: jnp.zeros(of.shape, of.dtype), shapes)

        return jax.lax.cond(self.always, function, never, *arguments)


def folded(operation: Callable[[Array, Array], Array], array: Array, times: int | None = None) -> Array:
    """Rows R / `times` that each come of so many of an array's [..., R, L]; None: of all, [..., L]."""
    every = array.shape[-2] if times is None else times
    groups = array.reshape(*array.shape[:-2], every, -1, array.shape[-1])
    parts = (groups[..., index, :, :] for index in range(every))
    result: Array = functools.reduce(operation, parts)
    return result[..., 0, :] if times is None else result


def divisor(rows: int, most: int = 16) -> int:
    """The largest divisor of a number that is no more than another."""
    return next(count for count in range(most, 0, -1) if rows % count == 0)


def count(stage: Stages, of: Callable[[Array], Array], array: Array) -> Array:
    """Sums i32[..., L] over rows of what a function makes of an array, [..., R, L], 0 or 1 of any type."""

    def some(array: Array) -> Array:
        found = of(array).astype(jnp.uint8)
        return folded(jnp.add, found, divisor(found.shape[-2]))

    def more(array: Array) -> Array:
        return folded(jnp.add, array, divisor(array.shape[-2], _BYTE))

    def rest(array: Array) -> Array:
        few = array.astype(jnp.int32)
        return folded(jnp.add, few) if array.shape[-2] <= 2 * _BYTE else few.sum(axis=-2)

    return stage(rest, stage(more, stage(some, array)))


def cumulated(values: Array) -> Array:
    """Sums of values [R, L] up to each row, R a multiple of 16 and not large."""
    groups = values.reshape(-1, 16, values.shape[1])
    place = jnp.arange(16)[None, :, None]
    within = sum(jnp.where(place >= index, groups[:, index : index + 1], 0) for index in range(1, 16)) + groups[:, :1]
    before = jnp.cumsum(within[:, -1], axis=0, dtype=values.dtype) - within[:, -1]
    return (within + before[:, None]).reshape(values.shape)


# From arrivals to sums.


def resolve(keys: Array, race: Race, plan: Plan, together: int = 1, on_cpu: bool = True) -> tuple[Sums, Array]:
    """The sums of one chain per key [L], in lockstep, with bool[L]: they are right, and so are the counts by node."""
    stage = Stages(race.mean > 0 if on_cpu else None)
    head, tail = plan.head, plan.tail
    gap, finder = _draw(stage, keys, race, plan)
    parent, behind = _choose(stage, _known(stage, gap, finder, race.network, plan), plan)
    unknown = count(stage, lambda few: few == 0, stage(lambda parent: folded(jnp.minimum, parent, 16), parent))
    top = count(stage, lambda behind: behind[-plan.arrivals : -tail] == 0, behind)

    def end(gap: Array, finder: Array, parent: Array, behind: Array, top: Array) -> tuple[Array, Array, Array]:
        """A tip, the settled height, and which arrivals of the tail count; all relative to the head.

        Whose tip it is, and so what the labels of nodes are, makes no difference at settled heights.
        """
        height = top[None].astype(jnp.int16) + cumulated((behind[-tail:] == 0).astype(jnp.int16))
        height = height - (jnp.maximum(behind[-tail:], 1) - 1).astype(jnp.int16)
        rest = block_arrivals.Room(plan.in_flight, plan.num_blocks - head, plan.recent, tail)
        found = block_arrivals.Arrivals(gap[-tail:], finder[-tail:])
        tip, settled = canonical_arrivals.end(found, block_arrivals.Chosen(height, parent[head:]), race.network, rest)
        counts = jnp.minimum(settled, plan.counted - head)
        return tip, settled, (height <= counts[None].astype(jnp.int16)).astype(jnp.uint8)

    tip, settled, counts = stage(end, gap, finder, parent, behind, top - head)
    first, last = _canonical(stage, parent, tip, plan)
    high = count(stage, lambda first: first, first) + count(stage, lambda last: last, last)
    sound = (unknown == 0) & (settled > 0) & (settled >= top - head) & (tip < plan.last) & (high == plan.num_blocks)
    last = stage(lambda last, counts: last & counts[: plan.last], last, counts)
    if race.network.count <= _PACKED:
        by_node = _by_few_nodes(stage, finder, (first, last, counts), _labels(race.finders), plan)
    else:
        by_node = _by_many_nodes(stage, finder, (first, last, counts), race.network.count, together, plan)
    published = count(stage, lambda counts: counts, counts) + head
    sums = Sums(
        jnp.minimum(settled + head, plan.counted),
        published,
        *_deviations(stage, gap, parent, (first, last), race.mean, plan),
        *by_node,
    )
    return sums, sound


def _labels(drawer: Alias | Bounds) -> Array:
    """What stands for each node among finders, u32[N]: itself, or its place in the order of addresses."""
    order = jnp.arange(drawer.count, dtype=jnp.uint32)
    return order.at[drawer.nodes].set(order) if isinstance(drawer, Bounds) else order


def _draw(stage: Stages, keys: Array, race: Race, plan: Plan) -> tuple[Array, Array]:
    """Gaps f32[F + E, L] from before genesis on, as `block_arrivals.draw_arrivals` draws them; finders, by labels."""
    drawer, packed = race.finders, race.finders.count <= _PACKED
    narrow = jnp.uint8 if drawer.count <= 2**8 else jnp.uint16
    arrival = jnp.arange(-plan.before, plan.arrivals, dtype=jnp.int32).astype(jnp.uint32)
    # A gap is at least a 2^-25th of the mean and below the 32-fold of it: 28 bits, of which rounding leaves 27.
    least = jax.lax.bitcast_convert_type(race.mean * jnp.float32(2.0**-25), jnp.uint32) >> 23 << 23

    def drawn(data: Array) -> Array:
        words = threefry.two_words_of(data[:1], data[1:], arrival[:, None])
        gap = -jnp.log(draw.uniform_of(words[0])) * race.mean
        finder = (drawer.place if isinstance(drawer, Bounds) else drawer.of)(words[1]).astype(jnp.uint32)
        if not packed:
            return jax.lax.complex(rounded(gap), finder.astype(jnp.float32))
        bits = jax.lax.bitcast_convert_type(gap, jnp.uint32)
        return ((bits + (bits >> 1 & 1) >> 1) - (least >> 1)) | finder << 27  # to even, as `rounded` does

    def gaps(both: Array) -> Array:
        return jax.lax.bitcast_convert_type((both << 5 >> 4) + least, jnp.float32) if packed else both.real

    def finders(both: Array) -> Array:
        return (both >> 27 if packed else both.imag).astype(narrow)

    both = stage(drawn, stage(lambda data: data.T, jax.random.key_data(keys)))
    return stage(gaps, both), stage(finders, both)


def _earlier(of: Array, back: int, recent: int) -> Array:
    """Rows `back` arrivals before all that have B before them."""
    return of[recent - back : of.shape[0] - back]


def _known(stage: Stages, gap: Array, finder: Array, network: Network, plan: Plan) -> Array:
    """Of every arrival a bit for each recent block that its finder knows, and further bits for those of its own."""
    recent = plan.recent
    number = jnp.arange(recent - plan.before, plan.arrivals, dtype=jnp.int32)[:, None]
    earlier = functools.partial(_earlier, recent=recent)

    def unheard(gap: Array) -> Array:
        """How many of the last arrivals are on their way to all others; genesis never is."""
        age, on_their_way = jnp.float32(0.0), jnp.uint8(0)
        for back in range(recent):
            age = age + earlier(gap, back)
            on_their_way = on_their_way + (age < network.max_delay).astype(jnp.uint8)
        return jnp.minimum(on_their_way, jnp.clip(number, 0, recent).astype(jnp.uint8))

    def known(unheard: Array, finder: Array) -> Array:
        mask = jnp.zeros((), plan.mask_type)
        for back in range(1, recent + 1):
            own = earlier(finder, back) == earlier(finder, 0)
            mask = mask | (own | (unheard < back)).astype(mask.dtype) << back - 1
            mask = mask | own.astype(mask.dtype) << recent + back - 1
        return mask

    return stage(known, stage(unheard, gap), finder)


def _choose(stage: Stages, mask: Array, plan: Plan) -> tuple[Array, Array]:
    """Of every arrival its parent, u8[E, L], 0 if not known; and how far the block it extends is behind, u8[B + E, L].

    That is how much lower its parent is than the highest of all blocks before: 0 of an arrival that is the highest.
    """
    recent, byte = plan.recent, jnp.uint8
    earlier = functools.partial(_earlier, recent=recent)

    def has(mask: Array, back: int) -> Array:
        return mask & (1 << back - 1) != 0

    def lags(behind: Array) -> tuple[list[Array], Array]:
        """How far each recent block is below the highest of all, and how much that rose over all of them."""
        risen, lag = jnp.uint8(0), []
        for back in range(1, recent + 1):
            lag.append(jnp.maximum(earlier(behind, back), 1) - 1 + risen)
            risen = risen + (earlier(behind, back) == 0).astype(byte)
        return lag, risen

    def least(lag: list[Array], mask: Array) -> Array:
        known = (jnp.where(has(mask, back), of, byte(255)) for back, of in enumerate(lag, 1))
        return functools.reduce(jnp.minimum, known)

    def corrected(behind: Array, mask: Array) -> Array:
        return least(lags(behind)[0], mask[recent + mask.shape[0] - behind.shape[0] :])

    def parents(behind: Array, mask: Array) -> Array:
        lag, risen = lags(behind)
        behind, mask = behind[recent:], mask[recent + mask.shape[0] - behind.shape[0] :]
        oldest = own = jnp.zeros_like(behind)
        for back, of in enumerate(lag, 1):
            oldest = jnp.where(has(mask, back) & (of == behind), byte(back), oldest)
            own = jnp.where(has(mask, recent + back) & (of == behind), byte(back), own)
        # What is too old to be looked at must be lower than the parent.
        right = (least(lag, mask) == behind) & (risen > behind)
        # The oldest is heard first, and one's own before any other.
        return jnp.where(right, jnp.where(own > 0, own, oldest), byte(0))

    behind = stage(lambda mask: least([byte(back) for back in range(recent)], mask), mask)
    for _ in range(plan.corrections - 1):
        behind = stage(corrected, behind, mask)
    return stage(parents, behind, mask), behind


def _canonical(stage: Stages, parent: Array, tip: Array, plan: Plan) -> tuple[Array, Array]:
    """Which arrivals are canonical, u8: those of the head, and of the tail as far as can be told."""
    order = jnp.arange(plan.tail, dtype=jnp.int32)[:, None]

    def with_child(parent: Array, alive: Array | None = None) -> Array:
        rows = (parent if alive is None else alive).shape[0] - plan.recent
        child = (parent[back : back + rows] == back for back in range(1, plan.recent + 1))
        if alive is not None:
            child = (of & (alive[back : back + rows] != 0) for back, of in enumerate(child, 1))
        return functools.reduce(jnp.logical_or, child).astype(jnp.uint8)

    def or_tip(alive: Array, is_tip: Array) -> Array:
        return alive | is_tip[: alive.shape[0]]

    def begin(parent: Array, tip: Array) -> tuple[Array, Array]:
        """Parents of the tail, none of those after the tip; and which is the tip."""
        within = jnp.where(order <= tip[None], parent[plan.head :], 0)
        return within, (order == tip[None]).astype(jnp.uint8)

    below, is_tip = stage(begin, parent, tip)
    first = stage(lambda parent: with_child(parent[: plan.head + plan.recent * plan.corrections]), parent)
    last = stage(lambda below, is_tip: or_tip(with_child(below), is_tip), below, is_tip)
    for _ in range(plan.corrections - 1):
        first = stage(with_child, parent, first)
        last = stage(lambda below, last, is_tip: or_tip(with_child(below, last), is_tip), below, last, is_tip)
    return first, last


def _deviations(
    stage: Stages, gap: Array, parent: Array, canonical: tuple[Array, Array], mean: Array, plan: Plan
) -> tuple[Array, Array]:
    """Sums f32[L, K] of deviations of intervals from the mean, and of their squares."""

    def deviation(gap: Array, parent: Array, canonical: Array, start: int) -> Array:
        def of_arrivals(of: Array, back: int) -> Array:
            return of[of.shape[0] - plan.arrivals + start - back :][: canonical.shape[0]]

        interval = of_arrivals(gap, 0)
        for back in range(1, plan.recent):
            interval = interval + jnp.where(of_arrivals(parent, 0) > back, of_arrivals(gap, back), 0.0)
        return jnp.where(canonical != 0, interval - mean, 0.0)

    def sums(of: Array, square: bool, rows: int) -> Array:
        return folded(jnp.add, rounded(of * of) if square else of, rows)

    parts = []
    for start, rows, of in ((0, _CHUNK, canonical[0]), (plan.head, divisor(plan.last), canonical[1])):
        made = stage(functools.partial(deviation, start=start), gap, parent, of)
        parts.append([stage(functools.partial(sums, square=square, rows=rows), made) for square in (False, True)])
    one, two = (
        stage(lambda *of: jnp.concatenate([part.T for part in of], axis=1), *of) for of in zip(*parts, strict=True)
    )
    return one, two


def _by_few_nodes(
    stage: Stages, finder: Array, marked: tuple[Array, Array, Array], labels: Array, plan: Plan
) -> tuple[Array, Array]:
    """How many blocks of each of a few nodes are canonical, i32[L, N], and how many there are at settled heights."""
    nodes = labels.astype(jnp.uint8)[:, None, None]
    first, last, counts = marked

    def found(finder: Array) -> Array:
        return (finder[None] == nodes).astype(jnp.uint8)

    def of(start: int, marked: Array | None) -> Array:
        """The same of arrivals from one on that are marked, or of the whole head."""
        start += plan.before
        if marked is None:
            who = stage(lambda finder: finder[start : start + plan.head], finder)
        else:
            who = stage(lambda finder, of: jnp.where(of != 0, finder[start:][: of.shape[0]], 255), finder, marked)
        return count(stage, found, who)

    wins, by = of(0, first) + of(plan.head, last), of(0, None) + of(plan.head, counts)
    return stage(lambda of: of.T, wins), stage(lambda of: of.T, by)


def _by_many_nodes(
    stage: Stages, finder: Array, marked: tuple[Array, Array, Array], num_nodes: int, together: int, plan: Plan
) -> tuple[Array, Array]:
    """The same of many nodes, i32[L / together, N]: arrival by arrival, both counts in one word if it holds them."""
    groups = finder.shape[1] // together
    shift = 16 if together * plan.arrivals < 2**16 else 0

    def places(finder: Array) -> Array:
        group = jnp.arange(finder.shape[1], dtype=jnp.int32)[None] // together
        return finder[plan.before :].astype(jnp.int32) + group * num_nodes

    def marks(first: Array, last: Array, counts: Array) -> Array:
        """Of every arrival: whether it counts, and above, whether it is canonical."""
        last = jnp.pad(last, ((0, plan.tail - plan.last), (0, 0)))
        return jnp.concatenate([1 | first << 1, counts | last << 1])

    def added(what: Array) -> Array:
        nobody = jnp.zeros(groups * num_nodes, jnp.uint32)
        return nobody.at[place.ravel()].add(what.ravel(), mode="promise_in_bounds").reshape(groups, num_nodes)

    place, mark = stage(places, finder), stage(marks, *marked)
    if shift:
        both = added(stage(lambda mark: mark.astype(jnp.uint32) & 1 | mark.astype(jnp.uint32) >> 1 << shift, mark))
        wins, by = both >> shift, both & 2**shift - 1
    else:
        wins, by = (added((mark >> bit & 1).astype(jnp.uint32)) for bit in (1, 0))
    return wins.astype(jnp.int32), by.astype(jnp.int32)


# All chains, those for which the plan does not suffice included.


def sums_of_chains(
    keys: Array, race: Race, num_blocks: int, in_flight: float, together: int, on_cpu: bool = True
) -> Sums:
    """The sums of one chain per key [L], in lockstep, counts by node of so many `together`."""
    room = poisson.room_of(in_flight, num_blocks)
    race = jax.tree.map(jnp.asarray, race)
    plan = _plan(race, in_flight, num_blocks)
    count = -(-num_blocks // 64) if plan is None else plan.parts

    def one_by_one(keys: Array) -> Sums:
        return _of_kept(poisson.play(keys, race, num_blocks, in_flight), race.mean, count, together)

    if plan is None:
        return one_by_one(keys)
    sums, right = resolve(keys, race, plan, together, on_cpu)
    right &= poisson.as_promised(race, room)

    def mended(keys: Array) -> Sums:
        """Of chains that were right their own, as their last bits must not depend on what others needed."""
        others = one_by_one(keys)
        own = {}
        for name in ("settled", "published", "deviation", "square"):
            one, other = getattr(sums, name), getattr(others, name)
            own[name] = jnp.where(right.reshape(-1, *[1] * (one.ndim - 1)), one, other)
        return others._replace(**own)

    whole: Sums = jax.lax.cond(right.all(), lambda keys: sums, mended, keys)
    return whole


def _of_kept(kept: Kept, mean: Array, count: int, together: int) -> Sums:
    """The sums of whole histories, deviations in `count` parts."""
    chains, heights = kept.interval.shape
    num_nodes = kept.published_by.shape[1]
    deviation = jnp.where(kept.settled, kept.interval - mean, 0.0)
    fill = ((0, 0), (0, -heights % count))

    def parts(of: Array) -> Array:
        return added_up(jnp.pad(of, fill).reshape(chains, count, -1), 2)

    def wins(of: tuple[Array, Array]) -> Array:
        producer, settled = of
        return jnp.zeros(num_nodes, jnp.int32).at[producer].add(settled.astype(jnp.int32), mode="promise_in_bounds")

    def in_groups(of: Array) -> Array:
        return of.astype(jnp.int32).reshape(-1, together, num_nodes).sum(axis=1)

    return Sums(
        settled=kept.settled.sum(axis=1, dtype=jnp.int32),
        published=jnp.where(kept.settled, kept.published, 0).sum(axis=1),
        deviation=parts(deviation),
        square=parts(rounded(deviation * deviation)),
        wins=in_groups(jax.lax.map(wins, (kept.producer, kept.settled))),
        published_by=in_groups(kept.published_by),
    )


# Many chains on all devices, for `runner`.


def prepare(
    count: int,
    race: Race,
    in_flight: float,
    num_blocks: int,
    pooled: int,
    held: int,
    chains: int | None,
    devices: Sequence[Any] | None,
) -> tuple[Layout, Any]:
    """How chains are laid out, and the program from keys and a race to `Sums`.

    Args:
      count: chains.
      race: of all.
      in_flight: blocks that arrive on average within the longest delay, rounded up.
      num_blocks: heights H above genesis.
      pooled: consecutive chains whose sums make a row.
      held: bytes that a chain holds.
      chains: in lockstep on a device, as the user asks.
      devices: as the user asks.
    """
    on = lanes.chosen(devices)
    plan = _plan(race, in_flight, num_blocks)
    grouped = 1 if plan is None else math.gcd(pooled, together(plan, race.network.count))
    # Vectors of bytes should be full: a few chains more take less time.
    whole = _CACHED if plan is not None and chains is None and count > _CACHED // 4 * len(on) else 1
    cached = poisson.CACHED_CHAINS if plan is None else _CACHED
    layout = lanes.lay_out(count, on, cached=cached, held=held, lanes=chains, together=math.lcm(grouped, whole))
    return layout, program(num_blocks, in_flight, grouped, layout.lanes, layout.devices)


@functools.cache
def program(num_blocks: int, in_flight: float, together: int, chains: int, devices: tuple[Any, ...]) -> Any:
    """The compiled `sums_of_chains` of any number of chains."""
    on_cpu = lanes.on_cpu(devices)

    def block(keys: Array, race: Race) -> Sums:
        return sums_of_chains(keys, race, num_blocks, in_flight, together, on_cpu)

    return lanes.sharded(block, chains, devices, (1,), 2, lanes.wide(devices))


def to_tally(computed: Sums, mean: np.float64, num_seeds: int, num_blocks: int, pooled: int) -> Tally:
    """The tally of chains, those that only filled the last block left out.

    Args:
      computed: sums on the devices.
      mean: s, from arrival to arrival, which deviations are from.
      num_seeds: chains that were asked for.
      num_blocks: heights H of each.
      pooled: consecutive chains whose sums make a row.
    """
    sums: Sums = jax.tree.map(np.asarray, computed)
    rows = num_seeds // pooled

    def added(of: Array, kind: Any = np.float64) -> np.ndarray:
        """From chains, or some of them together, to rows."""
        group = pooled * of.shape[0] // sums.settled.shape[0]
        of = np.asarray(of)[: rows * group]
        return of.astype(kind, copy=False) if group == 1 else of.reshape(rows, group, -1).sum(axis=1, dtype=kind)

    settled, published = (added(of[:, None])[:, 0] for of in (sums.settled, sums.published))
    interval, square = (added(of.sum(axis=1, dtype=np.float64)[:, None])[:, 0] for of in (sums.deviation, sums.square))
    nothing, whole = np.zeros(rows), np.int32 if pooled == 1 else np.int64
    about_mean = Tally(
        settled=settled,
        unsettled=pooled * num_blocks - settled,
        interval=interval,
        square=square,
        published=published,
        stale=published - settled,
        wins=added(sums.wins, whole),
        published_by=added(sums.published_by, whole),
        score=settled,
        fallback=nothing,
        flawed=nothing,
        censored=nothing,
        claims=nothing,
        claimed=nothing,
        claimed_score=nothing,
        rejected=nothing,
        diverged=nothing,
        useful=nothing,
        computed=nothing,
        centre=float(mean),
        carries_models=False,
    )
    return about_mean.about(float(mean + interval.sum() / max(settled.sum(), 1)))
