"""Simulate one chain: a pure function, which may be jitted, vmapped and sharded."""

import jax
import jax.numpy as jnp

from polejax._core import checks, limits
from polejax._core.switches import steady
from polejax._core.types import Key
from polejax.consensus import chain
from polejax.consensus.history import History, from_chain
from polejax.consensus.round import advance, genesis
from polejax.consensus.scenario import Scenario, check_one, ready

MOST_BLOCKS = 2**31 - 2**16
"""Heights that int32 counts, with those played beyond the last."""


@steady(compiled=False)
def simulate(key: Key, scenario: Scenario, num_blocks: int, keep_rounds: bool = False) -> History:
    """Simulate one chain from genesis: a `lax.scan` of rounds, then a reverse scan for the canonical blocks.

    Some heights more are played (`polejax.consensus.chain`), until all nodes agree on the H that are returned.

    Args:
      key: typed key (`jax.random.key`); heights and addresses are folded into it, so that a longer run begins with the
        blocks of a shorter one.
      scenario: nodes, network, mechanism and rules; its array fields may be swept with `jax.vmap`.
      num_blocks: number of heights H above genesis; static.
      keep_rounds: also return the records of every node at every height, arrays [H, N] (`History.rounds`); static.

    Returns:
      `History` with canonical arrays [H].

    Raises:
      ValueError: num_blocks below 1 or more than memory holds, a `key` that is not a single typed key, or a `scenario`
        that is not a single `Scenario`.
    """
    num_blocks = limits.counted("num_blocks", num_blocks, MOST_BLOCKS, "heights are counted in 32 bits")
    checks.key("key", key)
    check_one(scenario)
    checks.flag("keep_rounds", keep_rounds)
    held = 9 * scenario.nodes.count * num_blocks  # each node's source and interval at each height, and more
    limits.check_memory(f"num_blocks {num_blocks:,}", held, "use polejax.simulate_many, which carries less")
    return whole_chain(key, ready(scenario), num_blocks, chain.heights_beyond(scenario), keep_rounds)


def whole_chain(key: Key, scenario: Scenario, num_blocks: int, beyond: int, keep_rounds: bool = False) -> History:
    """What `simulate` returns, for a scenario that is `ready`, played on for `beyond` heights."""
    _, rounds = advance(key, scenario, genesis(key, scenario), num_blocks + beyond)
    everyone = jnp.arange(scenario.nodes.count, dtype=jnp.int32)
    _, published_by, canonical = chain.settle(rounds, everyone, num_blocks)
    if beyond:
        canonical, rounds = jax.tree.map(lambda leaf: leaf[:num_blocks], (canonical, rounds))
    return from_chain(scenario, published_by, canonical, rounds, keep_rounds)
