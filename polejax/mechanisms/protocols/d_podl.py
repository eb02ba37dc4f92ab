"""Distributed Proof-of-Deep-Learning: hash, training, hash."""

from typing import Any

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.types import Numeric
from polejax.consensus.difficulty import Difficulty, fixed
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.learning.recipe import Recipe
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.hash_training_hash import HashTrainingHash
from polejax.mechanisms.protocols.pole import learned
from polejax.network.base import Network


@checked
def d_podl(
    nodes: AnyNodes,
    network: Network,
    training: Bank | Recipe,
    threshold: Numeric = 0.9,
    *,
    before: Numeric,
    after: Numeric = 4.0,
    stretch: Numeric | None = None,
    difficulty: Difficulty = fixed(),  # noqa: B008
    **rules: Any,
) -> Scenario:
    """Distributed Proof-of-Deep-Learning (D-PoDL): a hash race, training to a threshold, and a hash of the model.

    The first hash gives the start of training, so that it cannot be prepared. A trained model whose own hash is not
    low enough may not be claimed: its node trains on and tries again.

    Args:
      nodes: miners; power in training steps a second.
      network: of as many nodes.
      training: `Bank` or `Recipe`: how the model learns.
      threshold: f32[], accuracy that a claim needs.
      before: f32[], mean work of the first hash race, in training steps' worth of time.
      after: f32[], trained models that are tried on average until the hash of one is low enough. The source's numbers
        could not be read.
      stretch: f32[], training steps between two tries; None: those between two evaluations. A prototype
        (github.com/vincent-stadler/dPoDL) trains another cycle of an epoch or a batch.
      difficulty: rule that moves the threshold; fixed by default.
      rules: accept, margin, deadline, jitter, verification, fallback; see `ClaimRules`.

    Raises:
      ValueError: as `HashTrainingHash`, `Replay`, `PoLe` and `Scenario`.

    Source: Su, Larangeira, Tanaka, "Provably Secure Blockchain Protocols from Distributed Proof-of-Deep-Learning". Not
    read itself; read here: two implementations that follow it. Left out: beginning from models that others published
    (model referencing, the D), and the weight-based rule of choosing branches; here the longest chain counts.
    """
    inner = learned(training, threshold=threshold, **rules)
    if stretch is not None:
        checks.real("stretch", stretch, above=0.0)
    steps = float(training.evaluate_every) if stretch is None else stretch
    return Scenario(nodes, network, HashTrainingHash(inner, before, after, steps), difficulty=difficulty)
