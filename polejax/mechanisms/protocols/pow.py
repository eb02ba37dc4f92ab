"""Proof of Work, for reference."""

from polejax._core.checked import checked
from polejax._core.types import Numeric
from polejax.consensus.difficulty import Difficulty, fixed
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.pow import PoW
from polejax.network.base import Network


@checked
def pow(nodes: AnyNodes, network: Network, work: Numeric, difficulty: Difficulty = fixed()) -> Scenario:  # noqa: B008
    """Proof of Work: the first hash below the target makes the block.

    Args:
      nodes: the miners.
      network: of as many nodes.
      work: f32[], expected hashes per block at the start.
      difficulty: the rule that moves it; fixed by default, Bitcoin's is `polejax.difficulty.bitcoin()`.

    Raises:
      ValueError: as `PoW` and `Scenario`.

    Source: Nakamoto 2008.
    """
    return Scenario(nodes, network, PoW(work), difficulty=difficulty)
