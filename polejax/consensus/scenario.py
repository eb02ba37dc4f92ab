"""A scenario: everything that a simulation's outcome depends on, besides its key."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.checks import is_traced
from polejax._core.record import record, replace
from polejax.consensus.difficulty import Accuracy, Asert, Ethereum, Fixed, MovingAverage, Window
from polejax.consensus.election import FirstSeen
from polejax.consensus.nodes import Nodes

_PLACES = (
    ("nodes", "power", "nodes.equal(9)"),
    ("network", "arrivals", "network.clique(9, seconds=1.0)"),
    ("mechanism", "race", "PoW(work=600.0)"),
    ("election", "elect", "FirstSeen()"),
    ("difficulty", "extend", "difficulty.window()"),
)
"""Arguments of a scenario, what tells each, and how one is made."""

_OF_WORK = (Asert, Ethereum, MovingAverage, Window)


@record
class Scenario:
    """Nodes in a network, the mechanism they follow, and the rules of the chain.

    Args:
      nodes: `Nodes`, powers and addresses of N nodes.
      network: any `Network` of N nodes (`polejax.network`).
      mechanism: any `Mechanism`: `PoW`, `HashedPoW`, `PoLe`, `Replay`.
      election: any `Election`; first seen by default.
      difficulty: any `Difficulty` controller (`polejax.difficulty`); fixed by default.
      adversary: any `Adversary` (`polejax.adversary`); None: all are honest.

    Raises:
      ValueError: an argument that is not what its place asks for, a network of another number of nodes, or a
        difficulty rule that moves accuracies where the mechanism asks for work, or the other way round.
    """

    nodes: Nodes
    network: Any
    mechanism: Any
    election: Any = FirstSeen()
    difficulty: Any = Fixed()
    adversary: Any = None

    def __post_init__(self) -> None:
        for name, method, example in _PLACES:
            value = getattr(self, name)
            if isinstance(value, type) or not hasattr(value, method):
                shown = value.__name__ if isinstance(value, type) else type(value).__name__
                raise ValueError(f"{name} must be made by the likes of polejax.{example}, got {shown}")
        if self.network.count != self.nodes.count:
            raise ValueError(
                f"network connects {self.network.count} nodes, but there are {self.nodes.count}: "
                "build both with one count"
            )
        _check_difficulty(self.mechanism, self.difficulty)
        if self.adversary is not None and not hasattr(self.adversary, "enter"):
            raise ValueError(f"adversary must be None or of polejax.adversary, got {self.adversary!r}")


def _check_difficulty(mechanism: Any, difficulty: Any) -> None:
    """Raise a ValueError where a rule for work meets an accuracy threshold, or the other way round."""
    ruled = getattr(mechanism, "idle", mechanism)  # of a task stream, the rule moves what fills its gaps alone
    rule, name = type(difficulty).__name__, type(ruled).__name__
    if isinstance(difficulty, _OF_WORK) and hasattr(ruled, "threshold"):
        raise ValueError(
            f"difficulty {rule} scales work, but {name} asks for an accuracy: use polejax.difficulty.accuracy"
        )
    if not isinstance(difficulty, Accuracy) or is_traced(ruled.initial_difficulty):
        return
    if np.any(np.asarray(ruled.initial_difficulty) > 1):
        raise ValueError(
            f"difficulty {rule} moves an accuracy, but {name} asks for work: use polejax.difficulty.window or asert"
        )


def check_one(scenario: Any) -> None:
    """Raise a ValueError unless this is one scenario, of which `jax.vmap` has taken apart what is swept."""
    if not isinstance(scenario, Scenario):
        raise ValueError(f"scenario must be a polejax.Scenario, got {type(scenario).__name__}: build one")
    swept = {"difficulty": jnp.shape(scenario.mechanism.initial_difficulty)}
    if isinstance(scenario.nodes, Nodes):
        swept["power"] = jnp.shape(scenario.nodes.power)[:-1]
    for name, shape in swept.items():
        if shape:
            raise ValueError(
                f"{name} must be of one scenario, got leading axes {shape}: use jax.vmap, or one at a time"
            )


def ready(scenario: Scenario) -> Scenario:
    """The scenario as rounds use it: its adversary at work, leaves JAX arrays, what its mechanism works out once made.

    A mechanism may have a method `prepare(difficulty_is_fixed: bool) -> Mechanism`, called before the first round; and
    `keep_brief() -> Mechanism`, the same whose claims are brief, with `recall` to make history of them
    (`polejax.replay`), called unless another mechanism is around it.
    """
    if scenario.adversary is not None:
        scenario = scenario.adversary.enter(scenario)
    scenario = jax.tree.map(jnp.asarray, scenario)
    mechanism = scenario.mechanism
    if hasattr(mechanism, "prepare"):
        mechanism = mechanism.prepare(isinstance(scenario.difficulty, Fixed))
    if hasattr(mechanism, "keep_brief"):
        mechanism = mechanism.keep_brief()
    return replace(scenario, mechanism=mechanism)
