"""SEDULity: useful work without memory, whose blocks are checked quickly first and fully later."""

import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import replace
from polejax._core.types import Numeric
from polejax.consensus.difficulty import Difficulty, fixed
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.pow import PoW
from polejax.network.base import Network
from polejax.network.verified import verified


@checked
def sedulity(
    nodes: Nodes,
    network: Network,
    work: Numeric,
    *,
    check: Numeric = 0.0,
    overhead: float = 0.0,
    difficulty: Difficulty = fixed(),  # noqa: B008
) -> Scenario:
    """SEDULity: a block is encoded into training, and a useful function of it replaces the hash puzzle.

    Each step of training has the same small chance of giving a block, whatever was trained before, so that work is
    exponential and the chain is Proof of Work's; a block is not bound to any accuracy. Verification comes in stages:
    what every node checks before it passes a block on delays the block; the full verification of the training, by
    whoever is paid for it, comes later and delays nothing.

    Args:
      nodes: miners; power in training steps a second.
      network: of as many nodes.
      work: f32[], expected training steps per block at the start.
      check: f32[], s, that the first stage takes at each node, added to every delay.
      overhead: share of the power, in [0, 1), that the encoding and the useful function take from training.
      difficulty: the rule that moves `work`; fixed by default.

    Raises:
      ValueError: an overhead outside [0, 1), and as `PoW`, `polejax.network.verified` and `Scenario`.

    Source: Cao, Doger, Ulukus 2025 (arXiv 2512.13666). Read here: the abstract. That work is without memory, and that a
    stage of verification comes before a block is passed on, are readings of it; how long a check takes and what the
    encoding costs could not be read, so both are arguments.
    """
    share = float(checks.real("overhead", overhead, low=0.0, below=1.0, ndim=0))
    if not isinstance(nodes, Nodes):
        raise ValueError(f"nodes must be polejax.nodes.Nodes, got {type(nodes).__name__}: their power is rescaled")
    checks.real("check", check, low=0.0)
    slowed = replace(nodes, power=np.float32(1.0 - share) * nodes.power)
    return Scenario(slowed, verified(network, check), PoW(work), difficulty=difficulty)
