"""Presets of published protocols, and the laws of work that they are made of."""

import banks
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj
from polejax import theory
from polejax._core.record import replace
from polejax.consensus.elections import BestInWindow
from polejax.mechanisms import ArchitectureSpread, HashTrainingHash, TrainingPhase
from polejax.mechanisms.bank import Bank

NODES = pj.nodes.from_shares([4, 3, 2, 1], total=4.0)
NETWORK = pj.network.clique(4, 0.5)


def rising_bank(curves=64, evaluations=30, seed=0, max_steps=None):
    """Curves that rise by chance, never level, every two steps; what is held out tells which curve it is."""
    gain = np.random.default_rng(seed).uniform(0.0, 0.05, (curves, evaluations)).astype(np.float32)
    validation = np.minimum(0.1 + np.cumsum(gain, axis=1), 1.0).astype(np.float32)
    test = np.round(validation * 400) / 400
    number = np.arange(curves, dtype=np.float32)[:, None] / curves
    holdout = np.broadcast_to(number, validation.shape)
    return Bank(validation, test.astype(np.float32), np.zeros(curves, bool), 2, "{}", holdout, max_steps)


LAWS = {
    "phase": lambda: TrainingPhase(rising_bank(), 20.0),
    "spread per block": lambda: ArchitectureSpread(pj.PoW(100.0), 0.5),
    "hash, training, hash": lambda: HashTrainingHash(pj.Replay(geometric_bank(0), threshold=0.5), 3.0, 4.0, 1.0),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws_keep_the_contract(name):
    random = name != "phase"  # when its claims are made is fixed, what they claim is not
    pj.testing.check_mechanism(LAWS[name](), random=random)


def simulated(scenario, seeds=64, blocks=200):
    return pj.simulate_many(jax.random.split(jax.random.key(1), seeds), scenario, blocks)


def test_the_clock_makes_blocks_and_the_best_model_wins():
    scenario = pj.protocols.podl(NODES, NETWORK, rising_bank(), training=20.0, window=3.0)
    history = jax.jit(lambda key: pj.simulate(key, scenario, 100, keep_rounds=True))(jax.random.key(0))
    settled = np.asarray(history.settled)
    assert settled[:-6].all()
    np.testing.assert_allclose(history.interval[settled][1:], 23.0, atol=0.6)  # phase, window, and at most the delay
    assert (history.published[settled] == 4).all()
    score = np.asarray(history.rounds.blocks.score)
    np.testing.assert_array_equal(history.score[settled], score.max(axis=1)[settled])
    wins = np.bincount(np.asarray(history.producer)[settled], minlength=4)
    assert wins[0] > wins[3]  # the fastest is further on its curve
    claimed = np.asarray(history.rounds.blocks.learning.claimed)
    made = np.round(np.asarray(history.rounds.blocks.learning.holdout) * 64).astype(int)
    steps = 20.0 * np.asarray(NODES.power)  # about this far on its curve, but for the jitter
    for node in range(4):
        near = [rising_bank().validation[made[:, node], int(steps[node] / 2) + shift] for shift in (-3, 1)]
        assert ((claimed[:, node] >= near[0]) & (claimed[:, node] <= near[1])).all()


def test_the_best_model_so_far_or_the_last():
    validation = np.float32([[0.2, 0.6, 0.4, 0.6, 0.1]])
    bank = Bank(validation, validation, np.zeros(1, bool), 1, "{}")
    np.testing.assert_array_equal(TrainingPhase(bank, 1.0)._latest(), [[0, 1, 1, 1, 1]])
    np.testing.assert_array_equal(TrainingPhase(bank, 1.0, submit="last")._latest(), [[0, 1, 2, 3, 4]])


def test_equal_models_are_told_apart_by_a_hash():
    level = np.full((8, 30), 0.5, np.float32)
    bank = Bank(level, level, np.zeros(8, bool), 2, "{}")
    same = pj.nodes.equal(4, 4.0)
    history = simulated(pj.protocols.podl(same, NETWORK, bank, 20.0, 3.0), 16, 60)
    assert history.settled.mean() > 0.9
    wins = np.bincount(history.producer[history.settled], minlength=4)
    assert (abs(wins / wins.sum() - 0.25) < 5 * np.sqrt(0.1875 / wins.sum())).all()
    assert (history.score[history.settled] > 0.5).all()
    assert (history.score[history.settled] < 0.5 + 1e-4).all()


def test_a_phase_that_nobody_can_use_ends_with_first_evaluations():
    slow = pj.Scenario(pj.nodes.equal(4, 0.04), NETWORK, TrainingPhase(rising_bank(), 20.0), BestInWindow(3.0))
    history = simulated(slow, 2, 20)
    assert history.fallback.all()
    assert not history.flawed.any()


def test_spread_per_block_follows_the_law_and_per_node_shortens():
    cv = 0.75
    base = pj.Scenario(NODES, pj.network.instant(4), pj.PoW(100.0))
    found = {}
    for drawn in ("block", "node"):
        spread = replace(base, mechanism=ArchitectureSpread(pj.PoW(100.0), cv, drawn))
        found[drawn] = pj.summarise(simulated(spread, 128, 200))
    block, node = found["block"], found["node"]
    law = theory.task_spread_cv(1.0, cv)
    assert abs(block.interval_cv.value - law) < 2 * (block.interval_cv.high - block.interval_cv.low)
    assert abs(block.interval_mean.value - 25.0) < block.interval_mean.high - block.interval_mean.low
    assert node.interval_mean.value < 0.9 * 25.0
    assert node.interval_cv.value < law - 0.1


def test_hashing_before_and_after_adds_what_it_says():
    mechanism = jax.tree.map(jnp.asarray, HashTrainingHash(pj.PoW(1.0), before=30.0, after=4.0, stretch=5.0))
    added = np.asarray(mechanism.added(jax.random.key(2), jnp.arange(200_000, dtype=jnp.uint32)), np.float64)
    variance = 30.0**2 + 5.0**2 * 12.0  # of an exponential, and of failures before a success of chance 1/4
    assert added.mean() == pytest.approx(30.0 + 5.0 * 3.0, abs=5 * np.sqrt(variance / added.size))
    assert added.var() == pytest.approx(variance, rel=0.03)
    never = jax.tree.map(jnp.asarray, HashTrainingHash(pj.PoW(1.0), before=0.0, after=1.0, stretch=5.0))
    assert (np.asarray(never.added(jax.random.key(2), jnp.arange(1000, dtype=jnp.uint32))) == 0.0).all()


def test_pools_add_up_power_and_stop_to_communicate():
    miners = pj.nodes.from_shares([4, 3, 2, 1, 2], total=12.0)
    np.testing.assert_allclose(pj.protocols.pools(miners, 2).power, [8.0, 4.0], rtol=1e-6)
    np.testing.assert_allclose(pj.protocols.pools(miners, 2, 0.0).power, [8 / 3, 2.0], rtol=1e-6)
    bank = geometric_bank(0)  # one step between two evaluations
    scenario = pj.protocols.pofl(miners, pj.network.clique(2, 0.5), bank, 0.5, communication=0.5)
    np.testing.assert_allclose(scenario.nodes.power, [1 / (1 / 8 + 0.5), 1 / (1 / 4 + 0.5)], rtol=1e-6)


def test_a_check_delays_blocks_and_an_overhead_slows_them():
    checked = pj.protocols.sedulity(NODES, NETWORK, 100.0, check=4.5)
    slower = pj.protocols.pow(NODES, pj.network.clique(4, 5.0), 100.0)
    one, other = simulated(checked, 4, 100), simulated(slower, 4, 100)
    np.testing.assert_array_equal(one.producer, other.producer)
    np.testing.assert_array_equal(one.published, other.published)
    half = pj.protocols.sedulity(NODES, NETWORK, 100.0, overhead=0.5)
    np.testing.assert_allclose(half.nodes.power, np.asarray(NODES.power) / 2)


def two_tasks():
    bank = rising_bank()
    return pj.protocols.dlbc(NODES, NETWORK, [bank, bank], [12.0, 24.0], 2.0, rates=[0.02, 0.02], ranks=[1.0, 2.0])


PRESETS = {
    "coin_ai": lambda: pj.protocols.coin_ai(NODES, NETWORK, geometric_bank(0), 0.5, spread=1.0),
    "d_podl": lambda: pj.protocols.d_podl(NODES, NETWORK, geometric_bank(0), 0.5, before=2.0),
    "dlbc": two_tasks,
    "wekacoin": lambda: pj.protocols.wekacoin(NODES, NETWORK, rising_bank(), 20.0, 6.0, 3.0, appear_cv=0.5),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_make_blocks(name):
    history = simulated(PRESETS[name](), 8, 60)
    assert history.settled[:, :40].all()
    assert not history.flawed.any()
    interval = history.interval[history.settled]
    assert (interval > 0).all()
    if name == "dlbc":
        settled = history.settled & (np.arange(60) > 0)  # the first block has no window before it
        interval = history.interval[settled]
        assert (interval > 13.0).all()
        assert set(np.unique(history.taken.task[settled])) == {0, 1, 2}
        long = history.taken.task[settled] == 1
        assert interval[long].mean() == pytest.approx(26.0, abs=0.6)


def test_recipes_really_train():
    pole = banks.small_pole()
    scenario = pj.protocols.pole(NODES, NETWORK, pole.recipe, threshold=0.7)
    assert jax.tree.structure(scenario.mechanism) == jax.tree.structure(pole)
    hashed = pj.protocols.d_podl(NODES, NETWORK, pole.recipe, before=2.0)
    assert float(hashed.mechanism.stretch) == pole.recipe.evaluate_every


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: pj.protocols.podl(NODES, NETWORK, rising_bank(max_steps=999), 100.0, 3.0),
            "bank must hold the 160 steps .*got 60",
        ),
        (lambda: pj.protocols.podl(NODES, NETWORK, "digits", 10.0, 3.0), "bank must be a Bank, got str"),
        (lambda: pj.protocols.pole(NODES, NETWORK, None), "training must be a Bank or a Recipe"),
        (lambda: TrainingPhase(rising_bank(), 0.0), "seconds must be above 0, got 0"),
        (lambda: TrainingPhase(rising_bank(), 1.0, submit="any"), "submit must be"),
        (lambda: ArchitectureSpread(pj.PoW(1.0), -1.0), "cv must be at least 0, got -1"),
        (lambda: ArchitectureSpread("PoW", 1.0), "mechanism must be like polejax.Replay, got str"),
        (lambda: HashTrainingHash(pj.PoW(1.0), 1.0, 0.5, 1.0), "after must be at least 1, got 0.5"),
        (lambda: ArchitectureSpread(two_tasks().mechanism, 0.5), "mechanism must keep nothing of a branch"),
        (lambda: pj.protocols.pools(NODES, 5), "count must be"),
        (lambda: pj.protocols.sedulity(NODES, NETWORK, 1.0, overhead=1.0), "overhead must be at least 0 and below 1"),
        (lambda: pj.protocols.dlbc(NODES, NETWORK, [rising_bank()], [1.0, 2.0], 1.0, [1.0], [1.0]), "of one length"),
        (
            lambda: pj.protocols.pofl(NODES, pj.network.instant(2), rising_bank(), communication=0.0, phase=9.0),
            "phase needs a bank and a window",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
