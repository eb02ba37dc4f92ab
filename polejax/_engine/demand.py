"""Demand: the memory and time that a call of many chains takes, estimated from shapes before anything is computed."""

import jax
import numpy as np

from polejax._core import limits
from polejax._core.keys import key_of
from polejax._core.types import Tree
from polejax.consensus.scenario import Scenario, ready
from polejax.consensus.simulate import MOST_BLOCKS, whole_chain

_ROOM = 2**12  # bytes that hardly any block fills: where so many are free for each, no shapes need be traced
_POISSON = 64  # bytes of a chain at one height while block arrivals are drawn (`poisson.chain_bytes`)
_KEPT = 14  # of them, bytes that a history keeps

__all__ = ["MOST_BLOCKS", "check_demand"]


def check_demand(scenario: Scenario, num_seeds: int, num_blocks: int, method: str, keeps_blocks: bool = True) -> None:
    """Raise a ValueError if chains would take more memory, or more than a year, on this machine.

    Args:
      scenario: a single one.
      num_seeds: chains whose results are held at once.
      num_blocks: heights H of each.
      method: "rounds" or "poisson".
      keeps_blocks: whether histories are returned, and not sums alone.
    """
    count = scenario.nodes.count
    draws = float(num_seeds) * num_blocks * (count if method == "rounds" else 1)
    what = f"{num_seeds:,} chains of {num_blocks:,} blocks"
    limits.check_time(what, draws, "simulate fewer, or fewer blocks of each")
    if float(num_seeds) * (num_blocks + count) * _ROOM < limits.free_memory():
        return
    remedy = "simulate fewer blocks, or more chains in shards with polejax.study"
    if method == "poisson":
        kept = _KEPT * num_blocks * num_seeds if keeps_blocks else 8 * count * num_seeds
        limits.check_memory(what, max(kept, _POISSON * num_blocks), remedy)
        return
    per_chain, per_height = history_bytes(scenario)
    limits.check_memory(what, num_seeds * (per_chain + per_height * num_blocks), remedy)


def history_bytes(scenario: Scenario) -> tuple[int, int]:
    """Bytes of one chain's `History`: those that do not depend on its heights, and those of each height."""

    def size(num_blocks: int) -> int:
        def chain(key: jax.Array, scenario: Scenario) -> Tree:
            return whole_chain(key, ready(scenario), num_blocks, 0)

        return _bytes(jax.eval_shape(chain, key_of(0), scenario))

    one, two = size(1), size(2)
    return 2 * one - two, two - one


def _bytes(tree: Tree) -> int:
    return int(sum(np.prod(leaf.shape, dtype=np.float64) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)))
