"""Bank error: how far a statistic of replayed chains may be off because a bank holds only so many curves."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.switches import steady
from polejax._core.types import Array, Key
from polejax._engine.runner import simulate_many
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.summaries import Summary, summarise
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.bank import Bank


@checked
@steady
def bank_estimate(
    key: Key,
    scenario: Scenario,
    num_seeds: int,
    num_blocks: int,
    statistic: Callable[[Summary], Array],
    *,
    parts: int = 16,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate a statistic of `Replay` with an interval that covers the bank's own error as well as chance.

    However many blocks are replayed, they repeat the same curves, so an interval from seeds alone shrinks to the bank's
    value and not to the law's. Here the bank is split into parts that share no curve; every part gives one value,
    and the values' spread holds both errors. A part's statistic has a bias of order parts / curves (ours: batch means).

    Args:
      key: typed key.
      scenario: that replays. Every bank that it names is split alike: of its mechanism, of mechanisms within that
        (a wrapper's, a stream's tasks), and of its adversary (`polejax.attacks.Cheating`).
      num_seeds: chains in all, spread over the parts.
      num_blocks: heights of each chain.
      statistic: what to estimate, such as `lambda summary: summary.interval_cv.value`; a number or an array.
      parts: G; the interval is Student's t with G - 1 degrees of freedom.
      confidence: of the interval.

    Returns:
      `Estimate`: the mean of the parts' values and its interval. What `Summary.doubt` says of a bank whose curves end
      too early is not in it: estimate `summary.num_censored / summary.num_blocks` alike.

    Raises:
      ValueError: a scenario without a bank, fewer than 2 parts or fewer seeds or curves than parts.
    """
    checks.key("key", key)
    parts = checks.whole("parts", parts, low=2)
    num_blocks, confidence = checks.whole("num_blocks", num_blocks, low=1), checks.confidence(confidence)
    seeds = checks.whole("num_seeds", num_seeds, low=parts) // parts
    keys = jax.random.split(key, parts * seeds).reshape(parts, seeds)
    values = []
    for piece, part_keys in zip(pieces(scenario, parts), keys, strict=True):
        values.append(np.asarray(statistic(summarise(simulate_many(part_keys, piece, num_blocks)))))
    stacked = np.stack(values)
    return estimate.real(stacked.mean(axis=0), estimate.left_out(stacked) / (parts - 1), confidence)


def pieces(scenario: Scenario, parts: int) -> Iterator[Scenario]:
    """The scenario with a part of each of its banks; no two share a curve.

    Raises:
      ValueError: no bank in it, or fewer curves than parts.
    """
    if not isinstance(scenario, Scenario):
        raise ValueError(f"scenario must be a polejax.Scenario, got {type(scenario).__name__}: build one")
    leaves, tree = jax.tree.flatten(scenario, is_leaf=_is_bank)
    if not any(map(_is_bank, leaves)):
        raise ValueError(f"scenario must replay a bank, got mechanism {type(scenario.mechanism).__name__} and no bank")
    split = {place: leaf.split(parts) for place, leaf in enumerate(leaves) if _is_bank(leaf)}
    for part in range(parts):
        chosen = [split[place][part] if place in split else leaf for place, leaf in enumerate(leaves)]
        yield jax.tree.unflatten(tree, chosen)


def _is_bank(part: Any) -> bool:
    return isinstance(part, Bank)
