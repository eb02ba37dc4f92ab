"""Proof of Learning, and how a preset's training comes from a bank or from a recipe."""

from typing import Any

from polejax._core.checked import checked
from polejax._core.types import Numeric
from polejax.consensus.difficulty import Difficulty, fixed
from polejax.consensus.elections import Election, FirstSeen
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.learning.recipe import Recipe
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.replay import Replay
from polejax.network.base import Network


@checked
def pole(
    nodes: AnyNodes,
    network: Network,
    training: Bank | Recipe,
    threshold: Numeric = 0.9,
    *,
    election: Election = FirstSeen(),  # noqa: B008
    difficulty: Difficulty = fixed(),  # noqa: B008
    **rules: Any,
) -> Scenario:
    """Proof of Learning (PoLe): the first model at the threshold, verified on test data, makes the block.

    Args:
      nodes: consensus nodes; power in training steps a second.
      network: of as many nodes.
      training: `Bank` of recorded curves, which nodes repeat, or `Recipe`, by which they really train.
      threshold: f32[], validation accuracy that a claim needs.
      election: which of several valid claims wins; the source leaves it open. The first one heard by default.
      difficulty: rule that moves the threshold; the source fixes it.
      rules: accept, margin, deadline, jitter, verification, fallback; see `ClaimRules`.

    Raises:
      ValueError: training that is neither, or as `Replay`, `PoLe` and `Scenario`.

    Source: Lan, Liu, Li 2020 (arXiv 2007.15145).
    """
    mechanism = learned(training, threshold=threshold, **rules)
    return Scenario(nodes, network, mechanism, election, difficulty)


def learned(training: Bank | Recipe, **rules: Any) -> Mechanism:
    """`Replay` of a bank or `PoLe` by a recipe, with claim rules; raises ValueError where it is neither."""
    if isinstance(training, Bank):
        return Replay(training, **rules)
    if not isinstance(training, Recipe):
        raise ValueError(
            f"training must be a polejax.Bank or a polejax.Recipe, got {type(training).__name__}: make a bank with "
            "polejax.learning_curves"
        )
    return PoLe(
        training.task,
        learning_rate=training.learning_rate,
        holdout=training.holdout,
        model=training.model,
        sml=training.sml,
        make_optimiser=training.make_optimiser,
        batch_size=training.batch_size,
        evaluate_every=training.evaluate_every,
        max_steps=training.max_steps,
        **rules,
    )
