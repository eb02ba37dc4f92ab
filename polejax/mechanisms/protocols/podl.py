"""Proof of Deep Learning: a fixed training phase, then the best test accuracy wins."""

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
    checks.real("training", training, low=ranges.LEAST, high=ranges.MOST / 10)
    checks.real("window", window, low=0.0)
    mechanism = TrainingPhase(bank, training, jitter=jitter, submit=submit, ties=ties)
    return Scenario(nodes, network, mechanism, BestInWindow(window))
