"""Replay: equal in law to live PoLe, in every rule that both have, and never a recompilation for another number."""

import functools

import jax
import numpy as np
import pytest
from banks import geometric_bank, keys, small_pole
from laws import assert_within
from scipy import stats

import polejax as pj
from polejax._core import draw, timing
from polejax._core.record import replace

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

RULES = {
    "plain": {"threshold": 0.7, "accept": 0.65},  # no other than by default, and so of one program with "strict"
    # Verifiers are stricter than claimants, and rejections and deadlines are frequent.
    "strict": {"threshold": 0.7, "accept": 0.74, "deadline": 150.0, "verification": 1.0, "jitter": 0.1},
    "empty": {"threshold": 0.72, "deadline": 60.0, "fallback": "empty"},
}


@pytest.fixture(scope="module")
def bank():
    return pj.learning_curves(jax.random.key(1), small_pole(), 16_384)


@functools.cache
def live(rules):
    """Live training on four unequal nodes, and some 1,500 rounds of it."""
    nodes, network = pj.nodes.from_shares([4, 3, 2, 1]), pj.network.clique(4, 2.0)
    scenario = pj.Scenario(nodes, network, small_pole(**RULES[rules]))
    return scenario, pj.simulate_many(keys(2, 64), scenario, 24)


@pytest.mark.parametrize("rules", RULES)
def test_equal_in_law_to_live_training(bank, rules):
    """Live rounds against 25,000 replayed ones, of curves that are ten times as many as the live ones."""
    scenario, lived = live(rules)
    replay = replace(scenario, mechanism=pj.Replay(bank, **RULES[rules]))
    replayed = pj.simulate_many(keys(3, 64), replay, 400)
    for values in (lambda h: h.interval, lambda h: h.score, lambda h: h.learning.claimed):
        one, other = (values(history)[history.settled] for history in (lived, replayed))
        assert stats.ks_2samp(one, other).pvalue > 1e-3
    one, other = pj.summarise(lived), pj.summarise(replayed)
    for name in ("stale_per_block", "fallback_share", "rejected_per_block", "win_share", "score"):
        first, second = getattr(one, name), getattr(other, name)
        # A few rare events tell little of their own error: the many replayed ones foretell it.
        foretold = (second.high - second.low) / 4 * np.sqrt(other.num_blocks / one.num_blocks)
        error = np.maximum.reduce([(first.high - first.low) / 4, foretold, np.full_like(foretold, 1e-9)])
        assert_within(first.value - second.value, 0.0, error, sigmas=4.0)
    # The rules must bite, or this compares nothing.
    assert rules != "plain" or 0.02 < other.stale_per_block.value
    assert rules != "strict" or (other.rejected_per_block.value > 0.5 and 0.1 < other.fallback_share.value < 0.9)
    assert rules != "empty" or (lived.score == 0.0).mean() > 0.1


def test_an_empty_block_ends_a_round_that_nobody_finishes():
    """At the deadline of whoever began first, with neither model nor accuracy; and it is counted."""
    _, lived = live("empty")
    ended = lived.fallback
    assert 0.1 < ended.mean() < 0.9
    np.testing.assert_array_equal(lived.interval[:, 0][ended[:, 0]], 60.0)
    assert (lived.interval[ended] >= 60.0).all()
    after_one = ended[:, 1:] & (lived.published[:, :-1] == 1)  # whose producer began before all others
    np.testing.assert_array_equal(lived.producer[:, 1:][after_one], lived.producer[:, :-1][after_one])
    assert (lived.published[ended] == 1).all()
    for values in (lived.score, lived.commitment.any(axis=-1)):
        np.testing.assert_array_equal(values == 0, ended)
    assert pj.summarise(lived).fallback_share.value == pytest.approx(ended[lived.settled].mean())


@pytest.mark.smoke
def test_a_rule_for_work_moves_no_threshold():
    replay = pj.Replay(geometric_bank(0, 8, num_evaluations=4), threshold=0.5)
    with pytest.raises(ValueError, match="difficulty Window moves work, but Replay asks for an accuracy"):
        pj.Scenario(pj.nodes.equal(2), pj.network.instant(2), replay, difficulty=pj.difficulty.window(10, 30.0))


def test_moved_and_fixed_thresholds_agree():
    """A controller that never moves the threshold gives what a fixed threshold gives, by the other way."""
    rng = np.random.default_rng(0)
    curves = np.sort(rng.uniform(0.3, 1.0, (500, 40)).astype(np.float32), axis=1)
    test = np.clip(curves + rng.normal(0, 0.05, curves.shape).astype(np.float32), 0, 1)
    bank = replace(geometric_bank(0, 500, num_evaluations=40), validation=curves, test=test)
    nodes, network = pj.nodes.zipf(5), pj.network.clique(5, 1.0)
    for rules in ({}, {"deadline": 30.0}, {"verification": 0.5}):
        scenario = pj.Scenario(nodes, network, pj.Replay(bank, threshold=0.8, margin=0.0, **rules))
        still = pj.difficulty.window(10, 30.0, clamp=1.0)
        moved = replace(scenario, difficulty=still)
        one, other = (pj.simulate_many(keys(0, 8), s, 50) for s in (scenario, moved))
        for name in ("interval", "producer", "score", "published"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.learning.rejected, other.learning.rejected)


def test_rounds_that_few_chains_need_more_of_change_no_other():
    """Alone or beside others, of which some have nobody that finishes: the same chains to the last bit."""
    rules = {"jitter": 0.2, "deadline": 4.0}
    scenario = pj.Scenario(
        pj.nodes.zipf(3), pj.network.clique(3, 1.0), pj.Replay(geometric_bank(0, success=0.4), 0.5, **rules)
    )
    alone, beside = (pj.simulate_many(keys(0, 6), scenario, 60, chains=chains) for chains in (1, 6))
    assert 0.1 < alone.fallback.mean() < 0.9
    for one, other in zip(jax.tree.leaves(alone), jax.tree.leaves(beside), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_fastest_of_geometric_curves():
    """Two nodes of power 1 whose curves pass at geometric steps: the first is geometric with 1 - (1 - p)^2."""
    bank = geometric_bank(0, 2**16)
    scenario = pj.Scenario(pj.nodes.equal(2, total=2.0), pj.network.instant(2), pj.Replay(bank, 0.5, jitter=0.0))
    history = pj.simulate_many(keys(0, 64), scenario, 1_000)
    steps = np.bincount(history.interval.astype(int).ravel(), minlength=40)[1:40]
    law = stats.geom(1 - 0.8**2).pmf(np.arange(1, 40))
    few = law * history.interval.size < 20
    counts, expected = np.append(steps[~few], steps[few].sum()), np.append(law[~few], law[few].sum())
    # The bank's 65,536 curves are a sample as well, used twice a block.
    assert stats.chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 1e-4


def test_the_jitter_is_normal_to_its_furthest_words():
    """By the quantiles of SciPy, in double precision, of words near both ends, in the middle and anywhere."""
    some = np.random.default_rng(0).integers(0, 2**32, 100_000)
    words = np.concatenate([np.arange(1_000), 2**31 + np.arange(1_000), 2**32 - 1 - np.arange(1_000), some])
    words = words.astype(np.uint32)
    beyond = 1.0 - np.minimum((words // 2 * 2 + 0.5) * 2.0**-32, 1.0 - 2.0**-24)  # of the normal law, on either side
    exact = np.where(words % 2, 1.0, -1.0) * -stats.norm.ppf((1.0 - beyond) / 2)
    found = np.asarray(jax.jit(draw.signed_normal_of)(words), np.float64)
    # A word is rounded to 24 bits, which moves the quantiles in the middle.
    np.testing.assert_allclose(found, exact, rtol=2e-6, atol=1e-7)
    assert stats.kstest(found[-some.size :], "norm").pvalue > 1e-3


def test_sweeps_do_not_recompile(bank):
    def chain(threshold, seconds, verification):
        mechanism = pj.Replay(bank, threshold, verification=verification)
        return pj.Scenario(pj.nodes.equal(3), pj.network.clique(3, seconds), mechanism)

    pj.simulate_many(keys(0, 8), chain(0.7, 1.0, 0.0), 20)
    with timing.compilation() as compiled:
        for threshold, seconds, verification in ((0.6, 0.0, 0.0), (0.5, 2.0, 1.0)):
            pj.simulate_many(keys(0, 8), chain(threshold, seconds, verification), 20)
    assert compiled.programs == 0
    thresholds = np.float32([0.6, 0.7, 0.8])
    swept = jax.vmap(lambda threshold: pj.simulate(jax.random.key(0), chain(threshold, 1.0, 0.0), 50))(thresholds)
    assert (np.diff(np.asarray(swept.interval).mean(axis=1)) > 0).all()  # harder, slower


def test_what_is_not_a_bank_is_refused(bank):
    with pytest.raises(ValueError, match=r"bank must be a polejax\.Bank, got PoLe: make one with"):
        pj.Replay(small_pole(), threshold=0.9)
    with pytest.raises(ValueError, match=r"threshold must be at least 0 and at most 1, got 1\.5"):
        pj.Replay(bank, threshold=1.5)
