"""Producers: how many settled blocks, or how many coins, each node has."""

import numpy as np

from polejax._core.types import Array
from polejax.analysis.seed_tally import check_settled
from polejax.consensus.history import History


def by_producer(history: History, coins: Array) -> Array:
    """What the settled blocks' producers get, float64[S, N], of coins [(S,) H] per block."""
    settled, nodes = np.atleast_2d(history.settled), history.num_nodes
    seeds = settled.shape[0]
    winner = np.atleast_2d(history.producer) + nodes * np.arange(seeds)[:, None]
    counts = np.bincount(winner[settled], np.atleast_2d(coins)[settled], minlength=seeds * nodes)
    return counts.reshape(seeds, nodes)


def wins(history: History) -> Array:
    """Settled canonical blocks of each node, float64[S, N]; one chain is one seed."""
    return by_producer(history, np.ones(np.shape(history.settled)))


def settled_wins(history: History) -> tuple[Array, Array]:
    """Wins float64[S', N] and settled blocks float64[S'] of the S' seeds that hold a settled height.

    Raises:
      ValueError: no seed does.
    """
    check_settled(history)
    blocks = np.atleast_2d(history.settled).sum(axis=1) * 1.0
    return wins(history)[blocks > 0], blocks[blocks > 0]
