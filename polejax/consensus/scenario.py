"""Scenarios: everything that the outcome of a simulation depends on, besides its key."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, sweep
from polejax._core.differing import differing
from polejax._core.record import Record, replace
from polejax._core.switches import steady
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.consensus import trial
from polejax.consensus.adversary import Adversary
from polejax.consensus.difficulty import Difficulty, Fixed
from polejax.consensus.elections import Election, FirstSeen
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.nodes import AnyNodes, Nodes, Scheduled
from polejax.consensus.range_checks import check_ranges
from polejax.consensus.views import Views
from polejax.network.base import Network


class Scenario(Tabled, Record):
    """Nodes in a network, the mechanism they follow, and the rules of the chain.

    Attributes:
      nodes: `Nodes`, powers and addresses of N nodes, or `Scheduled` ones, whose power changes along the chain.
      network: any `Network` of N nodes (`polejax.network`).
      mechanism: any `Mechanism`: `PoW`, `HashedPoW`, `PoLe`, `Replay`, `TaskStream`, or your own.
      election: any `Election`: `FirstSeen`, `BestInWindow`, `BestAtDeadline`; first seen by default.
      difficulty: any `Difficulty` rule (`polejax.difficulty`); fixed by default.
      adversary: any `Adversary` (`polejax.attacks`); None: all nodes are honest.

    Raises:
      ValueError: an argument of the wrong kind; a network of another number of nodes; a difficulty rule for accuracies
        with a mechanism whose difficulty is work, or the reverse; work, power or delays out of float32's range
        (`polejax.consensus.range_checks`); an adversary that the other arguments do not allow;
        and, for mechanisms and networks that are not polejax's own, any error in a round (`polejax.testing`).
    """

    nodes: AnyNodes
    network: Network
    mechanism: Mechanism
    election: Election = FirstSeen()
    difficulty: Difficulty = Fixed()
    adversary: Adversary | None = None

    @steady
    def __post_init__(self) -> None:
        for name, kind, example in _PLACES:
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(f"{name} must be like polejax.{example}, got {checks.kind(value)}")
        if self.network.count != self.nodes.count:
            raise ValueError(
                f"network connects {self.network.count} nodes, but there are {self.nodes.count}: "
                "build both with one count"
            )
        asked, moved = self.mechanism.difficulty_unit, self.difficulty.unit
        if moved is not None and moved != asked:
            rule, name = type(self.difficulty).__name__, type(self.mechanism).__name__
            remedy = "accuracy" if asked == "accuracy" else "window or asert"
            raise ValueError(
                f"difficulty {rule} moves {_WORDS[moved]}, but {name} asks for {_WORDS[asked]}: "
                f"use polejax.difficulty.{remedy}"
            )
        self.mechanism.check(self.nodes)
        if self.adversary is not None:
            if not isinstance(self.adversary, Adversary):
                raise ValueError(f"adversary must be None or of polejax.attacks, got {checks.shown(self.adversary)}")
            self.adversary.check(self)
        check_ranges(self)
        if trial.foreign(self):
            _try_foreign(self)

    def tables(self) -> list[Table]:
        """What has no default, or differs from it."""
        return [differing(self, f"Scenario of {self.nodes.count:,} nodes; what is not listed is as by default")]


_WORDS = {"work": "work", "accuracy": "an accuracy"}

_PLACES: tuple[tuple[str, Any, str], ...] = (
    ("nodes", Nodes | Scheduled, "nodes.equal(9)"),
    ("network", Network, "network.clique(9, seconds=1.0)"),
    ("mechanism", Mechanism, "PoW(work=600.0)"),
    ("election", Election, "FirstSeen()"),
    ("difficulty", Difficulty, "difficulty.window()"),
)
"""Arguments of a scenario, the type of each, and an example."""


def check_one(scenario: Scenario) -> None:
    """Raise a ValueError unless this is a single scenario: swept arrays must have been split up by `jax.vmap`."""
    if not isinstance(scenario, Scenario):
        raise ValueError(f"scenario must be a polejax.Scenario, got {checks.kind(scenario)}: build one")
    sweep.check_single("", scenario)
    for name, shape in swept(scenario).items():  # of a mechanism whose fields do not declare their axes
        if shape:
            raise ValueError(
                f"{name} must be of one scenario, got leading axes {shape}: use jax.vmap, or one at a time"
            )


def swept(scenario: Scenario) -> dict[str, tuple[int, ...]]:
    """Leading axes by which a scenario shows that it is swept: of the initial difficulty, and of the nodes' power."""
    axes = {"difficulty": jnp.shape(scenario.mechanism.initial_difficulty)}
    if isinstance(scenario.nodes, Nodes):
        axes["power"] = jnp.shape(scenario.nodes.power)[:-1]
    return axes


def ready(scenario: Scenario) -> Scenario:
    """The scenario as rounds use it: the adversary's deviation built in, leaves JAX arrays, the mechanism prepared."""
    if scenario.adversary is not None:
        scenario = scenario.adversary.enter(scenario)
    scenario = jax.tree.map(jnp.asarray, scenario)
    prepared = scenario.mechanism.prepare(isinstance(scenario.difficulty, Fixed))
    return replace(scenario, mechanism=prepared)


def try_round(scenario: Scenario) -> Views:
    """Play one round of a scenario abstractly: the shapes of the views after it.

    Raises:
      ValueError: a part raises an error, or returns another class, type or shape than it should.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(scenario):
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float):
            place = jax.tree_util.keystr(path).removeprefix(".")
            raise ValueError(
                f"{place} must be an array or a number, got {checks.shown(leaf)}: declare it with polejax.static()"
            )
    try:
        views: Views = jax.eval_shape(_one_round, scenario)
        return views
    except ValueError as error:  # without what JAX notes about frames that it has left out
        raise ValueError(str(error)) from error.__cause__


def _one_round(scenario: Scenario) -> Views:
    with trial.blame("a scenario made ready"):
        prepared = ready(scenario)
    return trial.play(scenario, prepared)


def _try_foreign(scenario: Scenario) -> None:
    """Play one round abstractly of a scenario with parts from outside polejax, unless its arrays are swept."""
    with trial.blame(f"{type(scenario.mechanism).__name__}.initial_difficulty"):
        axes = swept(scenario)
    if any(axes.values()):
        return
    try:
        try_round(scenario)
    except ValueError:
        if not any(_plays(one) for one in _unswept(scenario)):
            raise


def _plays(scenario: Scenario) -> bool:
    try:
        try_round(scenario)
    except ValueError:
        return False
    return True


def _unswept(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios that this one may be a sweep of: without the leading axis of one array, or of all of one length.

    Shapes do not tell which arrays of a network, an election, a difficulty rule or an adversary are swept. In a part
    from outside polejax, an array with one entry per node is assumed not to be.
    """
    leaves, tree = jax.tree.flatten(scenario)
    of_nodes = len(jax.tree.leaves(scenario.nodes))
    kept = {
        id(leaf)
        for part in trial.foreign(scenario)
        for leaf in jax.tree.leaves(part)
        if np.shape(leaf) == (scenario.nodes.count,)
    }
    lengths = [0 if id(leaf) in kept else (*np.shape(leaf), 0)[0] for leaf in leaves]
    lengths[:of_nodes] = [0] * of_nodes
    choices = [{index} for index, length in enumerate(lengths) if length]
    choices += [{i for i, other in enumerate(lengths) if other == length} for length in sorted(set(lengths)) if length]
    for chosen in choices:
        yield jax.tree.unflatten(tree, [leaf[0] if index in chosen else leaf for index, leaf in enumerate(leaves)])


def check_count(name: str, values: Array, scenario: Scenario) -> None:
    """Raise a ValueError unless an array [..., N] of an adversary has one entry per node."""
    count, shape = scenario.nodes.count, jnp.shape(values)
    if shape[-1:] != (count,):
        raise ValueError(f"{name} must have one entry per node ({count}), got shape {shape}")
