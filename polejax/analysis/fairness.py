"""Fairness: who wins blocks and coins, against who has the power, and how few hold the majority."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import record, static
from polejax._core.types import Array
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes, Scheduled


@record
class Fairness:
    """Shares of the canonical blocks against shares of the power, and how concentrated each is; float64."""

    win_share: Estimate  # [N]
    power_share: Array  # [N]; of power that changes along the chain: its mean over settled heights
    advantage: Estimate  # [N], win share / power share: 1 is fair; 0 of a node without power
    gini: Estimate  # of wins: 0 all equal, (N - 1) / N one takes all
    gini_power: float
    hhi: Estimate  # of wins: 1 / N all equal, 1 one takes all
    hhi_power: float
    nakamoto: Estimate  # nodes: the fewest that win most blocks
    nakamoto_power: int
    num_seeds: int = static()
    confidence: float = static()


@record
class Rewards:
    """What nodes earn by canonical blocks, block rewards and fees together; stale blocks earn nothing (no uncles)."""

    share: Estimate  # [N], of all coins
    coins_per_second: Estimate  # [N]
    fee_share: Estimate | None  # share of all coins that are fees; None: there are no fees
    num_seeds: int = static()
    confidence: float = static()


def gini(shares: Any) -> Array:
    """Gini coefficient of shares [..., N], not negative: half their mean absolute difference over their mean, [...].

    Source: Gini 1912; of mining by Srinivasan and Lee 2017, "Quantifying decentralization".
    """
    ordered = np.sort(_shares(shares), axis=-1)
    count = ordered.shape[-1]
    return np.asarray((ordered * (2 * np.arange(1, count + 1) - count - 1)).sum(axis=-1) / count)


def hhi(shares: Any) -> Array:
    """Herfindahl-Hirschman index of shares [..., N]: the sum of their squares, [...] in [1/N, 1].

    Source: Herfindahl 1950; Hirschman 1964, American Economic Review 54. Antitrust offices multiply it by 10,000.
    """
    return np.asarray((_shares(shares) ** 2).sum(axis=-1))


def nakamoto(shares: Any, majority: float = 0.5) -> Array:
    """Nakamoto coefficient of shares [..., N]: the fewest nodes that together hold more than `majority`, [...].

    Source: Srinivasan and Lee 2017, "Quantifying decentralization".
    """
    majority = float(checks.real("majority", majority, low=0.0, below=1.0, ndim=0))
    largest = -np.sort(-_shares(shares), axis=-1)
    return np.asarray(_first_above(np.cumsum(largest, axis=-1), majority))


def wins(history: History) -> tuple[Array, Array]:
    """Settled canonical blocks of each node, float64[S, N], and of all together, float64[S]; one chain is one seed."""
    return _by_producer(history, np.ones(np.shape(history.settled))), np.atleast_2d(history.settled).sum(axis=1) * 1.0


def powers(nodes: Nodes | Scheduled, num_blocks: int) -> Array:
    """Power of every node while it works on each of the heights 1 .. H, float64 [H, N] work units per second."""
    if isinstance(nodes, Nodes):
        return np.broadcast_to(np.asarray(nodes.power, dtype=np.float64), (num_blocks, nodes.count))
    nodes = jax.tree.map(jnp.asarray, nodes)
    heights = jnp.arange(1, num_blocks + 1, dtype=jnp.int32)
    return np.asarray(jax.vmap(lambda height: nodes.at(height).power)(heights), dtype=np.float64)


def power_share(nodes: Nodes | Scheduled, blocks: Array) -> Array:
    """Each node's share of the power, float64[N], on average over so many blocks [H] at each of the heights 1 .. H."""
    power = powers(nodes, len(blocks))
    return blocks @ (power / power.sum(axis=1, keepdims=True)) / np.sum(blocks)


def summarise_fairness(
    history: History, nodes: Nodes | Scheduled, majority: float = 0.5, confidence: float = 0.95
) -> Fairness:
    """Estimate on the host, in float64, how wins follow power.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      nodes: N nodes, the history's.
      majority: what the Nakamoto coefficient counts up to, in [0, 1).
      confidence: of the intervals, in (0, 1).

    Returns:
      `Fairness`. Chance alone concentrates wins: the HHI is corrected for that (the jackknife's correction, exact for
      a quadratic form of seeds of equal length), the Gini coefficient is not, but its interval's lower end allows for
      all it can be, sqrt(2/pi) times the sum of the shares' standard errors. The Nakamoto coefficient's interval holds
      every number m for which the share of the m nodes with most wins may be the first above the majority, by that
      share's interval and an allowance for their luck, the sum of the standard errors over sqrt(2 pi).

    Raises:
      ValueError: no settled height, nodes that are not the history's, or a number out of range.

    Source: Miller 1974 (Biometrika 61) for the jackknife; the intervals of Gini and Nakamoto coefficients are ours.
    """
    confidence = _checked_confidence(confidence)
    won, blocks = _settled_seeds(*wins(history))
    if nodes.count != history.num_nodes:
        raise ValueError(f"nodes must be the history's {history.num_nodes}, got {nodes.count}")
    power = power_share(nodes, np.atleast_2d(history.settled).sum(axis=0))
    share = estimate.share(won, blocks[:, None], confidence)
    value = won.sum(axis=0) / blocks.sum()
    seeds = len(blocks)
    others = estimate.left_out(won) / estimate.left_out(blocks)[:, None] if seeds > 1 else value[None]
    index, indices = hhi(value), hhi(others)
    unequal = estimate.real(gini(value), gini(others), confidence)
    if seeds > 1:
        index = seeds * index - (seeds - 1) * indices.mean()
        bias = np.sqrt(2 / np.pi) * estimate.jackknife_error(others).sum()
        unequal = Estimate(unequal.value, np.maximum(unequal.low - bias, 0.0), unequal.high)
    return Fairness(
        win_share=share,
        power_share=power,
        advantage=Estimate(*(end / np.where(power > 0, power, np.inf) for end in (share.value, share.low, share.high))),
        gini=unequal,
        gini_power=float(gini(power)),
        hhi=estimate.real(index, indices, confidence),
        hhi_power=float(hhi(power)),
        nakamoto=_nakamoto_estimate(value, others, majority, confidence),
        nakamoto_power=int(nakamoto(power, majority)),
        num_seeds=seeds,
        confidence=confidence,
    )


def summarise_rewards(
    history: History, block_reward: float, fees: Array | None = None, confidence: float = 0.95
) -> Rewards:
    """Estimate on the host, in float64, what each node earns.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      block_reward: coins a canonical block pays its producer, not negative.
      fees: float64, shaped as the history's intervals: coins of fees in each block (`polejax.service.block_fees`).
      confidence: of the intervals, in (0, 1).

    Returns:
      `Rewards`.

    Raises:
      ValueError: no settled height, coins that are negative or add up to none, fees of another shape.
    """
    confidence = _checked_confidence(confidence)
    reward = float(checks.real("block_reward", block_reward, low=0.0, ndim=0))
    shape = np.shape(history.settled)
    paid = np.zeros(shape) if fees is None else np.asarray(checks.real("fees", fees, low=0.0), dtype=np.float64)
    if paid.shape != shape:
        raise ValueError(f"fees must have the history's shape {shape}, got {paid.shape}: one number per block")
    settled = np.atleast_2d(history.settled)
    coins, blocks = _settled_seeds(_by_producer(history, reward + paid), settled.sum(axis=1))
    some = settled.any(axis=1)
    total = coins.sum(axis=1)
    if not total.sum() > 0:
        raise ValueError(f"block_reward and fees must pay some coins, got {reward:g}: raise one")
    seconds = np.where(settled, np.atleast_2d(history.interval), 0.0)[some].sum(axis=1, dtype=np.float64)
    share = _ratios(coins, total, confidence)
    return Rewards(
        share=Estimate(share.value, np.maximum(share.low, 0.0), np.minimum(share.high, 1.0)),
        coins_per_second=_ratios(coins, seconds, confidence),
        fee_share=None if fees is None else estimate.mean(total - reward * blocks, total, confidence),
        num_seeds=len(blocks),
        confidence=confidence,
    )


def _by_producer(history: History, coins: Array) -> Array:
    """What the settled blocks' producers get, float64[S, N], of coins [(S,) H] per block."""
    settled, nodes = np.atleast_2d(history.settled), history.num_nodes
    seeds = settled.shape[0]
    winner = np.atleast_2d(history.producer) + nodes * np.arange(seeds)[:, None]
    counts = np.bincount(winner[settled], np.atleast_2d(coins)[settled], minlength=seeds * nodes)
    return counts.reshape(seeds, nodes)


def _settled_seeds(parts: Array, blocks: Array) -> tuple[Array, Array]:
    some = blocks > 0
    if not some.any():
        raise ValueError("history must hold settled heights, got none: simulate more blocks")
    return parts[some], blocks[some]


def _ratios(parts: Array, wholes: Array, confidence: float) -> Estimate:
    """Estimate of parts [S, N] over wholes [S]."""
    value = parts.sum(axis=0) / wholes.sum()
    if len(wholes) < 2:
        return estimate.unknown(value)
    return estimate.real(value, estimate.left_out(parts) / estimate.left_out(wholes)[:, None], confidence)


def _nakamoto_estimate(value: Array, others: Array, majority: float, confidence: float) -> Estimate:
    order = np.argsort(-value, kind="stable")
    held = estimate.real(np.cumsum(value[order]), np.cumsum(others[:, order], axis=1), confidence)
    count = nakamoto(value, majority).astype(np.float64)[()]
    if len(others) < 2:
        return estimate.unknown(count)
    luck = estimate.jackknife_error(others).sum() / np.sqrt(2 * np.pi)  # those with most wins were lucky: at most this
    fewest, most = (_first_above(end, majority).astype(np.float64) for end in (held.high, held.low - luck))
    return Estimate(count, fewest, most)


def _first_above(held: Array, majority: float) -> Array:
    """How many must join before they hold more than the majority; of [..., N] running sums."""
    above = held > majority
    return np.where(above.any(axis=-1), above.argmax(axis=-1) + 1, held.shape[-1])


def _shares(shares: Any) -> Array:
    checks.real("shares", shares, low=0.0)
    values = np.asarray(shares, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] == 0 or not (values.sum(axis=-1) > 0).all():
        raise ValueError(f"shares must have a positive sum, got {values.tolist()}: give some node a share")
    return values / values.sum(axis=-1, keepdims=True)


def _checked_confidence(confidence: float) -> float:
    checks.real("confidence", confidence, above=0.0, below=1.0, ndim=0)
    return float(confidence)
