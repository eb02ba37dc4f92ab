"""WekaCoin: models are committed to before the test data exist for anyone, and ranked when they appear."""

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
def wekacoin(
    nodes: AnyNodes,
    network: Network,
    bank: Bank,
    training: Numeric,
    appear: Numeric,
    window: Numeric,
    *,
    appear_cv: Numeric = 0.0,
    submit: str = "best",
    ties: str = "hash",
    jitter: Numeric = 0.02,
) -> Scenario:
    """WekaCoin's Proof of Learning: commit to a model's hash, reveal it when the test data appear; the best one wins.

    Args:
      nodes: the trainers; power in training steps a second.
      network: of as many nodes.
      bank: `Bank` of learning curves, long enough for the fastest node's training.
      training: f32[], s, from the start of a competition until models must be committed to.
      appear: f32[], s, mean time from then until the test data appear, in which commitments settle and nobody trains.
      window: f32[], s, for which a node collects revealed models after the first one it hears.
      appear_cv: f32[], ratio, how much that time varies from competition to competition (log-normal), as their
        suppliers publish when they please; 0: not at all.
      submit, ties, jitter: see `TrainingPhase`.

    Raises:
      ValueError: as `TrainingPhase`, `BestInWindow` and `Scenario`; a bank too short for the training.

    Source: Bravo-Marquez, Reeves, Ugarte 2019 (DAPPCON, pp. 119-124). Read here: the abstract (distributed consensus by
    ranking machine learning systems for a task), and a survey's account (Cluster Computing 26, 2023, s. 3.3.3) of the
    commitment by hash. Not read, and left out: who proposes the block beside the winner, how validators are drawn to
    rank, and competitions that span several blocks.
    """
    checks.real("training", training, low=ranges.LEAST, high=ranges.MOST / 10)
    checks.real("window", window, low=0.0)
    checks.real("appear", appear, low=0.0)
    checks.real("appear_cv", appear_cv, low=0.0)
    mechanism = TrainingPhase(bank, training, appear, appear_cv, jitter, submit, ties)
    return Scenario(nodes, network, mechanism, BestInWindow(window))
