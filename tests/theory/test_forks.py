"""Closed forms of forks against simulated races and cliques, and against each other."""

import math

import numpy as np
import pytest

from polejax import theory

POOLS = np.array([30, 29, 12, 11, 8, 5, 3, 1, 1]) / 100


def agree(samples, value, allowed=0.0):
    """The mean of independent samples is within five standard errors, and an allowed error, of the value."""
    samples = np.asarray(samples, dtype=float)
    error = samples.std() / math.sqrt(samples.size)
    assert abs(samples.mean() - value) < 5 * error + allowed, (samples.mean(), value, error)


@pytest.mark.parametrize("shape", [0.7, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("delay", [0.03, 0.5])
def test_ties_of_weibull_races(shape, delay):
    rng = np.random.default_rng(6)
    power = np.array([1.0, 1.1, 0.9])
    times = np.sort(rng.weibull(shape, size=(200_000, 3)) / math.gamma(1 + 1 / shape) / power, axis=1)
    mean, share = theory.weibull_interval_mean(power, shape, 1.0), theory.weibull_win_share(power, shape)
    tied = times[:, 1] - times[:, 0] < delay * mean
    agree(tied, theory.tie_probability(delay * mean, mean, shape, share))


@pytest.mark.parametrize("shape", [0.8, 1.0, 2.0, 10.0])
def test_near_ties_are_the_slope_of_ties(shape):
    share = theory.weibull_win_share([5.0, 4.0, 3.0, 3.0], shape)
    exact = theory.tie_probability(1e-6, 1.0, shape, share)
    rounding = 0.02 if shape < 1 else 1e-4  # below 1 the next term is of order d^(2k), not d^2
    assert theory.near_tie_probability(1e-6, 1.0, shape, share) == pytest.approx(exact, rel=rounding)
    table = shape * math.gamma(2 - 1 / shape) * math.gamma(1 + 1 / shape)  # the design's form
    assert theory.near_tie_probability(0.01, 1.0, shape) == pytest.approx(0.01 * table)
    many = theory.near_tie_probability(0.01, 1.0, shape, np.ones(50))
    assert many == pytest.approx(0.01 * table * (1 - 1 / 50))


def test_memoryless_work_forks_least_and_steadiness_times_forks_is_nearly_constant():
    shapes = np.concatenate([np.linspace(0.6, 0.99, 40), [1.0], np.geomspace(1.01, 1e3, 200)])
    forks = np.array([theory.near_tie_probability(1e-3, 1.0, k) for k in shapes])
    assert shapes[forks.argmin()] == 1.0
    product = 1e3 * forks * [theory.weibull_interval_cv(k) for k in shapes]
    assert product[shapes == 1.0] == pytest.approx(1.0)
    assert product[-1] == pytest.approx(math.pi / math.sqrt(6), rel=2e-3)
    steady = product[shapes >= 1.0]
    assert steady.min() == pytest.approx(0.814, abs=1e-3)
    assert steady.max() < 1.29


def clique(delay, power, chains, heights, seed, shape=1.0):
    """A clique by the design's min-plus rounds: blocks per height, forked heights, win shares, each per chain."""
    rng, nodes = np.random.default_rng(seed), len(power)
    start, burn = np.zeros((chains, nodes)), 20
    parents, published = [], []
    for _ in range(heights + 2 * burn):
        work = rng.standard_exponential(size=start.shape) ** (1 / shape) / math.gamma(1 + 1 / shape)
        finish = start + work / power
        first = finish.min(axis=1, keepdims=True)
        parents.append(np.where(finish < first + delay, np.arange(nodes), finish.argmin(axis=1)[:, None]))
        published.append((finish < first + delay).sum(axis=1))
        start = np.minimum(finish, first + delay) - first
    tip, wins = np.zeros(chains, dtype=int), np.zeros((chains, nodes))
    for height in reversed(range(heights + 2 * burn)):
        tip = parents[height][np.arange(chains), tip]
        if burn <= height < heights + burn:
            wins[np.arange(chains), tip] += 1
    count = np.stack(published)[burn : heights + burn]
    return count.mean(axis=0), (count > 1).mean(axis=0), wins / heights


@pytest.mark.parametrize(("delay", "share"), [(0.1, 0.5), (1.0, 0.7), (3.0, 0.2)])
def test_two_nodes_fork_exactly(delay, share):
    blocks, forked, _ = clique(delay, np.array([share, 1 - share]), 1_000, 400, seed=9)
    exact = theory.two_node_stale_per_block(delay, 1.0, share)
    agree(blocks, 1 / (1 - exact))
    agree(forked, exact / (1 - exact))
    p, q = share, 1 - share
    if p != q:  # Sompolinsky and Zohar's form of the growth rate
        big, small = p * math.exp(2 * p * delay), q * math.exp(2 * q * delay)
        assert (p * big - q * small) / (big - small) == pytest.approx(1 - exact, rel=1e-12)


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_clique_forks_are_those_of_two_nodes_to_second_order(share):
    delay, power = 0.02, [share, 1 - share]
    exact = theory.two_node_stale_per_block(delay, 1.0, share)
    assert abs(theory.clique_stale_per_block(delay, 1.0, power) - exact) < 0.1 * delay**3
    assert abs(theory.clique_fork_probability(delay, 1.0, power) - exact / (1 - exact)) < 0.1 * delay**3
    assert theory.clique_fork_probability(3.0, 1.0, [1.0, 0.0]) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("delay", "stale_error", "fork_error"), [(0.2, 3e-3, 4e-3), (1.0, 0.03, 0.06)])
@pytest.mark.parametrize("power", [POOLS, np.array([0.6, 0.3, 0.1])])
def test_pools_on_a_clique_fork_about_so(delay, stale_error, fork_error, power):
    blocks, forked, _ = clique(delay, power, 2_000, 300, seed=10)
    stale = theory.clique_stale_per_block(delay, 1.0, power)
    agree(blocks, 1 / (1 - stale), stale_error * stale / (1 - stale) ** 2)
    chance = theory.clique_fork_probability(delay, 1.0, power)
    agree(forked, chance, fork_error * chance)


def test_many_small_nodes_fork_exactly():
    limit, power = theory.many_small_stale_per_block(0.5, 1.0), np.full(10_000, 1e-4)
    assert theory.clique_stale_per_block(0.5, 1.0, power) == pytest.approx(limit, rel=1e-3)
    assert theory.clique_fork_probability(0.5, 1.0, power) == pytest.approx(-math.expm1(-0.5), rel=1e-3)
    blocks, forked, _ = clique(0.5, np.full(300, 1 / 300), 200, 150, seed=11)
    agree(blocks, 1 / (1 - limit), allowed=1 / 300)
    agree(forked, -math.expm1(-0.5), allowed=1 / 300)


def test_large_nodes_win_more_than_their_share():
    power = np.array([0.6, 0.3, 0.1])
    _, _, wins = clique(0.05, power, 2_000, 500, seed=12)
    expected = theory.clique_win_share(0.05, 1.0, power)
    assert expected.sum() == pytest.approx(1.0)
    for node in range(3):
        agree(wins[:, node], expected[node])
    assert abs(wins[:, 0].mean() - 0.6) > 5 * wins[:, 0].std() / math.sqrt(2_000)  # not plain power shares


def test_near_ties_are_forks_on_a_clique_of_steady_work():
    power, shape, delay = np.ones(4), 4.0, 0.01
    mean = theory.weibull_interval_mean(power, shape, 1.0)
    _, forked, _ = clique(delay, power, 1_000, 300, seed=13, shape=shape)
    near = theory.near_tie_probability(delay, mean, shape, theory.weibull_win_share(power, shape))
    agree(forked, near, allowed=near * delay / mean)  # the next order


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.near_tie_probability(0.1, 1.0, 0.5), "shape must be above 0.5, got 0.5"),
        (lambda: theory.tie_probability(0.1, 1.0, 1.0, [-1.0]), "win_share must be at least 0, got -1"),
        (lambda: theory.many_small_stale_per_block(-1.0, 1.0), "delay must be at least 0, got -1"),
        (lambda: theory.clique_win_share(1.0, 0.0, [1.0]), "interval must be above 0, got 0"),
        (lambda: theory.two_node_stale_per_block(1.0, 1.0, 2.0), "share must be .* got 2"),
        (lambda: theory.clique_fork_probability(1.0, 1.0, [0.0]), "power must have a positive sum, got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
