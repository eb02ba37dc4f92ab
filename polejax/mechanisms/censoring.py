"""Censoring: what part of the blocks is decided by where a bank's curves end, and not by the protocol."""

import numpy as np

from polejax._core import checks
from polejax._core.types import Array
from polejax.consensus.nodes import AnyNodes
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.claim_rules import ClaimRules

LONGER = 2**31 - 1
"""Stands for any number of training steps beyond those of a bank's curves (`Mechanism.nameless`)."""

MOST = 0.01
"""Share of the heights up to which a bank whose curves end too early is accepted, and its blocks are marked (ours)."""


def check(bank: Bank, rules: ClaimRules, nodes: AnyNodes) -> None:
    """Raise a ValueError where a bank's curves would end too early at more than `MOST` of the heights.

    What is traced or swept is not checked: its blocks are marked (`History.censored`).
    """
    numbers = [rules.threshold, rules.margin, rules.deadline, *([] if rules.accept is None else [rules.accept])]
    arrays = [*numbers, bank.validation, bank.test, nodes.power]
    if bank.whole or any(checks.is_traced(array) for array in arrays):
        return
    if any(np.ndim(number) for number in numbers) or np.ndim(nodes.power) > 1:
        return
    passes = np.asarray(rules.passes(bank.validation, bank.test))
    share = share_of_heights(passes, bank.evaluate_every, float(rules.deadline), np.asarray(nodes.power))
    if share > MOST:
        never, count = 1 - passes.any(axis=1).mean(), nodes.count
        assert bank.max_steps is not None  # else curves are whole
        budget = f"go on to {bank.max_steps:,}" if bank.max_steps < LONGER else "go on"
        nodes_ = "node" if count == 1 else "nodes"
        raise ValueError(
            f"threshold {float(rules.threshold):.4g} is never passed by {never:.1%} of the bank's curves, which end "
            f"after {bank.num_steps:,} steps where training would {budget}; among {count:,} {nodes_} that "
            f"decides {share:.1%} of the blocks (at most {MOST:.0%}): make longer curves with "
            "learning_curves(..., num_steps=), lower the threshold, or pass censored=True to have them counted"
        )


def share_of_heights(passes: Array, evaluate_every: int, deadline: float, power: Array) -> float:
    """Share of the heights at which a node's curve ends before any node has a valid claim, from an equal start (ours).

    Of the nodes whose curves end without a claim, the most powerful node's ends first; a more powerful one that has a
    claim has it by then. So the height is decided by a curve's end if no node has a claim when the fastest curve ends.
    Delays, jitter and the time of verifying are left out.

    Args:
      passes: bool[B, K], whether a curve's evaluation is a valid claim.
      evaluate_every: steps between evaluations.
      deadline: seconds after which nodes give up in any case.
      power: f32[N], steps per second.
    """
    number = passes.shape[1]
    first = np.where(passes.any(axis=1), passes.argmax(axis=1) + 1, number + 1)
    fastest = float(power.max())
    if (number + 1) * evaluate_every / fastest > deadline:
        return 0.0
    reached = np.floor(number * (power / fastest) + 1e-6).astype(int)  # evaluations by then
    return float(np.prod([(first > count).mean() for count in reached.tolist()]))
