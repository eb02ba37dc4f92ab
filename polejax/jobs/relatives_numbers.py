"""What is measured of each protocol of `polejax.jobs.relatives`, on the whole bank of learning curves or on a part."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from polejax import network
from polejax._core.record import replace
from polejax._core.types import Array, Key
from polejax._engine.runner import simulate_many
from polejax.analysis.cost import cost
from polejax.analysis.fairness_exponent import fairness_exponent
from polejax.analysis.power import power_share
from polejax.analysis.service_at_loads import latency_mean, service_at_loads
from polejax.analysis.summaries import summarise
from polejax.analysis.winners_curse import winners_curse
from polejax.attacks.double_spend import overtakes
from polejax.consensus import nodes
from polejax.consensus.elections import FirstSeen
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes
from polejax.consensus.round import genesis
from polejax.consensus.scenario import Scenario, ready
from polejax.jobs.relatives_presets import Preset
from polejax.mechanisms.hash_training_hash import HashTrainingHash
from polejax.mechanisms.task_stream import TaskStream

LOAD = 0.9
ATTACKERS, CONFIRMATIONS = (0.1, 0.3), (1, 6)
RISKS = tuple((share, depth) for share in ATTACKERS for depth in CONFIRMATIONS)
_USERS, _USEFUL, _PUBLIC, _PRIVATE = 2, 3, 16, 17  # folded into the key


class Counts(NamedTuple):
    """Hits of trials, float64 of one shape."""

    hits: Array
    trials: Array


class Side(NamedTuple):
    """The whole bank's chains, or a part's.

    Attributes:
      scenario: with the whole bank or the part.
      keys: typed keys [G, S / G] of all chains; a part simulates its own row of them, the whole all.
      part: number of the part; -1: the whole.
    """

    scenario: Scenario
    keys: Key
    part: int

    def simulate(self, blocks: int, scenario: Scenario | None = None, keys: Key | None = None) -> History:
        """All chains of this scenario, or of another beside it with keys of its own; a row at a time: one program."""
        every = self.keys if keys is None else keys
        rows = every if self.part < 0 else every[self.part : self.part + 1]
        found = [simulate_many(row, scenario or self.scenario, blocks) for row in rows]
        joined: History = jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)
        return joined


class Numbers(NamedTuple):
    """What was measured; see `relatives.Row`. None where there is no such number, which `why` explains."""

    interval: float
    cv: float
    stale: Counts
    exponent: float
    risks: Counts | None
    latency: float | None
    accuracy: float | None
    useful: float
    why: dict[str, str]


def numbers_of(preset: Preset, side: Side, blocks: int, key: Key, horizon: int, capacity: int) -> Numbers:
    """Simulate a side of a preset and measure it; arguments as of `relatives.run`."""
    why: dict[str, str] = {}
    history = side.simulate(blocks)
    summary = summarise(history)
    published = np.float64((history.published * history.settled).sum())
    return Numbers(
        interval=float(summary.interval_mean.value),
        cv=float(summary.interval_cv.value),
        stale=Counts(published - history.settled.sum(), published),
        exponent=float(fairness_exponent(history, preset.miners).value),
        risks=_risks(preset, side, blocks, key, horizon, why),
        latency=_latency(
            history, jax.random.fold_in(jax.random.fold_in(key, 16 + _USERS), side.part + 1), capacity, why
        ),
        accuracy=_accuracy(preset, history, why),
        useful=_useful(preset, side.scenario, history, jax.random.fold_in(key, 16 + _USEFUL)),
        why=why,
    )


def _risks(preset: Preset, side: Side, blocks: int, key: Key, horizon: int, why: dict[str, str]) -> Counts | None:
    """Double spends [of `RISKS`] and tries: honest nodes with the rest of the power, one node with the attacker's."""
    if preset.unraced:
        why["risks"] = preset.unraced
        return None
    won = []
    for number, share in enumerate(ATTACKERS):
        power = np.asarray(side.scenario.nodes.power, np.float64)
        rest = Nodes((power * (1.0 - share)).astype(np.float32), side.scenario.nodes.address)
        attacker = nodes.equal(1, share * float(power.sum()))
        private = replace(side.scenario, nodes=attacker, network=network.instant(1))
        chains = []
        for which, played in ((_PUBLIC, replace(side.scenario, nodes=rest)), (_PRIVATE, private)):
            own = jax.random.fold_in(jax.random.fold_in(key, 16 + which), number)
            every = jax.random.split(own, side.keys.size).reshape(side.keys.shape)
            interval = side.simulate(blocks, played, every).interval
            chains.append(interval[:, : blocks // horizon * horizon].reshape(-1, horizon))
        won.append(overtakes(chains[0], chains[1], list(CONFIRMATIONS)))  # [races, Z]
    hits = np.concatenate([one.sum(axis=0) for one in won]).astype(np.float64)
    return Counts(hits, np.full(len(RISKS), len(won[0]), np.float64))


def _latency(history: History, key: Key, capacity: int, why: dict[str, str]) -> float | None:
    """Mean latency at `LOAD`, s; None where the chains are too short."""
    served = service_at_loads(key, {"": history}, loads=(LOAD,), capacity=capacity)
    found = served.summaries[""][LOAD]
    if found is None:
        why["latency"] = f"needs {served.needed[''][LOAD]:,} blocks a chain"
        return None
    return float(latency_mean(found).value)


def _accuracy(preset: Preset, history: History, why: dict[str, str]) -> float | None:
    """Winners' accuracy on untouched data."""
    if not preset.learns:
        why["accuracy"] = "a block is bound to no model's accuracy"
    elif history.learning is None or history.learning.holdout is None:
        why["accuracy"] = "the bank has no holdout: see polejax.tasks.hold_out"
    else:
        return float(winners_curse(history).holdout.value)
    return None


def _useful(preset: Preset, scenario: Scenario, history: History, key: Key) -> float:
    """The winners' own training, as a share of all work."""
    if not isinstance(scenario.election, FirstSeen):
        return preset.trains * _winners_power(scenario, history)
    share = cost(history, scenario, top=1).winner_share
    assert share is not None  # fixed delays, first seen, nobody deviates
    return preset.trains * float(share.value) * _training_part(scenario, key)


def _winners_power(scenario: Scenario, history: History) -> float:
    """Of phases in which all train equally long: the winners' share of the power, longer phases counting more."""
    settled, mechanism = history.settled, scenario.mechanism
    share = power_share(scenario.nodes, settled.sum(axis=0))[history.producer]
    weight = settled.astype(np.float64)
    if isinstance(mechanism, TaskStream):
        assert history.taken is not None
        phases = np.append(mechanism.tasks.initial_difficulty, mechanism.idle.initial_difficulty)
        weight = weight * phases[history.taken.task]
    return float((share * weight).sum() / weight.sum())


def _training_part(scenario: Scenario, key: Key, rounds: int = 4_096) -> float:
    """Of the work of those who finish first, the part that is training; 1 where nobody hashes."""
    if not isinstance(scenario.mechanism, HashTrainingHash):
        return 1.0

    def first(key: Key, scenario: Scenario) -> tuple[Array, Array]:
        views, mechanism = genesis(key, scenario), scenario.mechanism
        assert isinstance(mechanism, HashTrainingHash)
        racing = scenario.nodes.at(views.height)
        claims = mechanism.race(key, views, racing, None)
        winner = jnp.argmin(jnp.where(claims.valid, racing.seconds(claims.work), jnp.inf))
        hashing = replace(mechanism, after=jnp.float32(1.0)).added(key, racing.address)
        return claims.work[winner], hashing[winner]

    made = ready(scenario)
    work, hashing = jax.jit(jax.vmap(first, in_axes=(0, None)))(jax.random.split(key, rounds), made)
    return float(1.0 - np.asarray(hashing, np.float64).sum() / np.asarray(work, np.float64).sum())
