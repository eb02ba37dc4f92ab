"""Attacks against closed forms, published numbers and independent simulators; honest adversaries change nothing."""

import functools
import math

import jax
import numpy as np
import pytest
import withholding_simulator
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import assert_within, mean_and_error
from scripted import Scripted

import polejax as pj
from polejax import theory
from polejax.attacks import adversary, double_spend, selfish
from polejax.consensus.claims import Claims
from polejax.consensus.listening import closes
from polejax.mechanisms import parametric

# --- selfish mining -----------------------------------------------------------------------------------------

SELFISH = [(1 / 3, 0.0), (0.4, 0.5), (0.25, 0.5), (0.2, 1.0), (0.1, 0.3)]


@pytest.fixture(scope="module")
def selfish_revenues():
    keys = jax.random.split(jax.random.key(1), 128)
    return {pair: selfish.mine_many(keys, *pair, 40_000) for pair in SELFISH}


@pytest.mark.parametrize("pair", SELFISH)
def test_selfish_pools_earn_what_eyal_and_sirer_say(selfish_revenues, pair):
    revenue = selfish_revenues[pair]
    share, error = mean_and_error(revenue.pool / (revenue.pool + revenue.honest))
    assert_within(share, theory.selfish_revenue(*pair), error)
    undecided = 40_000 - (revenue.pool + revenue.honest + revenue.stale)
    assert (undecided >= 0).all()
    assert (undecided < 200).all()  # what it still hides


def test_selfish_mining_pays_above_the_threshold_only():
    keys = jax.random.split(jax.random.key(2), 128)
    threshold = theory.selfish_threshold(0.5)  # 1/4
    below = selfish.relative_revenue(keys, threshold - 0.05, 0.5, 40_000)
    above = selfish.relative_revenue(keys, threshold + 0.05, 0.5, 40_000)
    assert below.high < threshold - 0.05
    assert above.low > threshold + 0.05


def main_chain_of(coins, ties):
    """Eyal and Sirer's algorithm 1 on explicit branches: the pool's blocks, the others', stale ones, both branches."""
    settled, stale, private, public = [], 0, [], []  # two branches from the last settled block
    for by_pool, on_pool in zip(coins, ties, strict=True):
        lead = len(private) - len(public)
        if by_pool:
            private.append("pool")
            if len(public) == 1 and len(private) == 2 and lead == 0:
                settled, stale, private, public = settled + private, stale + 1, [], []
        elif lead == 0 and private:  # a tie: the finder's branch wins
            winner = private if on_pool else public
            settled, stale, private, public = [*settled, *winner, "others"], stale + 1, [], []
        else:
            public.append("others")
            if not private:
                settled, public = settled + public, []
            elif lead == 2:
                settled, stale, private, public = settled + private, stale + len(public), [], []
    return settled.count("pool"), settled.count("others"), stale, private, public


def test_the_leads_state_machine_is_algorithm_1_on_explicit_branches():
    rng = np.random.default_rng(3)
    step = jax.jit(selfish._fate)
    for _ in range(20):
        coins, ties = rng.random(60) < 0.45, rng.random(60) < 0.5
        state = np.zeros(4, np.int32)  # the lead, and blocks decided
        for by_pool, on_pool in zip(coins, ties, strict=True):
            state += np.asarray(step(state[0], 0 if by_pool else 1 if on_pool else 2))
        pool, others, stale, private, public = main_chain_of(coins, ties)
        in_flight = len(public) if len(private) > len(public) else 0  # doomed blocks against as many of the pool's
        assert state[1:].tolist() == [pool + in_flight, others, stale + in_flight]


# --- double spending ----------------------------------------------------------------------------------------

ROSENFELD = {1: 0.2, 2: 0.056, 6: 0.0005914}


@pytest.mark.parametrize("confirmations", ROSENFELD)
def test_double_spends_by_walk_have_rosenfelds_chances(confirmations):
    keys = jax.random.split(jax.random.key(4), 200_000)
    chance = float(double_spend.walks(keys, 0.1, confirmations).value)
    expected = ROSENFELD[confirmations]
    assert expected == pytest.approx(theory.double_spend(0.1, confirmations), abs=5e-8)
    assert_within(chance, expected, math.sqrt(expected * (1 - expected) / 200_000))


def intervals(mechanism, power, seed, num=20_000, horizon=60):
    """Intervals f32[S, H] of a lone node's chain."""
    keys = jax.random.split(jax.random.key(seed), num)
    nodes = pj.nodes.equal(1, power)
    return pj.simulate_many(keys, pj.Scenario(nodes, pj.network.instant(1), mechanism), horizon).interval


def erlang_chance(share, shape, confirmations, horizon):
    """The race's chance when a block takes `shape` exponential pieces, by dynamic programming over finished pieces."""
    pieces = shape * horizon
    reached = np.zeros((pieces + 1, pieces + 1))  # [the attacker's, the others'] pieces, attack not yet won
    reached[0, 0], won = 1.0, 0.0
    for mine in range(pieces + 1):
        for theirs in range(pieces):
            blocks, public = mine // shape, theirs // shape
            if blocks >= public >= confirmations:
                won += reached[mine, theirs]
            elif mine < pieces:
                reached[mine + 1, theirs] += share * reached[mine, theirs]
                reached[mine, theirs + 1] += (1 - share) * reached[mine, theirs]
    return won


@pytest.mark.parametrize("shape", [1, 3])
def test_double_spends_by_race_have_the_chances_of_their_law(shape):
    mechanism, depths = parametric.gamma(600.0, shape), [1, 2, 4]
    public, private = intervals(mechanism, 0.7, 5), intervals(mechanism, 0.3, 6)
    won = double_spend.overtakes(public, private, depths)
    for z, chance in zip(depths, won.mean(axis=0), strict=True):
        expected = erlang_chance(0.3, shape, z, 40)
        if shape == 1:
            assert expected == pytest.approx(theory.double_spend(0.3, z), abs=1e-5)  # a finite horizon
        assert_within(chance, expected, math.sqrt(expected * (1 - expected) / len(won)))


def test_steadier_laws_make_catching_up_rarer_at_equal_pace_but_not_at_equal_power():
    keys, attacker = jax.random.split(jax.random.key(7), 1_000), pj.nodes.equal(1, 0.25)
    lone, nine = pj.nodes.equal(1, 0.75), pj.nodes.equal(9, 0.75)

    def chance(nodes, shape):
        mechanism = parametric.gamma(600.0, shape)
        scenario = pj.Scenario(nodes, pj.network.instant(nodes.count), mechanism)
        return double_spend.race(keys, scenario, attacker, 2, horizon=30)

    memoryless, expected = chance(lone, 1.0), theory.double_spend(0.25, 2)
    assert_within(memoryless.value, expected, math.sqrt(expected * (1 - expected) / len(keys)))
    assert chance(lone, 8.0).high < memoryless.low  # both chains keep their mean intervals
    assert chance(nine, 8.0).low > chance(nine, 1.0).high  # nine steady nodes are hardly faster than one of their size


def test_races_count_blocks_as_rosenfeld_does():
    public, private = np.full((1, 4), 10.0), np.array([[19.0, 5.0, 5.0, 1.0]])
    # At z = 1 the private block 1 (19 s) comes before the public block 2 (20 s): 2 blocks against 1.
    np.testing.assert_array_equal(double_spend.overtakes(public, private, [1, 2, 3]), [[True, True, True]])
    np.testing.assert_array_equal(double_spend.overtakes(public, 20.0 + 0 * private, [1, 2, 3]), [[False] * 3])
    late = np.array([[25.0, 4.0, 11.0, 1.0]])  # ahead with block 2 (29 s before 30 s), then for ever behind
    assert double_spend.overtakes(public, late, 2).tolist() == [True]
    assert double_spend.overtakes(public, late, 3).tolist() == [False]


# --- adversaries in the round -------------------------------------------------------------------------------

GRID, HEIGHTS = 2.0**-9, 60  # seconds: sums are exact in float32 and exact ties rare


@st.composite
def withheld_races(draw):
    """Delays of 0.01 to 4 intervals; one to all nodes hold blocks back for up to 3 intervals."""
    count = draw(st.sampled_from([2, 6]))
    withholders = draw(st.integers(1, count))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        work = random.exponential(4.0 * count, (HEIGHTS, count))
    else:
        work = random.uniform(4.0, 5.0, (HEIGHTS, count))
    scale = draw(st.sampled_from([0.04, 0.4, 8.0]))
    delay = np.round(random.uniform(scale, 2 * scale, (count, count)) / GRID) * GRID * (1 - np.eye(count))
    hold = np.zeros(count)
    hold[-withholders:] = np.round(draw(st.floats(0.0, 12.0)) * random.random(withholders) / GRID) * GRID
    power = np.where(np.arange(count) == count - 1, 2.0, 1.0)
    return np.round(work / GRID) * GRID, power, delay, hold


@functools.cache
def played(count):
    return jax.jit(lambda scenario: pj.simulate(jax.random.key(0), scenario, HEIGHTS, keep_rounds=True))


@settings(max_examples=40)
@given(withheld_races())
def test_withholders_are_played_as_an_event_simulator_plays_them(race):
    work, power, delay, hold = race
    count = len(power)
    scenario = pj.Scenario(
        pj.nodes.Nodes(power, np.arange(count)),
        pj.network.from_matrix(delay),
        Scripted(work.astype(np.float32)),
        adversary=adversary.Withholding(hold),
    )
    source = np.asarray(played(count)(scenario).rounds.source)
    parents, released = withholding_simulator.run(work, power, delay.tolist(), hold, HEIGHTS)
    found = {
        (h + 1, int(i)): (h, int(source[h - 1, i]) if h else -1) for h, i in np.argwhere(source == np.arange(count))
    }
    assert found == parents
    assert set(released) >= {block for block in parents if block[0] < HEIGHTS}


def test_holding_back_costs_steady_small_nodes_most_and_pays_a_memoryless_majority():
    equal, majority = pj.nodes.equal(5), pj.nodes.from_shares([60, 10, 10, 10, 10])
    keys = jax.random.split(jax.random.key(8), 64)

    def share_of_node_0(nodes, mechanism, hold):
        deviant = adversary.withholding(nodes, hold, [0])
        scenario = pj.Scenario(nodes, pj.network.clique(5, 1.0), mechanism, adversary=deviant)
        history = pj.simulate_many(keys, scenario, 300)
        wins = (history.producer == 0) & history.settled
        return mean_and_error(wins.sum(axis=1) / history.settled.sum(axis=1))

    def changed(*honest_and_withheld):
        (one, one_error), (other, other_error) = honest_and_withheld
        return (other - one) / math.hypot(one_error, other_error)

    steady, memoryless = parametric.gamma(600.0, 60.0), pj.PoW(600.0)
    share, error = honest = share_of_node_0(equal, steady, 0.0)
    assert_within(share, 0.2, error)
    assert changed(honest, share_of_node_0(equal, steady, 100.0)) < -5  # a rival often finishes within the hold
    share, error = honest = share_of_node_0(majority, memoryless, 0.0)
    assert_within(share, 0.6, error + 0.002)  # forks cost the small
    assert changed(honest, share_of_node_0(majority, memoryless, 900.0)) > 5


def test_a_leak_wins_the_share_of_its_head_start():
    nodes, head = pj.nodes.from_shares([60, 40]), 400.0
    scenario = pj.Scenario(nodes, pj.network.instant(2), pj.PoW(600.0), adversary=adversary.leak(nodes, head, [1]))
    history = pj.simulate_many(jax.random.split(jax.random.key(9), 64), scenario, 1_000)
    share, error = mean_and_error(history.producer.mean(axis=1))
    alone = math.exp(-0.4 * head / 600.0)  # the friend has not finished early; from then on, power decides
    assert_within(share, 1 - 0.6 * alone, error)
    assert (history.interval == 0).mean() == pytest.approx(1 - alone, abs=0.01)
    mean, error = mean_and_error(history.interval.mean(axis=1))
    assert_within(mean, 600.0 * alone, error)


class Stopping(Scripted):
    """The same, where a node stops as soon as it has heard of a block, as mechanisms that really compute do."""

    def race(self, key, views, nodes, listening=None):
        claims = Scripted.race(self, key, views, nodes)
        publish = views.start + nodes.seconds(claims.work)
        return Claims(claims.work, claims.score, publish <= closes(listening, publish))


def test_nobody_stops_for_a_block_that_its_maker_cannot_publish_yet():
    work = np.array([[50.0, 15.0, 40.0], [90.0, 90.0, 90.0]], np.float32)
    nodes = pj.nodes.Nodes(np.ones(3), np.arange(3))

    def source(mechanism):
        deviant = adversary.leak(nodes, 70.0, [0])  # done 20 s before the start
        scenario = pj.Scenario(nodes, pj.network.clique(3, 20.0), mechanism, adversary=deviant)
        return pj.simulate(jax.random.key(0), scenario, 2, keep_rounds=True).rounds.source.tolist()

    assert source(Scripted(work))[0] == source(Stopping(work))[0] == [0, 1, 0]


def bits_of(history):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(history)]


MECHANISMS = {
    "pow": pj.PoW(600.0),
    "gamma": parametric.gamma(600.0, 5.0),
}


@pytest.mark.parametrize("name", MECHANISMS)
def test_an_honest_adversary_changes_no_bit(name):
    random = np.random.default_rng(10)
    delay = random.uniform(5.0, 10.0, (4, 4)) * (1 - np.eye(4))
    nodes, keys = pj.nodes.from_shares([28, 26, 24, 22]), jax.random.split(jax.random.key(11), 8)
    network = pj.network.from_matrix(delay * 3.0)

    def history(deviant):
        scenario = pj.Scenario(nodes, network, MECHANISMS[name], adversary=deviant)
        return pj.simulate_many(keys, scenario, 24)

    honest = history(None)
    for deviant in (
        adversary.withholding(nodes, 0.0, [0, 3]),
        adversary.leak(nodes, 0.0, [2]),
        adversary.early_key(nodes, 1_000.0, [2]),  # drawn from the tip, and all have their samples with it
    ):
        for one, other in zip(bits_of(honest), bits_of(history(deviant)), strict=True):
            np.testing.assert_array_equal(one, other)
    caught = history(adversary.leak(nodes, 1_000.0, [2]))
    assert (caught.producer == 2).mean() > (honest.producer == 2).mean() + 0.2
    ahead = history(adversary.early_key(nodes, 1_000.0, [2], bound=False))
    np.testing.assert_array_equal(ahead.producer, caught.producer)
    waiting = history(adversary.early_key(nodes, 1_000.0, [2], release=512.0))
    assert (waiting.producer == 2).mean() > (honest.producer == 2).mean() + 0.1
    assert (waiting.interval[waiting.producer != 2] > 512.0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: selfish.mine(jax.random.key(0), 0.3, 1.5, 10), "tie_share must be at least 0 and at most 1, got 1.5"),
        (lambda: selfish.mine(jax.random.key(0), 1.0, 0.5, 10), "share must be above 0 and below 1, got 1"),
        (lambda: selfish.mine_many(jax.random.key(0)[None], 0.3, -0.1, 10), "tie_share must be .*got -0.1"),
        (lambda: selfish.relative_revenue(jax.random.key(0), 0.3, 0.5), "keys must be one axis of keys"),
        (lambda: double_spend.walk(jax.random.key(0), 0.0, 1), "share must be above 0 and below 1, got 0"),
        (lambda: double_spend.walk(jax.random.key(0), 0.1, 0), "confirmations must be at least 1, got 0"),
        (lambda: double_spend.overtakes(np.ones((2, 5)), np.ones((2, 5)), 5), "confirmations must be .*most 4, got 5"),
        (lambda: double_spend.overtakes(np.ones((2, 5)), np.ones((2, 6)), 1), "private must have the shape"),
        (lambda: adversary.withholding(pj.nodes.equal(2), -1.0, [0]), "seconds must be at least 0, got -1"),
        (lambda: adversary.early_key(pj.nodes.equal(2), 1.0, [0], -1.0), "release must be at least 0, got -1"),
        (lambda: adversary.leak(pj.nodes.equal(2), 1.0, [7]), "addresses must be those of nodes, got 7"),
        (lambda: adversary.Withholding([0.0, math.inf]), "hold must be finite and at least 0, got inf at index 1"),
        (
            lambda: pj.Scenario(pj.nodes.equal(2), pj.network.instant(2), pj.PoW(1.0), adversary="selfish"),
            "adversary must be None or of polejax.attacks, got 'selfish'",
        ),
        (
            lambda: pj.simulate(
                jax.random.key(0),
                pj.Scenario(
                    pj.nodes.equal(2), pj.network.instant(2), pj.PoW(1.0), adversary=adversary.Leak([1.0, 0.0, 0.0])
                ),
                5,
            ),
            r"head_start must have one entry per node \(2\), got shape \(3,\)",
        ),
    ],
)
def test_bad_attacks_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
