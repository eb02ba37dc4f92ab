"""Selfish mining: a pool that hides what it finds, as the state machine of its lead (Proof of Work, no delays)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, draw
from polejax._core.record import record
from polejax._core.switches import steady
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array, Key
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.attacks.decided_blocks import blocks_table

__all__ = [
    "Revenue",
    "mine",
    "mine_many",
    "relative_revenue",
]

# What a block does to the lead, and the blocks whose fate it decides: the pool's, the others', stale. Its finder is the
# pool, one of the others that would mine on the pool's branch in a tie, or one that would not.
_FATE = np.array(
    [
        [[+1, 2, 0, 1], [+1, 1, 1, 1], [+1, 0, 2, 1]],  # a tie of two branches, lead -1 (the source's state 0')
        [[+1, 0, 0, 0], [+0, 0, 1, 0], [+0, 0, 1, 0]],  # lead 0
        [[+1, 0, 0, 0], [-2, 0, 0, 0], [-2, 0, 0, 0]],  # lead 1: published, it makes a tie
        [[+1, 0, 0, 0], [-2, 2, 0, 1], [-2, 2, 0, 1]],  # lead 2: all is published and wins
        [[+1, 0, 0, 0], [-1, 1, 0, 1], [-1, 1, 0, 1]],  # more: one block is published, sure to win
    ],
    dtype=np.int32,
)


@record
class Revenue(Tabled):
    """Blocks whose fate is decided: who they belong to on the main chain, or stale. `S` seeds may lead.

    Attributes:
      pool: i32[], blocks of the pool on the main chain.
      honest: i32[], blocks of all others on the main chain.
      stale: i32[], blocks off the main chain.
    """

    pool: Array
    honest: Array
    stale: Array

    def tables(self) -> list[Table]:
        """Blocks of all seeds together."""
        return [blocks_table({"the pool": self.pool, "all others": self.honest, "stale": self.stale})]


@steady
def mine(key: Key, share: Array, tie_share: Array, num_found: int) -> Revenue:
    """Play the selfish pool's strategy over `num_found` blocks found by anyone: one `lax.scan`, one number a block.

    The pool keeps its blocks to itself. When the others find one, it publishes: everything if its lead was at most 2
    (a lead of 1 makes a tie of two branches), else one block. In a tie, `tie_share` of the others' power mines on the
    pool's branch. Blocks that the pool still hides at the end belong to nobody.

    Args:
      key: typed key; block number i folds itself in, so that a longer run begins with a shorter one.
      share: f32[], alpha, the pool's share of the power, in (0, 1). May be swept with `jax.vmap`.
      tie_share: f32[], gamma, in [0, 1]. May be swept.
      num_found: blocks found, those that become stale included; static.

    Returns:
      `Revenue`. A pure function of one key: `jax.vmap` it over seeds, or take `relative_revenue`.

    Raises:
      ValueError: a share outside (0, 1), a tie_share outside [0, 1], or no block.

    Source: Eyal and Sirer 2014 (arXiv 1311.0243), algorithm 1 and section 4.2.
    """
    checks.key("key", key)
    share, tie_share = _checked_shares(share, tie_share)
    num_found = checks.whole("num_found", num_found, low=1, high=2**30)
    chance = jnp.asarray(share), jnp.asarray(share + tie_share * (1.0 - share))

    def found(state: tuple[Array, Array], number: Array) -> tuple[tuple[Array, Array], None]:
        lead, decided = state
        uniform = draw.uniform(key, number[None])[0]
        finder = (uniform >= chance[0]).astype(jnp.int32) + (uniform >= chance[1]).astype(jnp.int32)
        fate = _fate(lead, finder)
        return (lead + fate[0], decided + fate[1:]), None

    numbers = jnp.arange(num_found, dtype=jnp.uint32)
    (_, decided), _ = jax.lax.scan(found, (jnp.int32(0), jnp.zeros(3, jnp.int32)), numbers)
    return Revenue(*decided)


def _fate(lead: Array, finder: Array) -> Array:
    """Row of `_FATE` i32[4] for a lead i32[] and a finder i32[]."""
    return jnp.asarray(_FATE)[jnp.minimum(lead + 1, 4), finder]


@steady
def relative_revenue(
    keys: Key, share: float, tie_share: float, num_found: int = 100_000, confidence: float = 0.95
) -> Estimate:
    """The selfish pool's share of the main chain, which honest mining would make `share`.

    Args:
      keys: typed keys [S].
      share: alpha, the pool's share of the power, in (0, 1); from 1/2 on the pool ends up with everything.
      tie_share: gamma, the share of the others' power that mines on the pool's block in a tie, in [0, 1].
      num_found: blocks found per seed. A run starts without a lead: the value is biased by about lead / num_found.
      confidence: of the interval, in (0, 1).

    Returns:
      `Estimate` of a fraction, resampling whole seeds; `theory.selfish_revenue` is its limit.

    Raises:
      ValueError: as `mine`; keys without an axis of seeds; a confidence out of range.

    Source: Eyal and Sirer 2014 (arXiv 1311.0243), eq. 8.
    """
    checks.key("keys", keys, ndim=1)
    checks.real("confidence", confidence, above=0.0, below=1.0, ndim=0)
    revenue = mine_many(keys, share, tie_share, num_found)
    return estimate.share(revenue.pool, np.maximum(revenue.pool + revenue.honest, 1), confidence)


@steady
def mine_many(keys: Key, share: float, tie_share: float, num_found: int) -> Revenue:
    """`mine` for many seeds: typed keys [S] to `Revenue` of NumPy int64[S]; raises what `mine` raises."""
    shares = _checked_shares(share, tie_share)
    checks.key("keys", keys, ndim=1)
    num_found = checks.whole("num_found", num_found, low=1, high=2**30)
    revenue = _mine_many(keys, *shares, num_found)
    counted: Revenue = jax.tree.map(lambda leaf: np.asarray(leaf).astype(np.int64), revenue)
    return counted


@functools.partial(jax.jit, static_argnums=3)
def _mine_many(keys: Key, share: Array, tie_share: Array, num_found: int) -> Revenue:
    return jax.vmap(lambda key: mine(key, share, tie_share, num_found))(keys)


def _checked_shares(share: Any, tie_share: Any) -> tuple[Array, Array]:
    return (
        checks.real("share", share, above=0.0, below=1.0, ndim=0),
        checks.real("tie_share", tie_share, low=0.0, high=1.0, ndim=0),
    )


def __dir__() -> list[str]:
    return __all__
