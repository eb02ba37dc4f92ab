"""Proof of Learning among its relatives: published protocols on one engine, at one mean interval, in one table."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from polejax import network
from polejax._core import checks
from polejax._core.progress import Callback, Meter
from polejax._core.record import replace
from polejax._core.types import Array, Key
from polejax._engine.runner import simulate_many
from polejax.analysis import estimate
from polejax.analysis.cost import cost
from polejax.analysis.estimate import Estimate
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
from polejax.jobs.relatives_presets import NAMES, Build, Preset, Setting, tuned
from polejax.mechanisms.bank import Bank, join
from polejax.mechanisms.hash_training_hash import HashTrainingHash
from polejax.mechanisms.task_stream import TaskStream
from polejax.studies.bank_error import check_parts

LOAD = 0.9
ATTACKERS, CONFIRMATIONS = (0.1, 0.3), (1, 6)
RISKS = tuple((share, depth) for share in ATTACKERS for depth in CONFIRMATIONS)
_PUBLIC, _PRIVATE, _USERS, _USEFUL = range(4)  # folded into the key


class Row(NamedTuple):
    """One protocol's numbers; each `Estimate` [] or None where the protocol has no such number, which `why` explains.

    Attributes:
      name: of the protocol.
      source: who published it.
      interval: s, mean canonical interval.
      cv: ratio, of the interval.
      stale: share, stale / all published blocks; where the best model wins, those that lose count, not forks alone.
      exponent: ratio, of win share = power^k (`analysis.fairness_exponent`); of PoFL, of pools.
      risks: by the attacker's share of the power and the confirmations, chance of a double spend by a private chain of
        one node that is one block ahead at the payment.
      latency: s, mean, to the first confirmation at 0.9 of the chain's own capacity.
      accuracy: fraction, of winners' models on samples that decided nothing.
      useful: share of all nodes' work that trained the models on the chain.
      why: by field name, why it is None, or what else to know of it.
    """

    name: str
    source: str
    interval: Estimate
    cv: Estimate
    stale: Estimate
    exponent: Estimate
    risks: dict[tuple[float, int], Estimate | None]
    latency: Estimate | None
    accuracy: Estimate | None
    useful: Estimate | None
    why: dict[str, str]


def run(
    bank: Bank,
    seeds: int,
    blocks: int,
    key: Key,
    *,
    threshold: float = 0.9,
    miners: Nodes | None = None,
    delay: float = 2.0,
    parts: int = 8,
    horizon: int = 64,
    capacity: int = 1_000,
    chosen: Sequence[str] = NAMES,
    progress: Callback = lambda told: None,
) -> list[Row]:
    """Tune every preset to PoLe's mean interval, simulate it, and measure it.

    Args:
      bank: `Bank` of curves, best with a holdout.
      seeds: chains of each protocol, spread over the parts.
      blocks: heights of each; latencies need some 500.
      key: typed key.
      threshold: validation accuracy that PoLe asks for.
      miners: of unequal power; None: 16, log-normal with sigma 0.5, one training step a second on average.
      delay: s, from any node to any other.
      parts: G, at least 2; each replays a part of the bank, so that the parts' scatter holds the bank's error as well
        as chance. Intervals are Student's t with G - 1 degrees of freedom. A part has at
        least 16 curves a node: with so many its CV is 4% too small, measured on the digits (see `bank_estimate`).
      horizon: blocks of a race of a private against the public chain, of which a chain gives blocks / horizon.
      capacity: transactions per block.
      chosen: names of protocols, of `relatives_presets.NAMES`; PoLe, to whose interval they are tuned, is always first.
      progress: called with `Progress` in protocols.

    Returns:
      One `Row` per protocol, PoLe first.

    Raises:
      ValueError: a number out of range, fewer seeds or curves than parts, a horizon beyond the blocks, or a bank whose
        curves do not reach the threshold.
    """
    checks.key("key", key)
    parts = checks.whole("parts", parts, low=2)
    each = checks.whole("seeds", seeds, low=parts) // parts
    blocks = checks.whole("blocks", blocks, low=2 * max(CONFIRMATIONS))
    checks.whole("horizon", horizon, low=max(CONFIRMATIONS) + 1, high=blocks)
    for name in chosen:
        checks.one_of("chosen", name, NAMES)
    if not isinstance(bank, Bank):
        raise ValueError(f"bank must be a polejax.Bank, got {type(bank).__name__}: see polejax.learning_curves")
    reached = bank.share_reaching(float(checks.real("threshold", threshold, low=0.0, high=1.0, ndim=0)))
    if reached < 0.99:
        raise ValueError(f"bank must reach the threshold {threshold:g}, got {reached:.0%} of its curves: lower it")
    shared = Setting(miners or nodes.lognormal(16, 0.5, total=16.0), delay, threshold, bank)
    check_parts(bank, parts, shared.nodes.count, least=16)
    banks = [join([piece] * parts) for piece in bank.split(parts)]  # tiled: all of one shape, so of one program
    whole = join(bank.split(parts))
    keys = jax.random.split(jax.random.fold_in(key, _PUBLIC), parts * each).reshape(parts, each)

    def mean_interval(build: Build) -> float:
        history = simulate_many(keys[0], build(whole), blocks)
        return float(history.interval[history.settled].mean(dtype=np.float64))

    presets = tuned(shared, mean_interval, chosen)
    meter = Meter(progress, len(presets), "protocols", label="relatives")
    rows: list[Row] = []
    for preset in presets:
        scenarios = [preset.build(piece) for piece in banks]
        histories = [simulate_many(*pair, blocks) for pair in zip(keys, scenarios, strict=True)]
        row = _measured(preset, scenarios, histories, key, horizon, capacity)
        if rows and abs(row.interval.value / rows[0].interval.value - 1.0) > 0.05:
            row.why["interval"] = "its rule reaches no mean interval closer to the others', with this bank"
        rows.append(row)
        meter.add(1)
    return rows


def _measured(
    preset: Preset, scenarios: Sequence[Scenario], histories: Sequence[History], key: Key, horizon: int, capacity: int
) -> Row:
    """The row of a preset, from its parts' histories."""
    why: dict[str, str] = {}
    summaries = [summarise(history) for history in histories]
    stale = [np.array([(one.published * one.settled).sum() - one.settled.sum()]) for one in histories]
    published = [np.array([(one.published * one.settled).sum()]) for one in histories]
    exponents = [fairness_exponent(history, preset.miners).value for history in histories]
    return Row(
        preset.name,
        preset.source,
        interval=_over([found.interval_mean.value for found in summaries], low=0.0),
        cv=_over([found.interval_cv.value for found in summaries], low=0.0),
        stale=estimate.share(np.concatenate(stale), np.concatenate(published), 0.95),
        exponent=_over(exponents),
        risks=_risks(preset, scenarios, histories, key, horizon, why),
        latency=_latency(histories, key, capacity, why),
        accuracy=_accuracy(preset, histories, why),
        useful=_useful(preset, scenarios, histories, key),
        why=why,
    )


def _over(values: Sequence[Array | float] | Array, low: float = -np.inf, high: float = np.inf) -> Estimate:
    """The mean of the parts' values with its 95% interval, cut to what is possible."""
    found = np.asarray(values, np.float64)
    one = estimate.real(found.mean(), estimate.left_out(found) / (len(found) - 1), 0.95)
    return estimate.within(one, low, high)


def _risks(
    preset: Preset,
    scenarios: Sequence[Scenario],
    histories: Sequence[History],
    key: Key,
    horizon: int,
    why: dict[str, str],
) -> dict[tuple[float, int], Estimate | None]:
    """Chances of double spends: the honest nodes with the rest of the power, against one node with the attacker's."""
    if preset.unraced:
        why["risks"] = preset.unraced
        return dict.fromkeys(RISKS)
    found: dict[tuple[float, int], Estimate | None] = {}
    each, blocks = np.shape(histories[0].interval)
    for number, share in enumerate(ATTACKERS):
        won = []
        for part, scenario in enumerate(scenarios):
            power = np.asarray(scenario.nodes.power, np.float64)
            rest = Nodes((power * (1.0 - share)).astype(np.float32), scenario.nodes.address)
            attacker = nodes.equal(1, share * float(power.sum()))
            private = replace(scenario, nodes=attacker, network=network.instant(1))
            chains = []
            for side, played in ((_PUBLIC, replace(scenario, nodes=rest)), (_PRIVATE, private)):
                seed = jax.random.fold_in(jax.random.fold_in(key, 16 + side), 64 * number + part)
                interval = simulate_many(jax.random.split(seed, each), played, blocks).interval
                chains.append(interval[:, : blocks // horizon * horizon].reshape(-1, horizon))
            won.append(overtakes(chains[0], chains[1], list(CONFIRMATIONS)))
        hits = np.array([one.sum(axis=0) for one in won], np.float64)  # [G, Z]
        tried = np.array([[len(one)] for one in won], np.float64)
        chance = estimate.share(hits, tried, 0.95)
        for place, depth in enumerate(CONFIRMATIONS):
            found[share, depth] = Estimate(chance.value[place], chance.low[place], chance.high[place])
    return found


def _latency(histories: Sequence[History], key: Key, capacity: int, why: dict[str, str]) -> Estimate | None:
    """Mean latency at `LOAD`, None where the chains are too short."""
    means = []
    for part, history in enumerate(histories):
        users = jax.random.fold_in(jax.random.fold_in(key, 16 + _USERS), part)
        served = service_at_loads(users, {"": history}, loads=(LOAD,), capacity=capacity)
        found = served.summaries[""][LOAD]
        if found is None:
            why["latency"] = f"needs {served.needed[''][LOAD]:,} blocks a chain"
            return None
        means.append(latency_mean(found).value)
    return _over(means, low=0.0)


def _accuracy(preset: Preset, histories: Sequence[History], why: dict[str, str]) -> Estimate | None:
    """Winners' accuracy on untouched data."""
    if not preset.learns:
        why["accuracy"] = "a block is bound to no model's accuracy"
    elif histories[0].learning is None or histories[0].learning.holdout is None:
        why["accuracy"] = "the bank has no holdout: see polejax.tasks.hold_out"
    else:
        return _over([winners_curse(history).holdout.value for history in histories], 0.0, 1.0)
    return None


def _useful(preset: Preset, scenarios: Sequence[Scenario], histories: Sequence[History], key: Key) -> Estimate:
    """The winners' own training, as a share of all work."""
    values = []
    for scenario, history in zip(scenarios, histories, strict=True):
        if not isinstance(scenario.election, FirstSeen):
            values.append(_winners_power(scenario, history))
            continue
        share = cost(history, scenario, top=1).winner_share
        assert share is not None  # fixed delays, first seen, nobody deviates
        values.append(float(share.value) * _training_part(scenario, jax.random.fold_in(key, 16 + _USEFUL)))
    return _over(preset.trains * np.array(values), 0.0, 1.0)


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
