"""Proof of Deep Learning: a fixed training phase, then the best test accuracy wins."""

import numpy as np

from polejax._core import checks, ranges
from polejax._core.checked import checked
from polejax._core.types import Numeric
from polejax.consensus.elections import BestInWindow
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.training_phase import TrainingPhase
from polejax.network.base import Network


@checked
def podl(
    nodes: AnyNodes,
    network: Network,
    bank: Bank,
    training: Numeric,
    window: Numeric,
    *,
    submit: str = "best",
    ties: str = "hash",
    jitter: Numeric = 0.02,
) -> Scenario:
    """Proof of Deep Learning (PoDL): all train for a fixed time, then the model with the best test accuracy wins.

    Miners commit to their models by a hash in the header before the test data are released, so that nobody trains on
    them; then they publish, and full nodes take the valid block of the best accuracy.

    Args:
      nodes: miners; power in training steps a second.
      network: of as many nodes.
      bank: `Bank` of learning curves, long enough for the fastest node's training phase.
      training: f32[], s, length of the training phase.
      window: f32[], s, for which a node collects others' models after the first one it hears; longer than the longest
        delay, or nodes choose among different models and fork.
      submit: "best" or "last" model of a node, see `TrainingPhase`; not found in what could be read.
      ties: see `TrainingPhase`; not found in what could be read.
      jitter: f32[], of the time of a step.

    Raises:
      ValueError: as `TrainingPhase`, `BestInWindow` and `Scenario`; a bank too short for the phase.

    Source: Chenli, Li, Shi, Jung 2019 (arXiv 1902.03912). Read here: the abstract, and summaries of the two phases.
    Left out, as it could not be read: how the phases' lengths are agreed on, a least accuracy, and how branches of
    unequal accuracy are weighed; here the longest chain counts.
    """
    check_length(bank, nodes, training)
    checks.real("window", window, low=0.0)
    mechanism = TrainingPhase(bank, training, jitter=jitter, submit=submit, ties=ties)
    return Scenario(nodes, network, mechanism, BestInWindow(window))


def check_length(bank: Bank, nodes: AnyNodes, seconds: Numeric) -> None:
    """Raise a ValueError if the fastest node would train beyond the bank's curves, whose accuracies nobody knows."""
    if not isinstance(bank, Bank):
        raise ValueError(f"bank must be a polejax.Bank, got {type(bank).__name__}: see polejax.learning_curves")
    checks.real("training", seconds, low=ranges.LEAST, high=ranges.MOST)
    if checks.is_traced(seconds) or checks.is_traced(nodes.power):
        return
    steps = float(np.max(seconds) * np.max(nodes.power))
    if steps > bank.num_steps:
        raise ValueError(
            f"bank must hold the {steps:.0f} steps that the fastest node takes in {float(np.max(seconds)):g} s of "
            f"training, got {bank.num_steps}: record longer curves, or train for a shorter time"
        )
