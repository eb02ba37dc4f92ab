"""Fairness, rewards and cost against shares of power, and work counted twice over."""

import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import polejax as pj
from polejax._core.record import replace
from polejax.analysis import cost, fairness, gini, hhi, nakamoto, node_work, rewards, tally, winner_work
from polejax.analysis.estimate import Estimate, student
from polejax.analysis.fairness import concentration

SEEDS, HEIGHTS = 64, 400
POWER = [30.0, 29.0, 12.0, 11.0, 8.0, 5.0, 3.0, 1.0, 1.0]


@functools.cache
def scenario(delay: float = 0.0):
    nodes = pj.nodes.from_shares(POWER, total=2.0)
    return pj.Scenario(nodes, pj.network.clique(len(POWER), delay), pj.PoW(20.0))


@functools.cache
def history(delay: float = 0.0):
    keys = jax.random.split(jax.random.key(1), SEEDS)
    batch = jax.jit(jax.vmap(lambda key, scenario: pj.simulate(key, scenario, HEIGHTS, True), in_axes=(0, None)))
    return jax.tree.map(np.asarray, batch(keys, scenario(delay)))


def sigmas(found: Estimate, truth) -> float:
    half = (np.asarray(found.high) - found.low) / 2 / student(SEEDS, 0.95)
    return float(np.max(np.abs(found.value - truth) / half))


SHARES = np.array(POWER) / 100


def test_indices_are_what_their_sources_say():
    assert gini([1, 1, 1, 1]) == pytest.approx(0.0)
    assert gini([1, 0, 0, 0]) == pytest.approx(3 / 4)
    assert gini([1, 3]) == pytest.approx(1 / 4)
    pairs = np.abs(SHARES[:, None] - SHARES).sum() / (2 * len(SHARES))
    np.testing.assert_allclose(gini([SHARES, SHARES[::-1]]), pairs)
    np.testing.assert_allclose(hhi([POWER, [1] * 9]), [(SHARES**2).sum(), 1 / 9])
    assert nakamoto(POWER).tolist() == 2
    assert nakamoto([1] * 10).tolist() == 6  # more than half, not half
    assert nakamoto([POWER, [1] * 9], majority=0.8).tolist() == [4, 8]


def test_proof_of_work_is_fair():
    found = fairness(history(), scenario().nodes)
    np.testing.assert_allclose(found.power_share, SHARES, rtol=1e-6)
    assert sigmas(found.win_share, SHARES) < 5
    assert sigmas(found.advantage, 1.0) < 5
    assert sigmas(found.hhi, found.hhi_power) < 5
    assert found.gini.low < found.gini_power < found.gini.high
    assert (found.nakamoto.value, found.nakamoto.low, found.nakamoto.high) == (2, 2, 2)


def test_few_blocks_do_not_look_concentrated():
    """Ten equal nodes that win 4 blocks in each of 8 seeds: plain indices are far off, these are not."""
    random = np.random.default_rng(0)
    nodes = pj.nodes.equal(10)
    found = []
    for _ in range(200):
        few = replace(
            history(),
            interval=np.ones((8, 4)),
            producer=random.integers(0, 10, (8, 4)),
            settled=np.ones((8, 4), bool),
            published_by=np.zeros((8, 10)),
        )
        found.append(fairness(few, nodes))
    index = np.array([one.hhi.value for one in found])
    assert abs(index.mean() - 0.1) < 5 * index.std() / 200**0.5
    plain = np.array([hhi(one.win_share.value) for one in found])
    assert plain.mean() - 0.1 > 20 * plain.std() / 200**0.5
    assert np.mean([one.gini.low <= 0.0 <= one.gini.value for one in found]) > 0.95
    # Shares this uncertain leave open how few hold the majority; the truth is 6.
    assert np.mean([one.nakamoto.low <= 6 <= one.nakamoto.high for one in found]) > 0.8
    assert all(one.nakamoto.low <= one.nakamoto.value <= one.nakamoto.high for one in found)


def test_rewards_and_fees_go_to_producers():
    chains = history()
    fees = np.random.default_rng(0).uniform(0.0, 2.0, chains.interval.shape)
    found = rewards(chains, 6.25, fees)
    assert sigmas(found.share, SHARES) < 5
    assert sigmas(found.fee_share, 1.0 / 7.25) < 5
    assert sigmas(found.coins_per_second, 7.25 * SHARES / 10.0) < 5  # a block in 20 / 2 seconds
    # To the coin: what is paid is what is earned.
    settled = chains.settled
    paid = np.where(settled, 6.25 + fees, 0.0).sum() / chains.interval[settled].sum(dtype=np.float64)
    assert found.coins_per_second.value.sum() == pytest.approx(paid)
    first = np.where(settled & (chains.producer == 0), 6.25 + fees, 0.0).sum()
    assert found.share.value[0] == pytest.approx(first / np.where(settled, 6.25 + fees, 0.0).sum())
    assert rewards(chains, 1.0).fee_share is None


def test_hashes_are_power_times_time_and_mostly_the_losers():
    found = cost(history(), scenario(), joules_per_unit=3.0)
    assert sigmas(found.work_per_block, 20.0) < 5
    assert found.work_per_second.value == pytest.approx(2.0)
    assert found.watts.value == pytest.approx(6.0)
    assert found.joules_per_block.value == pytest.approx(3.0 * found.work_per_block.value)
    # The winner is drawn by power, whatever the interval: its part of all work is the power's HHI.
    assert sigmas(found.winner_share, (SHARES**2).sum()) < 5
    assert found.flops_per_block is None
    assert found.top_share is None
    assert cost(history(), scenario(), flops_per_unit=2.0).flops_per_block.value == pytest.approx(
        2.0 * found.work_per_block.value
    )


def test_work_of_every_node_adds_up_through_forks():
    delay = 5.0
    chains, setting = history(delay), scenario(delay)
    assert chains.published.mean() > 1.2
    work = node_work(chains, setting)
    power = np.asarray(setting.nodes.power, np.float64)
    # A producer's own work, from the canonical chain alone, is the one that the records of all nodes tell.
    winner = np.take_along_axis(work, chains.producer[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(winner_work(chains, setting), winner, rtol=1e-4, atol=1e-3)
    # Nobody is idle or early: all have worked as long as the chain has lasted, but for the last delay.
    lasted = chains.interval.sum(axis=1, dtype=np.float64)
    assert (np.abs((work / power).sum(axis=1) - lasted[:, None]) < 5 * delay).all()
    assert (work >= -1e-3).all()


class Students(pj.Mechanism):
    """Training told rather than done: gamma steps, and an accuracy that grows with a node's address."""

    initial_difficulty: ClassVar[float] = 0.5

    def race(self, key, views, nodes, listening=None):
        steps = 100.0 * jax.random.gamma(key, 9.0, nodes.power.shape) / 9.0
        claimed = 0.5 + 0.01 * nodes.address.astype(jnp.float32)
        no = jnp.zeros(steps.shape, bool)
        model = pj.mechanisms.Learning(claimed, no.astype(jnp.int32), no, jnp.zeros((*steps.shape, 0)))
        return pj.Claims(steps, claimed, ~no, computed=2.0 * steps, learning=model)


def test_power_that_changes_is_counted_as_it_changes():
    nodes = pj.nodes.schedule(pj.nodes.equal(4, total=1.0), [0, 101], [[1, 1, 1, 1], [2, 1, 0, 0]])
    setting = pj.Scenario(nodes, pj.network.instant(4), pj.PoW(10.0))
    batch = jax.jit(jax.vmap(lambda key: pj.simulate(key, setting, 400)))
    chains = jax.tree.map(np.asarray, batch(jax.random.split(jax.random.key(2), SEEDS)))
    found = fairness(chains, nodes)
    np.testing.assert_allclose(found.power_share, [0.25 * 0.25 + 0.5, 0.25 * 0.25 + 0.25, 0.0625, 0.0625], rtol=1e-5)
    assert sigmas(found.advantage, 1.0) < 5
    for whole in (chains, tally(chains)):  # against the powers that were, not those at genesis
        summary = pj.summarise(whole, nodes)
        assert summary.fairness.low == 0.0
        assert summary.fairness.value < 4 * summary.fairness_floor < 0.05
    spent = cost(chains, setting)
    assert sigmas(spent.work_per_block, 10.0) < 5  # the difficulty never changes, so neither does the work
    assert sigmas(spent.winner_share, 0.25 * 0.25 + 0.75 * (4 + 1) / 9) < 5
    random = pj.network.random_delays(pj.network.instant(4), pj.network.constant_delay(0.1))
    unknown = cost(chains, pj.Scenario(nodes, random, pj.PoW(10.0)))
    assert unknown.winner_share is None  # when nodes began, nobody wrote down


def test_training_is_counted_in_steps_and_the_best_models_in_theirs():
    nodes = pj.nodes.from_shares([1.0, 2.0, 3.0, 4.0], total=40.0)
    setting = pj.Scenario(nodes, pj.network.clique(4, 0.5), Students())
    keys = jax.random.split(jax.random.key(0), SEEDS)
    chains = jax.jit(jax.vmap(lambda key: pj.simulate(key, setting, 50, keep_rounds=True)))(keys)
    chains = jax.tree.map(np.asarray, chains)
    work = node_work(chains, setting)
    np.testing.assert_allclose(work.sum(axis=2), chains.useful, rtol=1e-3)
    found = cost(chains, setting, top=4, flops_per_unit=7.0)
    assert found.work_per_block.value == pytest.approx(chains.useful[chains.settled].mean(), rel=1e-5)
    assert found.flops_per_block.value == pytest.approx(7.0 * found.work_per_block.value)
    # The best models are those of the last addresses, which have 4, 3, 2 and 1 tenths of the power.
    np.testing.assert_allclose(found.top_share.value, [0.4, 0.7, 0.9, 1.0], rtol=0.02)
    won = np.take_along_axis(work, chains.producer[..., None], axis=2)[..., 0][chains.settled].sum()
    assert found.winner_share.value == pytest.approx(won / work[chains.settled].sum(), rel=1e-4)
    alone = cost(jax.tree.map(lambda leaf: leaf[0], chains), setting)
    assert np.isinf(alone.winner_share.high)  # a single chain does not say how much chains differ


def test_who_has_claimed_and_waits_does_no_work():
    delay = 2.0
    setting = replace(scenario(delay), election=pj.elections.BestInWindow(6.0))
    batch = jax.jit(jax.vmap(lambda key: pj.simulate(key, setting, 200, True)))
    chains = jax.tree.map(np.asarray, batch(jax.random.split(jax.random.key(4), SEEDS)))
    found = cost(chains, setting)
    # Memoryless: whatever the rule, 20 hashes on average make a claim (Wald), at heights that are all over.
    claims = chains.published[:, :150].sum(axis=1, dtype=np.float64)
    work = node_work(chains, setting)
    spare = work[:, :150].sum(axis=(1, 2)) - 20.0 * claims
    assert abs(spare.mean()) < 5 * spare.std() / SEEDS**0.5
    assert found.work_per_second.value < 0.99 * 2.0
    won = np.take_along_axis(work, chains.producer[..., None], axis=2)[..., 0]
    np.testing.assert_array_equal(winner_work(chains, setting), won)
    settled = chains.settled
    assert found.winner_share.value == pytest.approx(won[settled].sum() / work[settled].sum())
    assert found.work_per_block.value == pytest.approx(work[settled].sum() / settled.sum())
    # A mechanism that computes counts the same while it runs.
    students = pj.Scenario(pj.nodes.from_shares([1, 2, 3, 4], total=40.0), pj.network.clique(4, 0.5), Students())
    students = replace(students, election=pj.elections.BestAtDeadline(15.0))
    taught = jax.device_get(pj.simulate(jax.random.key(5), students, 60, keep_rounds=True))
    np.testing.assert_allclose(node_work(taught, students).sum(axis=2)[0], taught.useful, rtol=1e-3)
    # Without the rounds nobody can tell: said so, not guessed.
    with pytest.raises(
        ValueError, match=r"keep its rounds under Best\w+, got None: simulate\(\.\.\., keep_rounds=True"
    ):
        cost(replace(chains, rounds=None), setting)
    assert cost(replace(taught, rounds=None), students).winner_share is None


def test_work_that_nobody_wrote_down_is_refused():
    setting = scenario()
    drawn = replace(setting, network=pj.network.random_delays(setting.network, pj.network.constant_delay(1.0)))
    leaking = replace(setting, adversary=pj.attacks.leak(setting.nodes, 3.0, [1]))
    for wrong, message in ((drawn, "fixed delays .* got RandomDelays"), (leaking, "no adversary .* got Leak")):
        for work in (winner_work, node_work):
            with pytest.raises(ValueError, match=message):
                work(history(), wrong)


def test_a_training_step_is_counted_from_its_network():
    pole = pj.PoLe(task=pj.tasks.digits())
    forward = (
        64 * 32 + 32 * 10
    )  # multiply-adds a sample; each weight's gradient the same; the hidden layer's error once
    assert pole.profile.flops_per_unit == 2 * 32 * (2 * forward + 32 * 10)
    assert scenario().mechanism.profile.flops_per_unit is None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: gini([0.0, 0.0]), "positive sum"),
        (lambda: hhi([-1.0, 2.0]), "shares must be at least 0"),
        (lambda: nakamoto(POWER, majority=1.0), "majority must be"),
        (lambda: fairness(history(), pj.nodes.equal(2)), "nodes must be the history's 9"),
        (lambda: rewards(history(), -1.0), "block_reward must be at least 0"),
        (lambda: rewards(history(), 1.0, [1.0]), "fees must have the history's shape"),
        (lambda: rewards(history(), 0.0), "must pay some coins"),
        (lambda: cost(history(), scenario(), joules_per_unit=-1.0), "joules_per_unit must be"),
        (lambda: node_work(replace(history(), rounds=None), scenario()), "keep_rounds=True"),
    ],
)
def test_what_makes_no_sense_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_concentration_of_parts_is_that_of_seeds():
    """What a bank's parts won stands for what seeds won; no interval is wider than can be."""
    wins = np.random.default_rng(0).multinomial(400, [0.4, 0.3, 0.2, 0.1], 8) / 400.0
    others = (wins.sum(axis=0) - wins) / 7
    unequal, fewest = concentration(wins.mean(axis=0), others, 0.5, 0.95)
    assert unequal.value == gini(wins.mean(axis=0))
    assert unequal.low < gini([0.4, 0.3, 0.2, 0.1]) < unequal.high
    assert (fewest.value, fewest.low, fewest.high) == (2, 2, 2)
    alone, _ = concentration(np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.9, 0.1], [1.0, 0.0]]), 0.5, 0.95)
    assert alone.high == 0.5  # of two nodes the Gini coefficient is at most 1/2
