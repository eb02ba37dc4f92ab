"""Closed forms against what they do not use: simulated chains, literal sums, published numbers."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from polejax import theory


def agree(samples, value, allowed=0.0):
    """The mean of independent samples is within five standard errors, and an allowed error, of the value."""
    samples = np.asarray(samples, dtype=float)
    error = samples.std() / math.sqrt(samples.size)
    assert abs(samples.mean() - value) < 5 * error + allowed, (samples.mean(), value, error)


def quadrature_moments(survival):
    mean = integrate.quad(survival, 0, np.inf, limit=500)[0]
    square = integrate.quad(lambda t: 2 * t * survival(t), 0, np.inf, limit=500)[0]
    return mean, math.sqrt(square / mean**2 - 1)


# --- intervals under a difficulty rule ----------------------------------------------------------------------


@pytest.mark.parametrize(("window", "measured"), [(10, None), (10, 10), (12, 7)])
def test_retargeted_chains_have_lomax_intervals(window, measured):
    chains, target = 40_000, 30.0
    rng = np.random.default_rng(1)
    difficulty = np.full(chains, 100.0)
    timed = window - 1 if measured is None else measured
    for _ in range(3):
        intervals = difficulty[:, None] * rng.exponential(size=(chains, window))
        difficulty = difficulty * window * target / intervals[:, :timed].sum(axis=1)
    sample = intervals[:, -1]
    cdf = lambda t: 1 - theory.retarget_survival(t, window, target, measured)  # noqa: E731
    assert stats.kstest(sample, cdf).pvalue > 1e-6
    agree(sample, theory.retarget_mean(window, target, measured))
    mean, cv = quadrature_moments(lambda t: theory.retarget_survival(t, window, target, measured))
    assert theory.retarget_mean(window, target, measured) == pytest.approx(mean, rel=1e-6)
    assert theory.retarget_cv(window, measured) == pytest.approx(cv, rel=1e-6)


def test_the_design_numbers_of_retargeting():
    assert theory.retarget_mean(10, 30.0) == pytest.approx(37.5)
    assert theory.retarget_cv(10) == pytest.approx(1.1339, abs=5e-5)
    far = theory.retarget_survival([5.0, 50.0], 10**7, 30.0)  # a long window is fixed difficulty
    np.testing.assert_allclose(far, theory.exponential_survival([5.0, 50.0], 30.0), rtol=1e-5)


def test_homestead_chains_settle_at_ten_over_log_two_less_three_quarters_of_the_gain():
    gain, chains, burn, blocks = 1 / 256, 4_000, 1_500, 2_000
    rng = np.random.default_rng(2)
    difficulty, total = np.full(chains, theory.ethereum_interval()), np.zeros(chains)
    for height in range(burn + blocks):
        interval = difficulty * rng.exponential(size=chains)
        difficulty = difficulty * (1 + gain * np.maximum(1 - np.floor(interval / 10), -99))
        total += interval * (height >= burn)
    agree(total / blocks, theory.ethereum_interval() * (1 - 0.75 * gain))


@pytest.mark.parametrize(("step", "uncles", "lowest"), [(10, 0.0, -99), (9, 0.07, -99), (9, 0.3, -2), (9, 1, -1)])
def test_the_ethereum_rule_balances(step, uncles, lowest):
    mean = theory.ethereum_interval_clamped(step, uncles, lowest)
    floors = np.arange(0, 3_000)
    chance = np.exp(-floors * step / mean) * -np.expm1(-step / mean)
    move = [(chance * np.maximum(rise - floors, lowest)).sum() for rise in (1, 2)]
    assert (1 - uncles) * move[0] + uncles * move[1] == pytest.approx(0, abs=1e-9)
    if lowest == -99:
        assert theory.ethereum_interval(step, uncles) == pytest.approx(mean, rel=1e-12)


def test_the_design_number_of_homestead():
    assert theory.ethereum_interval() == pytest.approx(14.427, abs=5e-4)


# --- attacks ------------------------------------------------------------------------------------------------


def selfish_share(alpha, gamma, blocks, rng):
    """Mine selfishly block by block (Eyal and Sirer 2014, algorithm 1)."""
    mine = honest = lead = 0
    tie = False
    for pool, on_pool in zip(rng.random(blocks) < alpha, rng.random(blocks) < gamma, strict=True):
        if tie:  # two branches of one block each: whoever mines, both blocks of a branch count
            mine += 2 * pool + (not pool and on_pool)
            honest += (not pool) * (1 if on_pool else 2)
            tie = False
        elif pool:
            lead += 1
        elif lead == 0:
            honest += 1
        elif lead == 1:
            lead, tie = 0, True
        else:  # each honest block is answered by one of ours; the last answer publishes everything
            mine += 2 if lead == 2 else 1
            lead = 0 if lead == 2 else lead - 1
    return mine / (mine + honest)


@pytest.mark.parametrize(("alpha", "gamma"), [(1 / 3, 0.0), (0.4, 0.5), (0.2, 1.0)])
def test_selfish_mining_earns_its_revenue(alpha, gamma):
    rng = np.random.default_rng(3)
    agree([selfish_share(alpha, gamma, 10_000, rng) for _ in range(40)], theory.selfish_revenue(alpha, gamma))


def test_the_design_numbers_of_selfish_mining():
    assert theory.selfish_revenue(1 / 3, 0.0) == pytest.approx(1 / 3, abs=1e-12)
    assert theory.selfish_revenue(0.4, 0.5) == pytest.approx(0.52558, abs=5e-6)
    for gamma in (0.0, 0.3, 0.9):
        threshold = theory.selfish_threshold(gamma)
        assert theory.selfish_revenue(threshold, gamma) == pytest.approx(threshold, abs=1e-12)


def rosenfeld_sum(q, z):
    p = 1 - q
    return 1 - sum(math.comb(m + z - 1, m) * (p**z * q**m - p**m * q**z) for m in range(z + 1))


def nakamoto_sum(q, z):
    p = 1 - q
    return 1 - sum(stats.poisson.pmf(k, z * q / p) * (1 - (q / p) ** (z - k)) for k in range(z + 1))


@pytest.mark.parametrize("q", [0.0, 0.1, 0.3, 0.49])
@pytest.mark.parametrize("z", [1, 2, 6, 15])
def test_double_spends_match_the_literal_sums(q, z):
    assert theory.double_spend(q, z) == pytest.approx(rosenfeld_sum(q, z), abs=1e-12)
    grunspan = special.betainc(z, 0.5, 4 * q * (1 - q))  # Grunspan and Perez-Marco 2018, theorem 5.1
    assert theory.double_spend(q, z) == pytest.approx(grunspan, rel=1e-9)
    assert theory.double_spend_nakamoto(q, z) == pytest.approx(nakamoto_sum(q, z), abs=1e-12)


def test_the_published_numbers_of_double_spends():
    for z, value in [(1, 0.2), (2, 0.056), (6, 0.0005914)]:
        assert theory.double_spend(0.1, z) == pytest.approx(value, abs=5e-8)
    for z, value in [(1, 0.2045873), (6, 0.0002428)]:
        assert theory.double_spend_nakamoto(0.1, z) == pytest.approx(value, abs=5e-8)
    assert theory.double_spend(0.6, 9) == theory.double_spend(0.1, 0) == 1.0


# --- transactions -------------------------------------------------------------------------------------------


def test_transactions_wait_for_the_next_block():
    rng = np.random.default_rng(4)
    for shape in (0.5, 4.0):  # CV sqrt(2) and 1/2
        blocks = rng.gamma(shape, 600 / shape, size=(200, 2_000)).cumsum(axis=1)
        arrivals = rng.uniform(5e4, 1e6, size=(200, 500))
        waits = [(row[np.searchsorted(row, times)] - times).mean() for row, times in zip(blocks, arrivals, strict=True)]
        agree(waits, theory.first_confirmation_wait(600.0, 1 / math.sqrt(shape)))


@pytest.mark.parametrize(("capacity", "load"), [(1, 0.5), (3, 0.6), (100, 0.9)])
def test_blocks_serve_in_bulk(capacity, load):
    arrivals, blocks = capacity * load, 1.0
    root, length, wait = theory.bulk_queue(arrivals, blocks, capacity)
    residual = arrivals - (arrivals + blocks) * root + blocks * root ** (capacity + 1)
    assert 0 < root < 1
    assert residual == pytest.approx(0, abs=1e-11 * arrivals)
    assert length == pytest.approx(arrivals * wait)
    rng = np.random.default_rng(5)
    waiting = np.zeros(20_000, dtype=np.int64)
    for _ in range(400):  # exponential blocks see time averages
        before = waiting + rng.poisson(arrivals * rng.exponential(size=waiting.size))
        waiting = np.maximum(before - capacity, 0)
    agree(before, length)


def test_the_limits_of_bulk_service():
    assert theory.bulk_queue(0.15, 1 / 600, 100).wait / 600 == pytest.approx(5.2268, abs=5e-5)
    assert theory.bulk_queue(0.7, 1.0, 1).root == pytest.approx(0.7, rel=1e-12)
    assert theory.bulk_queue(2.0, 0.1, 10**6).wait == pytest.approx(theory.first_confirmation_wait(10.0, 1.0))
    heavy = theory.bulk_queue(100 * (1 - 1e-6), 1.0, 100)  # diffusion: L (1 - load) -> (1 + b) / 2
    assert heavy.length * 1e-6 == pytest.approx(50.5, rel=1e-4)


# --- races --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.7, 1.0, 3.0, 20.0])
def test_weibull_races(shape):
    rng = np.random.default_rng(6)
    power, work = np.array([1.0, 1.1, 0.9]), 100.0
    times = work * rng.weibull(shape, size=(200_000, 3)) / math.gamma(1 + 1 / shape) / power
    first = times.min(axis=1)
    mean, cv = theory.weibull_interval_mean(power, shape, work), theory.weibull_interval_cv(shape)
    agree(first, mean)
    agree((first / mean - 1) ** 2, cv**2)
    share = theory.weibull_win_share(power, shape)
    for node in range(3):
        agree(times.argmin(axis=1) == node, share[node])
    survival = lambda x: stats.weibull_min.sf(x, shape, scale=work / math.gamma(1 + 1 / shape))  # noqa: E731
    assert theory.race_moments(survival, power) == pytest.approx((mean, cv), rel=1e-7)


@pytest.mark.parametrize("law", ["gamma", "lognormal"])
def test_races_of_other_laws(law):
    rng = np.random.default_rng(7)
    power = np.array([1.0, 1.0, 1.0, 3.0])
    if law == "gamma":
        survival = lambda x: theory.gamma_survival(x, 2.5, mean=7.0)  # noqa: E731
        work = rng.gamma(2.5, 7.0 / 2.5, size=(200_000, 4))
    else:
        survival = lambda x: theory.lognormal_survival(x, 0.8, mean=7.0)  # noqa: E731
        work = rng.lognormal(math.log(7.0) - 0.32, 0.8, size=(200_000, 4))
    first = (work / power).min(axis=1)
    mean, cv = theory.race_moments(survival, power)
    agree(first, mean)
    agree((first / mean - 1) ** 2, cv**2)
    assert (mean, cv) == pytest.approx(quadrature_moments(lambda t: survival(t) ** 3 * survival(3 * t)), rel=1e-7)


def test_one_node_races_have_their_own_moments():
    assert theory.race_moments(lambda x: theory.gamma_survival(x, 400.0, 7.0), [1.0]) == pytest.approx((7, 0.05))
    wide = theory.race_moments(lambda x: theory.lognormal_survival(x, 2.0, 7.0), [2.0])
    assert wide == pytest.approx((3.5, math.sqrt(math.expm1(4.0))))
    with pytest.raises(ValueError, match="survival must fall faster"):
        theory.race_moments(lambda x: 1 / (1 + x), [1.0])


def test_task_spread_multiplies_second_moments():
    task, interval = np.array([1.0, 2.0, 6.0]), np.array([3.0, 4.0])
    cv = lambda values: values.std() / values.mean()  # noqa: E731
    product = cv(np.outer(task, interval))
    assert theory.task_spread_cv(cv(interval), cv(task)) == pytest.approx(product, rel=1e-12)


def test_dkw_bands_cover():
    assert theory.dkw_half_width(100) == pytest.approx(0.135810, abs=1e-6)
    sample = np.sort(np.random.default_rng(8).random((20_000, 50)), axis=1)
    steps = np.arange(51) / 50
    gap = np.maximum(steps[1:] - sample, sample - steps[:-1]).max(axis=1)
    covered = np.mean(gap < theory.dkw_half_width(50, 0.9))
    assert 0.9 - 5 * 0.0021 < covered < 0.93  # nearly sharp


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.exponential_survival(-1.0, 2.0), "interval must be .* got -1"),
        (lambda: theory.exponential_survival(1.0, 0.0), "mean must be above 0, got 0"),
        (lambda: theory.power_share([1.0, -2.0]), "power must be at least 0, got -2 at index 1"),
        (lambda: theory.power_share([0.0, 0.0]), "power must have a positive sum, got 0"),
        (lambda: theory.retarget_survival(1.0, 1, 30.0), "window must be at least 2, got 1"),
        (lambda: theory.retarget_survival(1.0, 5, 30.0, 6), "measured must be .* at most 5, got 6"),
        (lambda: theory.retarget_mean(2, 30.0), "measured must be at least 2, got 1"),
        (lambda: theory.retarget_cv(3), "measured must be at least 3, got 2"),
        (lambda: theory.ethereum_interval(0.0), "step must be above 0, got 0"),
        (lambda: theory.ethereum_interval(9.0, 1.5), "uncle_share must be .* got 1.5"),
        (lambda: theory.ethereum_interval_clamped(lowest=0), "lowest must be .* got 0"),
        (lambda: theory.selfish_revenue(0.5, 0.0), "alpha must be .* got 0.5"),
        (lambda: theory.selfish_threshold(-0.1), "gamma must be .* got -0.1"),
        (lambda: theory.double_spend(1.1, 6), "share must be .* got 1.1"),
        (lambda: theory.double_spend_nakamoto(0.1, -1), "confirmations must be at least 0, got -1"),
        (lambda: theory.first_confirmation_wait(1.0, -1.0), "cv must be at least 0, got -1"),
        (lambda: theory.bulk_queue(10.0, 1.0, 10), "arrival_rate must be below .* load 1"),
        (lambda: theory.bulk_queue(1.0, 1.0, 0), "capacity must be at least 1, got 0"),
        (
            lambda: theory.weibull_interval_mean([1.0, 0.0], 2.0, 1.0),
            "power must be above 0, got 0 at index 1",
        ),
        (lambda: theory.weibull_interval_cv(0.0), "shape must be at least 0.01, got 0"),
        (lambda: theory.lognormal_survival(1.0, 0.0), "sigma must be above 0, got 0"),
        (lambda: theory.task_spread_cv(1.0, math.nan), "task_cv must be .* got nan"),
        (lambda: theory.dkw_half_width(0), "samples must be at least 1, got 0"),
        (lambda: theory.dkw_half_width(9, 1.0), "confidence must be .* got 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_moving_average_of_difficulties_is_its_recursion():
    target, blocks, random = 60.0, 4.0, np.random.default_rng(7)
    difficulty, intervals = np.full(20_000, target), []
    for height in range(160):
        interval = difficulty * random.exponential(size=difficulty.size)
        difficulty = difficulty / (1 + (interval / target - 1) / blocks)
        if height >= 60:
            intervals.append(interval)
    law, means = theory.ema_interval(target, blocks), np.mean(intervals, axis=0)
    assert abs(means.mean() - law.mean) < 5 * means.std() / np.sqrt(means.size)
    squares = np.square(intervals).mean(axis=0)
    assert abs(squares.mean() - law.mean**2 * (1 + law.cv**2)) < 5 * squares.std() / np.sqrt(means.size)
    assert theory.ema_interval(target, 200.0).mean == pytest.approx(target * (1 + 1 / 400), rel=1e-4)


@pytest.mark.parametrize("delay", [0.0, 3.0, 11.0])
def test_byzantium_rests_where_its_rule_does(delay):
    mean, random = theory.byzantium_interval(delay), np.random.default_rng(8)
    interval = delay + random.exponential(mean - delay, 10**6)
    credit = 1.0 + (random.poisson(delay / (mean - delay), 10**6) > 0)
    step = credit - np.floor(interval / 9.0)
    assert abs(step.mean()) < 5 * step.std() / 1e3
    if delay == 0:
        assert mean == pytest.approx(theory.ethereum_interval(9.0))


def test_a_bulk_queue_s_laws_agree_with_each_other():
    rates, block_rate, places = np.array([0.045, 0.06, 0.045]), 1 / 600.0, 100
    law = theory.bulk_queue(0.15, block_rate, places)
    assert theory.full_block_share(0.15, block_rate, places) == pytest.approx(1 - 1 / (block_rate * law.wait))
    assert theory.bulk_wait_quantile(1 - np.exp(-1), 0.15, block_rate, places) == pytest.approx(law.wait)
    waits = theory.priority_waits(rates, block_rate, places)
    assert rates @ waits == pytest.approx(law.length)  # Little's law: fees change who waits, not how many
    assert waits[0] == pytest.approx(theory.bulk_queue(0.045, block_rate, places).wait)
    assert theory.tasks_waiting(0.5) == 0.5


def test_measured_spreading_gives_decker_and_wattenhofer_s_forks():
    assert theory.propagation_fork_probability(11.37, 633.68) == pytest.approx(0.0178, abs=5e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: theory.ema_interval(60.0, 1.5), "blocks must be at least 2 and at most 10000, got 1.5"),
        (lambda: theory.byzantium_interval(18.0), "delay must be below 2 steps"),
        (lambda: theory.bulk_wait_quantile(1.0, 0.1, 1.0, 1), "share must be at least 0 and below 1, got 1.0"),
        (lambda: theory.priority_waits([0.5, 0.6], 1.0, 1), "load 1.1: lower it"),
        (lambda: theory.tasks_waiting(1.0), "load must be at least 0 and below 1"),
        (lambda: theory.propagation_fork_probability(1.0, 0.5), "interval must be above 1"),
    ],
)
def test_laws_of_queues_and_rules_refuse_what_has_no_answer(build, message):
    with pytest.raises(ValueError, match=message):
        build()
