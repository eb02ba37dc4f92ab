"""The trial: one round, played abstractly, of a scenario that has parts from outside polejax."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.keys import key_of
from polejax._core.record import Record, records_in, replace
from polejax._core.types import Array
from polejax.consensus import shapes
from polejax.consensus.claims import Claims
from polejax.consensus.difficulty import Difficulty, Fixed
from polejax.consensus.elections import Elected, Election
from polejax.consensus.mechanism import Mechanism, Profile
from polejax.consensus.round import genesis, play_round
from polejax.consensus.views import Views
from polejax.network.base import Network

if TYPE_CHECKING:
    from polejax.consensus.scenario import Scenario


def foreign(scenario: "Scenario") -> list[Record]:
    """Parts of a scenario, and parts of those, whose classes are defined outside polejax; inner ones first."""
    return [part for part in records_in(scenario) if type(part).__module__.partition(".")[0] != "polejax"][::-1]


def play(scenario: "Scenario", ready: "Scenario") -> Views:
    """Play one round under `jax.eval_shape`, each part by itself first, so that errors name the part at fault.

    Args:
      scenario: as it was built.
      ready: the same, as rounds use it.

    Returns:
      The views after the round.

    Raises:
      ValueError: a part raises an error, or returns another class, type or shape than it should.
    """
    suspects = foreign(scenario) or [scenario.mechanism, scenario.network, scenario.election, scenario.difficulty]
    for part in suspects:
        if isinstance(part, Mechanism):
            _try_mechanism(part, ready)
        elif isinstance(part, Network):
            _try_network(part, ready.nodes.count)
        elif isinstance(part, Difficulty):
            _try_difficulty(part, ready)
    names = " and ".join(dict.fromkeys(type(part).__name__ for part in suspects))
    key = key_of(0)
    with blame(f"a round with {names}"):
        views = genesis(key, ready)
    for part in suspects:
        if isinstance(part, Election):
            _try_election(part, ready, views)
    with blame(f"a round with {names}"):
        after, _ = play_round(key, ready, views)
    shapes.check_alike(f"views after a round with {names}", after, views, "as before it")
    return after


@contextlib.contextmanager
def blame(what: str) -> Iterator[None]:
    """Turn any error into a ValueError of one line that names what raised it."""
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no message"]
        raise ValueError(f"{what} raised {type(error).__name__}: {lines[0]}") from error


def _try_mechanism(mechanism: Mechanism, scenario: "Scenario") -> None:
    """Check one race of a mechanism; if its fields have leading axes, as a stream's tasks have, of the first entry."""
    name, count = type(mechanism).__name__, scenario.nodes.count
    key = key_of(0)
    with blame(f"{name}.initial_difficulty"):
        axes = np.ndim(mechanism.initial_difficulty)
        mechanism = jax.tree.map(lambda leaf: jnp.asarray(leaf)[(0,) * axes], mechanism)
        initial = mechanism.initial_difficulty
    shapes.check_number(f"{name}.initial_difficulty", initial)
    with blame(f"{name}.profile"):
        profile = mechanism.profile
    if not isinstance(profile, Profile):
        raise ValueError(f"{name}.profile must be a Profile, got {shapes.word(profile)}: see polejax.mechanisms")
    with blame(f"{name}.prepare"):
        mechanism = mechanism.prepare(True)
    with blame(f"{name}.begin_branch"):
        views = genesis(key, replace(scenario, mechanism=mechanism, difficulty=Fixed()))
    shapes.check_leading(f"{name}.begin_branch", views.branch, count)
    with blame(f"{name}.race"):
        claims = mechanism.race(key, views, scenario.nodes.at(views.height), None)
    shapes.check_claims(name, claims, count, profile.hashes_tips)
    _try_memory(mechanism, views, claims)


def _try_memory(mechanism: Mechanism, views: Views, claims: Claims) -> None:
    """Check the branch states of a mechanism, and the claims that it looks up."""
    name, count = type(mechanism).__name__, claims.work.shape[0]
    if claims.reference is not None:
        fallback = jnp.zeros(count, bool)
        with blame(f"{name}.look_up"):
            evidence = mechanism.look_up(claims.reference, views.difficulty, fallback)
        shapes.check_evidence(name, evidence, claims, count)
    if views.branch is not None:
        with blame(f"{name}.extend_branch"):
            branch = mechanism.extend_branch(key_of(1), views.branch, claims.work, claims)
        shapes.check_alike(f"{name}.extend_branch", branch, views.branch, "what begin_branch returns")
        with blame(f"{name}.taken"):
            taken = mechanism.taken(views.branch)
        shapes.check_taken(f"{name}.taken", taken, count)


def _try_network(network: Network, count: int) -> None:
    """Check delays and arrivals of a network."""
    name = type(network).__name__
    with blame(f"{name}.sample"):
        network = jax.tree.map(jnp.asarray, network).sample(key_of(0))
    if not isinstance(network, Network) or network.count != count:
        got = network.count if isinstance(network, Network) else shapes.word(network)
        raise ValueError(f"{name}.sample must return a network of {count} nodes, got {got}: keep the count")
    with blame(f"{name}.delays_from"):
        delays = network.delays_from(jnp.int32(0))
    shapes.check_array(f"{name}.delays_from", delays, "f32", (count,))
    with blame(f"{name}.arrivals"):
        arrivals = network.arrivals(jnp.zeros(count))
    if not isinstance(arrivals, tuple) or len(arrivals) != 2:
        raise ValueError(f"{name}.arrivals must return arrival and source, got {shapes.word(arrivals)}: return a pair")
    shapes.check_array(f"{name}.arrivals: arrival", arrivals[0], "f32", (count,))
    shapes.check_array(f"{name}.arrivals: source", arrivals[1], "i32", (count,))


def _try_difficulty(rule: Difficulty, scenario: "Scenario") -> None:
    """Check the state and the level of a difficulty rule, before and after a block."""
    name, count = type(rule).__name__, scenario.nodes.count
    initial = jnp.ones(count)
    with blame(f"{name}.start"):
        rule = jax.tree.map(jnp.asarray, rule)
        state = rule.start(initial)
    if rule.per_branch:
        shapes.check_leading(f"{name}.start", state, count)
    with blame(f"{name}.level"):
        level = rule.level(state)
    shapes.check_array(f"{name}.level", level, "f32", (count,))
    with blame(f"{name}.extend"):
        after = rule.extend(state, initial, jnp.int32(1), jnp.int32(0))
    shapes.check_alike(f"{name}.extend", after, state, "what start returns")


def _try_election(election: Election, scenario: "Scenario", views: Views) -> None:
    """Check what an election makes of claims that are all equal."""
    name, count = type(election).__name__, scenario.nodes.count
    ones: Array = jnp.ones(count)
    claims = Claims(ones, ones, jnp.ones(count, bool))
    with blame(f"{name}.closing"):
        close = election.closing(ones, views.start)
    shapes.check_array(f"{name}.closing", close, "f32", (count,))
    network = scenario.network.sample(key_of(0))
    with blame(f"{name}.elect"):
        elected = election.elect(ones, claims, network, views)
    if not isinstance(elected, Elected):
        raise ValueError(f"{name}.elect must return Elected, got {shapes.word(elected)}: see polejax.elections")
    shapes.check_array(f"{name}.elect: close", elected.close, "f32", (count,))
    shapes.check_array(f"{name}.elect: source", elected.source, "i32", (count,))
    if elected.published is not None:
        shapes.check_array(f"{name}.elect: published", elected.published, "bool", (count,))
