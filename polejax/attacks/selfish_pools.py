"""Several selfish pools, each hiding its blocks from all others, as a state machine (Proof of Work, no delays)."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, draw
from polejax._core.record import record
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array, Key, Numeric
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.attacks.decided_blocks import blocks_table

__all__ = [
    "PoolsRevenue",
    "mine",
    "mine_many",
    "relative_revenue",
]

NOTHING, HIDDEN, TIED = 0, 1, 2  # what a pool has: no branch of its own, one that it hides, one in a public tie


@record
class PoolsRevenue(Tabled):
    """Blocks whose fate is decided: who they belong to on the main chain, or stale. `S` seeds may lead.

    Attributes:
      pools: i32[K], blocks of each pool on the main chain.
      honest: i32[], blocks of all others on the main chain.
      stale: i32[], blocks off the main chain.
    """

    pools: Array
    honest: Array
    stale: Array

    def tables(self) -> list[Table]:
        """Blocks of all seeds together."""
        pools = {f"pool {place}": self.pools[..., place] for place in range(np.shape(self.pools)[-1])}
        return [blocks_table({**pools, "all others": self.honest, "stale": self.stale})]


class _Race(NamedTuple):
    """Branches above the last block that everybody agrees on; row K is the public branch that no pool is bound to.

    Attributes:
      branch: i32[K + 1, K + 1], blocks of each branch by finder: K pools, and all others.
      has: i32[K], NOTHING, HIDDEN or TIED.
      live: bool[K + 1], the longest public branches.
      found: i32[], blocks found since everybody agreed.
      decided: i32[K + 2], blocks on the main chain by finder, and stale ones.
    """

    branch: Array
    has: Array
    live: Array
    found: Array
    decided: Array


def mine(key: Key, shares: Numeric, num_found: int) -> PoolsRevenue:
    """Play K selfish pools over `num_found` blocks found by anyone: one `lax.scan`, two random numbers a block.

    A pool hides its blocks. When the public chain grows, a pool that is one block ahead of it publishes all it has, as
    does one that is level with it, which makes a tie; a pool that is behind gives up its branch, and one further ahead
    goes on hiding. What one pool publishes makes the public chain grow for the next one (the source's chain reaction).
    A pool in a tie mines on its own branch and publishes the next block at once. Everybody else, a pool without a
    branch included, mines on any of the longest public branches, each as likely as the others. Blocks that are
    undecided at the end belong to nobody.

    Args:
      key: typed key; block number i folds itself in, so that a longer run begins with a shorter one.
      shares: f32[K], each pool's share of the power, positive, together below 1. May be swept with `jax.vmap`.
      num_found: blocks found, those that become stale included; static.

    Returns:
      `PoolsRevenue`. A pure function of one key: `jax.vmap` it over seeds, or take `relative_revenue`.

    Raises:
      ValueError: shares that are not positive and together below 1, or no block.

    Source: Bai et al. 2018 (arXiv 1811.08263), of two pools: forfeit, risk-avoiding release and chain reaction. Their
    table of transitions could not be read: equal odds of tied branches, and hidden blocks on a branch of others' tie,
    are ours. One pool is Eyal and Sirer's with gamma 1/2.
    """
    checks.key("key", key)
    chance = jnp.cumsum(jnp.asarray(_checked_shares(shares)))
    num_found = checks.whole("num_found", num_found, low=1, high=2**30)
    count = chance.shape[0]

    def found(race: _Race, number: Array) -> tuple[_Race, None]:
        uniform = draw.uniform_of(draw.two_words(key, number[None])[0])
        finder = (uniform[0] >= chance).sum(dtype=jnp.int32)
        return _found(race, finder, uniform[1]), None

    blank = jnp.zeros((count + 1, count + 1), jnp.int32)
    live = jnp.arange(count + 1) == count
    race = _Race(blank, jnp.zeros(count, jnp.int32), live, jnp.int32(0), jnp.zeros(count + 2, jnp.int32))
    race, _ = jax.lax.scan(found, race, jnp.arange(num_found, dtype=jnp.uint32))
    return PoolsRevenue(race.decided[:count], race.decided[count], race.decided[count + 1])


def _found(race: _Race, finder: Array, uniform: Array) -> _Race:
    """The race after a block: `finder` i32[], K for all others; `uniform` f32[] chooses among tied branches."""
    count = race.has.shape[0]
    rows = jnp.arange(count + 1)
    order = jnp.cumsum(race.live) - 1
    chosen = jnp.floor(uniform * race.live.sum().astype(jnp.float32)).astype(jnp.int32)
    has = jnp.append(race.has, NOTHING)[finder]
    parent = jnp.where(has == NOTHING, jnp.argmax(race.live & (order == chosen)), finder)
    block = race.branch[parent] + (rows == finder).astype(jnp.int32)
    public = (finder == count) | (has == TIED)
    mine = (rows == finder)[:, None]
    hidden = race._replace(
        branch=jnp.where(mine, block, race.branch),
        has=jnp.where(rows[:count] == finder, HIDDEN, race.has),
        found=race.found + 1,
    )
    grown = race._replace(
        branch=race.branch.at[count].set(block),
        has=jnp.where(race.has == TIED, NOTHING, race.has),
        live=rows == count,
        found=race.found + 1,
    )
    grown = jax.lax.fori_loop(0, count + 1, lambda _, state: _react(state), grown)
    after = jax.tree.map(lambda ours, theirs: jnp.where(public, theirs, ours), hidden, grown)
    return _settle(after)


def _react(race: _Race) -> _Race:
    """The race after the pools' answer to the public chain; the same once nobody has an answer left."""
    count = race.has.shape[0]
    length = race.branch.sum(axis=1)
    lead = length[:count] - length[jnp.argmax(race.live)]
    hides = race.has == HIDDEN
    level, ahead = hides & (lead == 0), hides & (lead == 1)
    has = jnp.where(hides & (lead < 0), NOTHING, race.has)
    tie = race._replace(has=jnp.where(level, TIED, has), live=race.live | jnp.append(level, False))
    alone = ahead.sum() == 1  # then its branch is the public chain, and it has no other
    longest = jnp.where(alone, race.branch[jnp.argmax(ahead)], race.branch[count])
    released = race._replace(
        branch=race.branch.at[count].set(longest),
        has=jnp.where(ahead & ~alone, TIED, jnp.where(ahead | level | (has == TIED), NOTHING, has)),
        live=jnp.append(ahead & ~alone, alone),
    )
    after: _Race = jax.tree.map(lambda one, other: jnp.where(ahead.any(), one, other), released, tie)
    return after


def _settle(race: _Race) -> _Race:
    """The race begun anew where all agree: one public branch, and nobody hides another."""
    agreed = race.live[-1] & (race.live.sum() == 1) & (race.has == NOTHING).all()
    main = race.branch[-1]
    decided = race.decided + jnp.append(main, race.found - main.sum())
    return race._replace(
        branch=jnp.where(agreed, 0, race.branch),
        found=jnp.where(agreed, 0, race.found),
        decided=jnp.where(agreed, decided, race.decided),
    )


def relative_revenue(keys: Key, shares: Numeric, num_found: int = 50_000, confidence: float = 0.95) -> Estimate:
    """Each selfish pool's share of the main chain, which honest mining would make its share of the power.

    Args:
      keys: typed keys [S].
      shares: f32[K], each pool's share of the power.
      num_found: blocks found per seed.
      confidence: of the interval, in (0, 1).

    Returns:
      `Estimate` [K] of a fraction, resampling whole seeds; `theory.selfish_pools_revenue` is its limit.

    Raises:
      ValueError: as `mine`; keys without an axis of seeds; a confidence out of range.

    Source: Bai et al. 2018 (arXiv 1811.08263).
    """
    confidence = checks.confidence(confidence)
    revenue = mine_many(keys, shares, num_found)
    blocks = revenue.pools.sum(axis=1) + revenue.honest
    return estimate.share(revenue.pools, np.maximum(blocks, 1)[:, None], confidence)


def mine_many(keys: Key, shares: Numeric, num_found: int) -> PoolsRevenue:
    """`mine` for many seeds: typed keys [S] to `PoolsRevenue` of NumPy int64[S, ...]; raises what `mine` raises."""
    checks.key("keys", keys, ndim=1)
    checks.whole("num_found", num_found, low=1, high=2**30)
    revenue = _mine_many(keys, _checked_shares(shares), num_found)
    counted: PoolsRevenue = jax.tree.map(lambda leaf: np.asarray(leaf).astype(np.int64), revenue)
    return counted


@functools.partial(jax.jit, static_argnums=2)
def _mine_many(keys: Key, shares: Array, num_found: int) -> PoolsRevenue:
    return jax.vmap(lambda key: mine(key, shares, num_found))(keys)


def _checked_shares(shares: Numeric) -> Array:
    checked = checks.real("shares", shares, above=0.0, below=1.0, ndim=1)
    if not checks.is_traced(checked) and float(np.sum(checked, dtype=np.float64)) >= 1.0:
        raise ValueError(f"shares must be below 1 together, got {np.asarray(checked).tolist()}: leave others some")
    return checked


def __dir__() -> list[str]:
    return __all__
