"""Coin.AI: a threshold, and a network whose architecture is drawn from a hash."""

from typing import Any

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.types import Numeric
from polejax.consensus.difficulty import Difficulty, fixed
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.learning.recipe import Recipe
from polejax.mechanisms.architecture_spread import ArchitectureSpread
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.protocols.pole import learned
from polejax.network.base import Network


@checked
def coin_ai(
    nodes: AnyNodes,
    network: Network,
    training: Bank | Recipe,
    threshold: Numeric = 0.9,
    *,
    spread: Numeric = 0.5,
    drawn: str = "block",
    difficulty: Difficulty = fixed(),  # noqa: B008
    **rules: Any,
) -> Scenario:
    """Coin.AI: the first model above the threshold makes the block; a hash decides which network must be trained.

    Args:
      nodes: miners; power in training steps a second of an architecture of mean hardness.
      network: of as many nodes.
      training: `Bank` or `Recipe`: how one architecture learns.
      threshold: f32[], validation accuracy that a claim needs.
      spread: f32[], ratio, coefficient of variation of the time that architectures take; not found in what could be
        read, so the default is ours.
      drawn: "block": one architecture for all that build on a block, drawn from the parent's hash; "node": one for each
        node, as the hash may cover what the miner puts into its block. What could be read asks for the parent's hash
        in the problem and leaves this open.
      difficulty: rule that moves the threshold; fixed by default.
      rules: accept, margin, deadline, jitter, verification, fallback; see `ClaimRules`.

    Raises:
      ValueError: as `ArchitectureSpread`, `Replay`, `PoLe` and `Scenario`.

    Source: Baldominos, Saez 2019 (Entropy 21(8), 723; arXiv 1903.09800), ss. 4 to 6: requirements and the grammar of
    architectures. Left out: architectures that never reach the threshold, and proof of storage.
    """
    checks.real("spread", spread, low=0.0)
    spread_out = ArchitectureSpread(learned(training, threshold=threshold, **rules), spread, drawn)
    return Scenario(nodes, network, spread_out, difficulty=difficulty)
