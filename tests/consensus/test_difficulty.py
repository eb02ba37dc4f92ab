"""Difficulty: controllers along canonical chains against their rules in NumPy, and their stationary laws."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import polejax as pj
from polejax import theory
from polejax._core import draw
from polejax.consensus import difficulty, nodes


class Training(pj.Mechanism):
    """A toy law of learning: the nearer the threshold to 1, the longer it takes; steadier than Proof of Work."""

    threshold: Any
    difficulty_unit: ClassVar[str] = "accuracy"

    @property
    def initial_difficulty(self):
        return self.threshold

    def race(self, key, views, nodes, listening=None):
        work = -40.0 * jnp.log1p(-views.difficulty) * jnp.exp(0.3 * draw.normal(key, nodes.address))
        return pj.Claims(work, jnp.ones_like(work), jnp.ones(work.shape, bool))


def simulate(controller, num_seeds, num_blocks, *, mechanism=None, nodes=None, delay=0.0, seed=0):
    """Histories of `num_seeds` chains, as NumPy arrays in float64."""
    nodes = nodes or pj.nodes.equal(1)
    network = pj.network.clique(nodes.count, delay)
    scenario = pj.Scenario(nodes, network, mechanism or pj.PoW(work=600.0), difficulty=controller)
    run = jax.jit(jax.vmap(lambda key: pj.simulate(key, scenario, num_blocks)))
    history = run(jax.random.split(jax.random.key(seed), num_seeds))
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), history)


def z_score(statistic, expected):
    """Standard errors between the mean over seeds of a statistic [S] and what it should be."""
    return (statistic.mean() - expected) / (statistic.std(ddof=1) / np.sqrt(statistic.size))


def window_rule(level, intervals, blocks, target, clamp):
    """Difficulties by Bitcoin Core's own words: every `blocks` heights, from the window's first block to its last."""
    time, levels = np.concatenate([[0.0], np.cumsum(intervals)]), []
    for height in range(1, intervals.size + 1):
        if height % blocks == 0:
            span = time[height - 1] - time[height - blocks]
            level *= np.clip(blocks * target / span, 1 / clamp, clamp)
        levels.append(level)
    return np.array(levels)


def ethereum_rule(level, intervals, published, step, gain, uncles):
    levels = [level]
    for height in range(1, intervals.size):  # of the block whose child's difficulty it is
        named = uncles and height > 1 and published[height - 2] > 1
        level *= 1 + gain * max(1 + named - np.floor(intervals[height - 1] / step), -99)
        levels.append(level)
    return np.array(levels)


def asert_rule(level, intervals, target, half_life):
    late = np.concatenate([[0.0], np.cumsum(intervals - target)[:-1]])
    return level * 2.0 ** (-late / half_life)


def ema_rule(level, intervals, target, blocks):
    return level / np.concatenate([[1.0], np.cumprod(1 + (intervals / target - 1) / blocks)[:-1]])


RULES = {
    "window": (difficulty.window(10, 30.0, clamp=1.5), lambda x, p: window_rule(30.0, x, 10, 30.0, 1.5)),
    "homestead": (difficulty.homestead(gain=0.01), lambda x, p: ethereum_rule(30.0, x, p, 10.0, 0.01, False)),
    "byzantium": (difficulty.byzantium(gain=0.01), lambda x, p: ethereum_rule(30.0, x, p, 9.0, 0.01, True)),
    "asert": (difficulty.asert(30.0, 900.0), lambda x, p: asert_rule(30.0, x, 30.0, 900.0)),
    "ema": (difficulty.ema(30.0, 20.0), lambda x, p: ema_rule(30.0, x, 30.0, 20.0)),
}


@pytest.mark.parametrize("name", RULES)
def test_each_branch_carries_its_own_difficulty(name):
    # A third of the heights fork, so that a controller that looked at another branch would be seen.
    controller, rule = RULES[name]
    history = simulate(controller, 8, 300, mechanism=pj.PoW(work=30.0), nodes=pj.nodes.equal(6), delay=8.0)
    assert (history.published > 1).mean() > 0.1
    for interval, published, level in zip(history.interval, history.published, history.difficulty, strict=True):
        np.testing.assert_allclose(level, rule(interval, published), rtol=2e-4)


@pytest.mark.parametrize("off_by_one", [True, False])
def test_window_intervals_are_lomax(off_by_one):
    controller = difficulty.window(10, 30.0, clamp=np.inf, off_by_one=off_by_one)
    history = simulate(controller, 4_096, 60, mechanism=pj.PoW(work=30.0), seed=1)
    measured = 9 if off_by_one else 10
    last = history.interval[:, -1]
    assert stats.kstest(last, lambda x: 1 - theory.retarget_survival(x, 10, 30.0, measured)).pvalue > 1e-5
    mean = theory.retarget_mean(10, 30.0, measured)
    spread = theory.retarget_cv(10, measured)
    settled = history.interval[:, 20:]
    assert abs(z_score(settled.mean(axis=1), mean)) < 5
    square = mean**2 * (1 + spread**2)
    assert abs(z_score((settled**2).mean(axis=1), square)) < 5
    if off_by_one:
        assert mean == pytest.approx(37.5)
        assert spread == pytest.approx(1.1339, abs=1e-4)


def test_bitcoin_retargets_as_bitcoin_core_does():
    # Bitcoin Core, pow_tests.cpp, get_next_work: block 32255 at 1262152739, its window's first at 1261130161,
    # bits 0x1d00ffff -> 0x1d00d86a.
    bitcoin = difficulty.bitcoin()
    state = bitcoin.start(jnp.ones(1))
    state = bitcoin.extend(state, jnp.full(1, 1262152739.0 - 1261130161.0), jnp.int32(2015), jnp.int32(0))
    np.testing.assert_allclose(bitcoin.level(state), 0x00FFFF / 0x00D86A, rtol=1e-4)
    slow = bitcoin.extend(bitcoin.start(jnp.ones(1)), jnp.full(1, 1e9), jnp.int32(2015), jnp.int32(0))
    np.testing.assert_allclose(bitcoin.level(slow), 0.25)


def test_homestead_settles_at_ten_over_log_two():
    history = simulate(difficulty.homestead(), 512, 2_000, mechanism=pj.PoW(work=10 / np.log(2)), seed=2)
    assert theory.ethereum_interval() == pytest.approx(14.427, abs=1e-3)
    assert abs(z_score(history.interval.mean(axis=1), theory.ethereum_interval())) < 5
    # It comes from anywhere: the difficulty's pull is towards the same mean.
    off = simulate(difficulty.homestead(gain=0.01), 256, 1_000, mechanism=pj.PoW(work=60.0), seed=3)
    assert off.interval[:, 600:].mean() == pytest.approx(theory.ethereum_interval(), rel=0.02)


def test_asert_keeps_its_schedule():
    history = simulate(difficulty.asert(600.0, 7_200.0), 256, 2_000, mechanism=pj.PoW(work=2_400.0), seed=4)
    late = history.interval.sum(axis=1) - 600.0 * 2_000
    assert abs(late - 7_200.0 * 2).max() < 12 * 7_200.0  # two half-lives behind, after a start four times too hard
    assert history.interval[:, 100:].mean() == pytest.approx(600.0, rel=0.01)


def test_ema_averages_reciprocal_difficulties():
    history = simulate(difficulty.ema(600.0, 20.0), 1_024, 400, seed=5)
    relative = 600.0 / history.difficulty[:, 200:]
    assert abs(z_score(relative.mean(axis=1), 1.0)) < 5
    assert abs(z_score(((relative - 1.0) ** 2).mean(axis=1), 1 / (2 * 20 - 1))) < 5


def test_the_accuracy_threshold_steers_the_mean_interval_within_its_bounds():
    controller = difficulty.accuracy(120.0, gain=0.1, low=0.1, high=0.99)
    history = simulate(controller, 128, 1_500, mechanism=Training(0.5), seed=6)
    settled = history.interval[:, 300:]
    # The logit moved by gain times the sum of 1 - interval / target, which is bounded.
    assert abs((1 - settled / 120.0).sum(axis=1)).max() < 2 * 12.0 / 0.1
    assert settled.mean() == pytest.approx(120.0, rel=0.005)
    assert history.difficulty.min() > 0.1
    assert history.difficulty.max() < 0.99
    # The law's own answer: -40 log(1 - a) exp(0.3^2 / 2) = 120, but for the threshold's own fluctuation.
    assert history.difficulty[:, 300:].mean() == pytest.approx(1 - np.exp(-3 / np.exp(0.045)), abs=0.01)


@pytest.mark.parametrize(("target", "bound"), [(1e6, 0.9), (1e-3, 0.2)])
def test_a_target_out_of_reach_leaves_the_threshold_at_a_bound(target, bound):
    controller = difficulty.accuracy(target, gain=1.0, low=0.2, high=0.9)
    history = simulate(controller, 2, 60, mechanism=Training(0.95), seed=7)
    assert history.difficulty[:, -1] == pytest.approx(bound, abs=1e-4)
    assert ((history.difficulty >= np.float32(0.2)) & (history.difficulty <= np.float32(0.9))).all()


def test_losing_half_the_power_doubles_intervals_until_the_difficulty_answers():
    halved = pj.nodes.lose(pj.nodes.equal(2), np.array([False, True]), height=101)
    fixed = simulate(difficulty.fixed(), 512, 200, nodes=halved, seed=8)
    assert abs(z_score(fixed.interval[:, :100].mean(axis=1), 600.0)) < 5
    assert abs(z_score(fixed.interval[:, 100:].mean(axis=1), 1_200.0)) < 5
    assert (fixed.producer[:, 100:] == 0).all()
    answered = simulate(difficulty.asert(600.0, 7_200.0), 256, 400, nodes=halved, seed=9)
    assert answered.interval[:, 100:110].mean() > 900.0
    assert answered.interval[:, 200:].mean() == pytest.approx(600.0, rel=0.02)


def test_growth_shortens_intervals_block_by_block():
    history = simulate(difficulty.fixed(), 512, 200, nodes=nodes.growth(pj.nodes.equal(2), 0.01), seed=10)
    unit = history.interval * 1.01 ** np.arange(1, 201) / 600.0
    assert stats.kstest(unit.ravel()[::7], "expon").pvalue > 1e-5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: difficulty.window(blocks=2), "blocks must be at least 3, got 2"),
        (lambda: difficulty.window(target=0.0), "target must be above 0, got 0"),
        (lambda: difficulty.window(clamp=0.5), "clamp must be at least 1, got 0.5"),
        (lambda: difficulty.homestead(gain=0.5), "gain must be above 0 and at most 0.01, got 0.5"),
        (lambda: difficulty.byzantium(step=-9.0), "step must be above 0, got -9"),
        (lambda: difficulty.asert(half_life=0.0), "half_life must be above 0, got 0"),
        (lambda: difficulty.ema(blocks=1.0), "blocks must be above 1, got 1"),
        (lambda: difficulty.accuracy(60.0, high=1.0), "high must be below 1, got 1"),
        (lambda: difficulty.accuracy(60.0, low=0.0), "low must be above 0, got 0"),
        (lambda: difficulty.accuracy(60.0, low=0.9, high=0.5), "high must be above low, got high 0.5 and low 0.9"),
        (lambda: nodes.schedule(pj.nodes.equal(2), [1], [1.0]), r"since must rise from 0, got \[1\]"),
        (lambda: nodes.schedule(pj.nodes.equal(2), [0], [-1.0]), "factor must be at least 0, got -1"),
        (lambda: nodes.schedule(pj.nodes.equal(2), [0, 5], [1.0]), r"factor must be \[2\] or \[2, 2\]"),
        (lambda: nodes.lose(pj.nodes.equal(2), np.array([True, True]), 5), "got 0 for all from height 5 on"),
        (lambda: nodes.growth(pj.nodes.equal(2), -1.0), "per_block must be above -1, got -1"),
    ],
)
def test_bad_rules_are_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message):
        build()
