"""Passes: chains of finds on a clique, resolved and summed up in a few passes over all finds at once.

What `polejax.finds` does for any network, in a way of its own where few blocks are in flight: what a find builds on
depends on the finds that its finder has not heard of, and on what those build on, seldom on more than two or three. So
take it that all finds are in sequence, correct them all at once, and again; a last pass tells whether all is right.
Canonical are those with a child, then those with a child that has one, and so on. Heights are needed only near the end.
Chains that it takes more to resolve are told, and are left to `polejax.finds` (ours).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from polejax._core import draw, threefry
from polejax._core.numerics import rounded
from polejax._core.types import Array
from polejax._engine import block_arrivals
from polejax._engine.node_sampling import Alias, Bounds
from polejax._engine.poisson_plan import CHUNK, Plan
from polejax._engine.poisson_rows import Maker, count, cumulated, divisor, folded

_PACKED = 32  # nodes that share a word with a gap


class Sums(NamedTuple):
    """What is left of chains."""

    settled: Array  # i32[L], heights
    published: Array  # i32[L], blocks at settled heights
    deviation: Array  # f32[L, K], s: of settled intervals from the mean of finds, in parts of the chain
    square: Array  # f32[L, K], their squares
    wins: Array  # i32[L / together, N], canonical blocks at settled heights
    published_by: Array  # i32[L / together, N]


def together(plan: Plan, num_nodes: int) -> int:
    """Chains, at most, whose blocks are counted together by node: 1 of a few nodes, else a power of two."""
    return 1 if num_nodes <= _PACKED else max(1, 1 << (2**16 // plan.finds).bit_length() - 1)


def total(keys: Array, race: Any, plan: Plan, together: int = 1, on_cpu: bool = True) -> tuple[Sums, Array]:
    """The sums of one chain per key [L], in lockstep, with bool[L]: they are right, and so are the counts by node."""
    make = Maker(race.mean > 0 if on_cpu else None)
    head, tail = plan.head, plan.tail
    gap, finder = _draw(make, keys, race, plan)
    parent, behind = _choose(make, _known(make, gap, finder, race.network, plan), plan)
    unknown = count(make, lambda few: few == 0, make(lambda parent: folded(jnp.minimum, parent, 16), parent))
    top = count(make, lambda behind: behind[-plan.finds : -tail] == 0, behind)

    def end(gap: Array, finder: Array, parent: Array, behind: Array, top: Array) -> tuple[Array, Array, Array]:
        """A tip, the settled height, and which finds of the tail are no higher; all relative to the head.

        Whose tip it is, and so what the labels of nodes are, makes no difference at settled heights.
        """
        height = top[None].astype(jnp.int16) + cumulated((behind[-tail:] == 0).astype(jnp.int16))
        height = height - (jnp.maximum(behind[-tail:], 1) - 1).astype(jnp.int16)
        rest = block_arrivals.Room(plan.in_flight, plan.num_blocks - head, plan.recent, tail)
        found = block_arrivals.Finds(gap[-tail:], finder[-tail:])
        tip, settled = block_arrivals.end(found, block_arrivals.Chosen(height, parent[head:]), race.network, rest)
        return tip, settled, (height <= settled[None].astype(jnp.int16)).astype(jnp.uint8)

    tip, settled, counts = make(end, gap, finder, parent, behind, top - head)
    first, last = _canonical(make, parent, tip, plan)
    high = count(make, lambda first: first, first) + count(make, lambda last: last, last)
    sound = (unknown == 0) & (settled > 0) & (settled >= top - head) & (tip < plan.last) & (high == plan.num_blocks)
    last = make(lambda last, counts: last & counts[: plan.last], last, counts)
    if race.network.count <= _PACKED:
        by_node = _by_node(make, finder, (first, last, counts), _labels(race.finders), plan)
    else:
        by_node = _by_many_nodes(make, finder, (first, last, counts), race.network.count, together, plan)
    published = count(make, lambda counts: counts, counts) + head
    sums = Sums(settled + head, published, *_deviations(make, gap, parent, (first, last), race.mean, plan), *by_node)
    return sums, sound


def _labels(drawer: Alias | Bounds) -> Array:
    """What stands for each node among finders, u32[N]: itself, or its place in the order of addresses."""
    order = jnp.arange(drawer.count, dtype=jnp.uint32)
    return order.at[drawer.nodes].set(order) if isinstance(drawer, Bounds) else order


def _draw(make: Maker, keys: Array, race: Any, plan: Plan) -> tuple[Array, Array]:
    """Gaps f32[F + E, L], as `block_arrivals.draw_finds` draws them, from before genesis on; and finders, by labels."""
    drawer, packed = race.finders, race.finders.count <= _PACKED
    narrow = jnp.uint8 if drawer.count <= 2**8 else jnp.uint16
    find = jnp.arange(-plan.before, plan.finds, dtype=jnp.int32).astype(jnp.uint32)
    # A gap is at least a 2^-25th of the mean and below the 32-fold of it: 28 bits, of which rounding leaves 27.
    least = jax.lax.bitcast_convert_type(race.mean * jnp.float32(2.0**-25), jnp.uint32) >> 23 << 23

    def drawn(data: Array) -> Array:
        words = threefry.two_words_of(data[:1], data[1:], find[:, None])
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

    both = make(drawn, make(lambda data: data.T, jax.random.key_data(keys)))
    return make(gaps, both), make(finders, both)


def _earlier(of: Array, back: int, recent: int) -> Array:
    """Rows `back` finds before all that have B before them."""
    return of[recent - back : of.shape[0] - back]


def _known(make: Maker, gap: Array, finder: Array, network: Any, plan: Plan) -> Array:
    """Of every find a bit for each recent block that its finder knows, and further bits for those of its own."""
    recent = plan.recent
    number = jnp.arange(recent - plan.before, plan.finds, dtype=jnp.int32)[:, None]
    earlier = functools.partial(_earlier, recent=recent)

    def unheard(gap: Array) -> Array:
        """How many of the last finds are on their way to all others; genesis never is."""
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

    return make(known, make(unheard, gap), finder)


def _choose(make: Maker, mask: Array, plan: Plan) -> tuple[Array, Array]:
    """Of every find its parent, u8[E, L], 0 if not known; and how far what it builds on is behind, u8[B + E, L].

    That is how much lower its parent is than the highest of all blocks before: 0 of a find that is the highest.
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

    behind = make(lambda mask: least([byte(back) for back in range(recent)], mask), mask)
    for _ in range(plan.rounds - 1):
        behind = make(corrected, behind, mask)
    return make(parents, behind, mask), behind


def _canonical(make: Maker, parent: Array, tip: Array, plan: Plan) -> tuple[Array, Array]:
    """Which finds are canonical, u8: those of the head, and of the tail as far as can be told."""
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

    below, is_tip = make(begin, parent, tip)
    first = make(lambda parent: with_child(parent[: plan.head + plan.recent * plan.rounds]), parent)
    last = make(lambda below, is_tip: or_tip(with_child(below), is_tip), below, is_tip)
    for _ in range(plan.rounds - 1):
        first = make(with_child, parent, first)
        last = make(lambda below, last, is_tip: or_tip(with_child(below, last), is_tip), below, last, is_tip)
    return first, last


def _deviations(
    make: Maker, gap: Array, parent: Array, canonical: tuple[Array, Array], mean: Array, plan: Plan
) -> tuple[Array, Array]:
    """Sums f32[L, K] of deviations of intervals from the mean, and of their squares."""

    def deviation(gap: Array, parent: Array, canonical: Array, start: int) -> Array:
        def of_finds(of: Array, back: int) -> Array:
            return of[of.shape[0] - plan.finds + start - back :][: canonical.shape[0]]

        interval = of_finds(gap, 0)
        for back in range(1, plan.recent):
            interval = interval + jnp.where(of_finds(parent, 0) > back, of_finds(gap, back), 0.0)
        return jnp.where(canonical != 0, interval - mean, 0.0)

    def sums(of: Array, square: bool, rows: int) -> Array:
        return folded(jnp.add, rounded(of * of) if square else of, rows)

    parts = []
    for start, rows, of in ((0, CHUNK, canonical[0]), (plan.head, divisor(plan.last), canonical[1])):
        made = make(functools.partial(deviation, start=start), gap, parent, of)
        parts.append([make(functools.partial(sums, square=square, rows=rows), made) for square in (False, True)])
    one, two = (
        make(lambda *of: jnp.concatenate([part.T for part in of], axis=1), *of) for of in zip(*parts, strict=True)
    )
    return one, two


def _by_node(
    make: Maker, finder: Array, marked: tuple[Array, Array, Array], labels: Array, plan: Plan
) -> tuple[Array, Array]:
    """How many blocks of each of a few nodes are canonical, i32[L, N], and how many there are at settled heights."""
    nodes = labels.astype(jnp.uint8)[:, None, None]
    first, last, counts = marked

    def found(finder: Array) -> Array:
        return (finder[None] == nodes).astype(jnp.uint8)

    def of(start: int, marked: Array | None) -> Array:
        """The same of finds from one on that are marked, or of the whole head."""
        start += plan.before
        if marked is None:
            who = make(lambda finder: finder[start : start + plan.head], finder)
        else:
            who = make(lambda finder, of: jnp.where(of != 0, finder[start:][: of.shape[0]], 255), finder, marked)
        return count(make, found, who)

    wins, by = of(0, first) + of(plan.head, last), of(0, None) + of(plan.head, counts)
    return make(lambda of: of.T, wins), make(lambda of: of.T, by)


def _by_many_nodes(
    make: Maker, finder: Array, marked: tuple[Array, Array, Array], num_nodes: int, together: int, plan: Plan
) -> tuple[Array, Array]:
    """The same of many nodes, i32[L / together, N]: find after find, both counts in one word where that holds them."""
    groups = finder.shape[1] // together
    shift = 16 if together * plan.finds < 2**16 else 0

    def places(finder: Array) -> Array:
        group = jnp.arange(finder.shape[1], dtype=jnp.int32)[None] // together
        return finder[plan.before :].astype(jnp.int32) + group * num_nodes

    def marks(first: Array, last: Array, counts: Array) -> Array:
        """Of every find: whether it counts, and above, whether it is canonical."""
        last = jnp.pad(last, ((0, plan.tail - plan.last), (0, 0)))
        return jnp.concatenate([1 | first << 1, counts | last << 1])

    def added(what: Array) -> Array:
        nobody = jnp.zeros(groups * num_nodes, jnp.uint32)
        return nobody.at[place.ravel()].add(what.ravel(), mode="promise_in_bounds").reshape(groups, num_nodes)

    place, mark = make(places, finder), make(marks, *marked)
    if shift:
        both = added(make(lambda mark: mark.astype(jnp.uint32) & 1 | mark.astype(jnp.uint32) >> 1 << shift, mark))
        wins, by = both >> shift, both & 2**shift - 1
    else:
        wins, by = (added((mark >> bit & 1).astype(jnp.uint32)) for bit in (1, 0))
    return wins.astype(jnp.int32), by.astype(jnp.int32)
