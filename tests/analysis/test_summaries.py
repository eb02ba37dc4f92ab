"""Estimates against NumPy on hand-made histories, and the share of repeated studies whose intervals hold the truth."""

import json

import jax
import numpy as np
import pytest
from handmade import history

from polejax.analysis import fairness, join, paired, pool, rewards, summaries, summarise, tally
from polejax.analysis.estimate import Estimate, clopper_pearson
from polejax.consensus import nodes
from polejax.consensus.claims import Learning

SEEDS, HEIGHTS, NODES = 5, 40, 3


@pytest.fixture(scope="module")
def uneven():
    """Seeds with different numbers of settled heights, whose unsettled ones hold nonsense; and its random generator."""
    rng = np.random.default_rng(1)
    shape = (SEEDS, HEIGHTS)
    settled = np.arange(HEIGHTS) < np.array([40, 38, 31, 40, 35])[:, None]
    interval = np.where(settled, 600 + rng.gamma(2.0, 30.0, shape), np.nan)
    score, claimed = rng.uniform(0.8, 0.9, (2, *shape)).astype(np.float32)
    learning = Learning(
        claimed=np.where(settled, claimed, np.nan),
        rejected=rng.poisson(0.3, shape).astype(np.int32),
        diverged=rng.random(shape) < 0.1,
        curve=np.zeros((*shape, 0), np.float32),
    )
    return history(
        interval,
        producer=rng.integers(0, NODES, shape).astype(np.int32),
        stale=rng.random(shape) < 0.2,
        settled=settled,
        learning=learning,
        score=score,
        fallback=rng.random(shape) < 0.15,
        useful=rng.uniform(1, 2, shape).astype(np.float32),
        computed=np.full(shape, 3.0, np.float32),
    )


def test_values_are_those_of_the_settled_heights(uneven):
    summary = summaries.summarise(uneven, nodes.from_shares([5, 3, 2]))
    kept = uneven.settled
    interval = uneven.interval[kept].astype(np.float64)
    claims = kept & ~uneven.fallback
    stale = uneven.published[kept].sum() - kept.sum()
    win = np.bincount(uneven.producer[kept], minlength=NODES) / kept.sum()
    lost = np.array([stale, 0, 0]) / uneven.published_by.sum(axis=0)
    expected = {
        "interval_mean": interval.mean(),
        "interval_sd": interval.std(ddof=1),
        "interval_cv": interval.std(ddof=1) / interval.mean(),
        "stale_per_block": stale / uneven.published[kept].sum(),
        "stale_per_main": stale / kept.sum(),
        "win_share": win,
        "stale_share": lost,
        "score": uneven.score[kept].mean(dtype=np.float64),
        "claimed": uneven.learning.claimed[claims].mean(dtype=np.float64),
        "optimism": (uneven.learning.claimed[claims].astype(np.float64) - uneven.score[claims]).mean(),
        "fallback_share": uneven.fallback[kept].mean(),
        "rejected_per_block": uneven.learning.rejected[kept].mean(),
        "diverged_share": uneven.learning.diverged[kept].mean(),
        "useful_share": uneven.useful[kept].sum(dtype=np.float64) / uneven.computed[kept].sum(),
        "fairness": np.abs(win - [0.5, 0.3, 0.2]).sum() / 2,
    }
    for name, value in expected.items():
        estimate = getattr(summary, name)
        np.testing.assert_allclose(estimate.value, value, rtol=1e-6, err_msg=name)
        assert (estimate.low <= value).all(), name
        assert (value <= estimate.high).all(), name
    assert (summary.num_seeds, summary.num_blocks) == (SEEDS, kept.sum())


def test_intervals_are_the_jackknife_done_by_hand(uneven):
    summary = summaries.summarise(uneven, confidence=0.9)

    def left_out(statistic):
        keep = ~np.eye(SEEDS, dtype=bool)
        return np.array([statistic(uneven.interval[row][uneven.settled[row]].astype(np.float64)) for row in keep])

    student = 2.1318467863266495  # t with 4 degrees of freedom, 95% quantile: tables
    for name, statistic in (("interval_mean", np.mean), ("interval_cv", lambda x: x.std(ddof=1) / x.mean())):
        estimate, values = getattr(summary, name), left_out(statistic)
        half = student * np.sqrt((SEEDS - 1) ** 2 / SEEDS * values.var(ddof=1))
        low, high = estimate.low, estimate.high
        if name == "interval_mean":
            np.testing.assert_allclose([estimate.value - low, high - estimate.value], half, rtol=1e-9)
        else:
            x = half / estimate.value
            np.testing.assert_allclose([estimate.value / low, high / estimate.value], 1 + x + x**2 / 2)


def test_equal_seeds_give_the_textbook_t_interval_and_sums_do_not_cancel():
    interval = 2.0**20 + np.random.default_rng(2).integers(0, 2, (8, 16)) / 8  # exact in float32
    summary = summaries.summarise(history(interval))
    means = interval.mean(axis=1)
    half = 2.3646242515927844 * means.std(ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(summary.interval_mean.high - summary.interval_mean.value, half, rtol=1e-6)
    np.testing.assert_allclose(summary.interval_sd.value, interval.std(ddof=1), rtol=1e-9)


def test_one_chain_knows_its_values_but_not_how_chains_differ():
    summary = summaries.summarise(history(np.arange(1.0, 9.0)), nodes.equal(NODES))
    for _, _, estimate in summaries.rows(summary):
        assert (estimate.low, estimate.high) == (-np.inf, np.inf)
        assert np.isfinite(estimate.value)
    assert summary.interval_mean.value == 4.5
    np.testing.assert_array_equal(summary.win_share.low, np.full(NODES, -np.inf))


def test_rare_events_are_not_claimed_to_be_impossible():
    summary = summaries.summarise(history(np.ones((4, 25))))
    rule_of_three = 1 - 0.025 ** (1 / 100)  # no stale block among 100
    assert summary.stale_per_block.value == summary.stale_per_block.low == 0
    np.testing.assert_allclose(summary.stale_per_block.high, rule_of_three)
    np.testing.assert_allclose(summary.stale_per_main.high, rule_of_three / (1 - rule_of_three))
    np.testing.assert_allclose(summary.win_share.low, [1 - rule_of_three, 0, 0])
    np.testing.assert_array_equal(summary.stale_share.high[1:], [1, 1])  # published nothing
    assert summary.interval_cv.value == summary.interval_cv.high == 0
    assert summary.claimed is summary.rejected_per_block is summary.diverged_share is summary.useful_share is None
    zeros = np.zeros((4, 25), np.float32)
    learning = Learning(zeros, zeros.astype(np.int32), zeros.astype(bool), np.zeros((4, 25, 0), np.float32))
    rejected = summaries.summarise(history(np.ones((4, 25)), learning=learning)).rejected_per_block
    np.testing.assert_allclose((rejected.low, rejected.value, rejected.high), (0, 0, 3.6889 / 100), rtol=1e-4)
    # Clopper and Pearson's tables: 1 of 10 at 95% lies in (0.0025, 0.4450)
    np.testing.assert_allclose(clopper_pearson(np.float64(1), np.float64(10), 0.95), (0.0025, 0.4450), atol=5e-5)


def test_seeds_without_a_settled_height_do_not_count():
    settled = np.ones((4, 6), bool)
    settled[1] = False
    interval = np.arange(24.0).reshape(4, 6)
    kept = summaries.summarise(history(interval, settled=settled))
    three = summaries.summarise(history(interval[[0, 2, 3]]))
    assert kept.num_seeds == 3
    assert kept.num_unsettled == 6
    assert summaries.as_dict(kept) == {**summaries.as_dict(three), "num_unsettled": 6}


def test_histories_on_devices_are_summarised_alike(uneven):
    on_host = summaries.summarise(uneven)
    on_device = summaries.summarise(jax.device_put(uneven))
    assert summaries.as_dict(on_host) == summaries.as_dict(on_device)
    json.dumps(summaries.as_dict(on_host), allow_nan=False)


COVERAGE_STUDIES = 400
POWER = np.array([0.5, 0.3, 0.15, 0.05])


def draw_study(rng, law):
    """One study of 16 seeds x 64 blocks, and its true mean, CV and stale rate per published block."""
    shape = (16, 64)
    if law == "exponential":
        interval, mean, cv = rng.exponential(600.0, shape), 600.0, 1.0
    elif law == "gamma":
        interval, mean, cv = rng.gamma(20.0, 30.0, shape), 600.0, 20**-0.5
    else:  # a task per four blocks, and chains that differ in their stale rates
        interval, mean, cv = rng.gamma(4.0, 150.0, shape) * rng.gamma(16.0, 1 / 16, (16, 16)).repeat(4, 1), 600.0, None
        cv = np.sqrt((1 + 1 / 4) * (1 + 1 / 16) - 1)
    chance = rng.beta(2.0, 18.0, (16, 1)) if law == "correlated" else np.full((16, 1), 0.05)
    expected = 0.1 if law == "correlated" else 0.05
    producer = rng.choice(POWER.size, p=POWER, size=shape).astype(np.int32)
    study = history(interval, producer=producer, stale=rng.random(shape) < chance, num_nodes=POWER.size)
    return study, {
        "interval_mean": mean,
        "interval_cv": cv,
        "stale_per_block": expected / (1 + expected),
        "stale_per_main": expected,
        "win_share": POWER,
    }


@pytest.mark.parametrize("law", ["exponential", "gamma", "correlated"])
def test_intervals_hold_the_truth_as_often_as_they_say(law):
    rng = np.random.default_rng(7)
    held, fair = {}, []
    for _ in range(COVERAGE_STUDIES):
        study, truth = draw_study(rng, law)
        summary = summaries.summarise(study, nodes.from_shares(POWER))
        for name, value in truth.items():
            estimate = getattr(summary, name)
            held.setdefault(name, []).append((estimate.low <= value) & (value <= estimate.high))
        fair.append((summary.fairness.low, summary.fairness.value - summary.fairness_floor))
    for name, hits in held.items():
        coverage = np.mean(hits, axis=0)
        assert (coverage >= 0.925).all(), (name, coverage)  # 400 studies: 0.95 within 2.3 standard errors
        assert (coverage <= 0.975).all(), (name, coverage)
    low, excess = np.transpose(fair)
    assert (low == 0).mean() >= 0.95  # proportional winners are not called unfair
    assert abs(excess.mean()) < 5 * excess.std() / np.sqrt(COVERAGE_STUDIES) + 5e-4


def test_unfair_winners_are_told_from_noise():
    rng = np.random.default_rng(3)
    held = []
    for _ in range(200):
        producer = rng.choice(4, p=POWER, size=(16, 64)).astype(np.int32)
        summary = summaries.summarise(history(np.ones((16, 64)), producer=producer, num_nodes=4), nodes.equal(4))
        held.append(summary.fairness.low <= 0.3 <= summary.fairness.high)
        assert summary.fairness.low > 0.1
    assert np.mean(held) >= 0.925


def test_comparison_leaves_out_pairs_of_seeds():
    rng = np.random.default_rng(4)
    held, shared, alone = [], [], []
    for _ in range(200):
        seed_effect = rng.gamma(4.0, 0.25, (16, 1))
        first = history(600 * seed_effect * rng.gamma(20.0, 0.05, (16, 32)), stale=rng.random((16, 32)) < 0.2)
        second = history(300 * seed_effect * rng.gamma(20.0, 0.05, (16, 32)), stale=rng.random((16, 32)) < 0.1)
        comparison = paired(first, second)
        ratio, stale = comparison.interval_mean_ratio, comparison.stale_per_main_difference
        share = comparison.stale_per_block_difference
        held.append([ratio.low <= 2 <= ratio.high, stale.low <= 0.1 <= stale.high])
        held[-1].append(share.low <= 1 / 6 - 1 / 11 <= share.high)
        shared.append(np.log(ratio.high / ratio.low))
        mean = summaries.summarise(first).interval_mean
        alone.append((mean.high - mean.low) / mean.value)
    coverage = np.mean(held, axis=0)
    assert (coverage >= 0.91).all(), coverage  # 200 studies
    assert (coverage <= 0.99).all(), coverage
    assert np.median(shared) < 0.3 * np.median(alone)  # what both share has cancelled


def test_comparison_of_the_same_history_is_one_and_zero(uneven):
    comparison = paired(uneven, uneven)
    for name in ("interval_mean_ratio", "interval_sd_ratio", "interval_cv_ratio"):
        estimate = getattr(comparison, name)
        assert estimate.low == estimate.value == estimate.high == 1
    quiet = history(np.ones((4, 25)))
    bare = paired(quiet, quiet)
    limit = 1 - 0.025 ** (1 / 100)
    np.testing.assert_allclose(bare.stale_per_block_difference.low, -limit)
    np.testing.assert_allclose(bare.stale_per_block_difference.high, limit)
    assert (bare.interval_cv_ratio.value, bare.interval_cv_ratio.high) == (1, np.inf)  # constant over constant
    json.dumps(summaries.as_dict(bare), allow_nan=False)


def test_a_summary_prints_a_line_for_each_number(uneven):
    summary = summaries.summarise(uneven)
    sample, head, _, mean, *others = str(summary).splitlines()
    assert sample.startswith(f"{summary.num_seeds} seeds, {summary.num_blocks} blocks (16 unsettled heights")
    assert "estimate [95% interval]" in head
    assert mean.split("  ")[0] == "interval, mean"
    assert str(summary.interval_mean) in mean
    assert mean.endswith("  s")
    assert others.index("") == len(summaries.rows(summary)) - 1


def test_flawed_heights_are_counted_and_named():
    settled = np.arange(6) < np.array([6, 4, 0])[:, None]
    chains = history(np.ones((3, 6)), settled=settled, flawed=~settled)
    assert tally(chains).flawed.tolist() == [0, 2, 6]
    assert pool(tally(chains), 3).flawed.tolist() == [8]
    assert join([tally(chains), tally(history(np.ones((1, 6))))]).flawed.tolist() == [0, 2, 6, 0]
    summary = summarise(chains)
    assert (summary.num_seeds, summary.num_blocks, summary.num_flawed) == (2, 10, 8)
    assert str(summary).startswith("2 seeds, 10 blocks (8 flawed heights left out)\n")
    none = history(np.ones((2, 6)), settled=np.zeros((2, 6), bool), flawed=np.ones((2, 6), bool))
    for estimates in (summarise, lambda of: rewards(of, 1.0), lambda of: fairness(of, nodes.equal(3))):
        with pytest.raises(ValueError, match="got none: 12 are flawed, as a claim was NaN or of negative work"):
            estimates(none)


def test_estimates_print_two_digits_of_their_interval():
    assert str(Estimate(np.float64(607.74), np.float64(601.2), np.float64(614.3))) == "607.7 [601.2, 614.3]"
    assert str(Estimate(np.float64(61234.0), np.float64(60000.0), np.float64(62000.0))) == "61234 [60000, 62000]"
    assert f"{Estimate(np.float64(0.25), np.float64(0.2), np.float64(0.3)):.0%}" == "25% [20%, 30%]"
    assert str(Estimate(np.float64(2.0), np.float64(-np.inf), np.float64(np.inf))) == "2 [-inf, inf]"
    assert str(Estimate(np.ones(2), np.zeros(2), np.full(2, 2.0))) == "1.0 [0.0, 2.0], 1.0 [0.0, 2.0]"


def test_what_cannot_be_summarised_is_named(uneven):
    bad = [
        (lambda: summaries.summarise(history(np.ones(3), settled=np.zeros(3, bool))), "history must hold settled"),
        (lambda: summaries.summarise(jax.tree.map(lambda x: x[None], uneven)), r"axes \[S, H\] or \[H\]"),
        (lambda: summaries.summarise(uneven, confidence=1.0), "confidence must be"),
        (lambda: summaries.summarise(uneven, nodes.equal(4)), "nodes must be the history's 3"),
        (lambda: summaries.summarise(uneven, 0.9), "nodes must be made by polejax.nodes, got 0.9"),
        (lambda: paired(uneven, history(np.ones((2, 3)))), "second must have the 5 seeds"),
    ]
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()
