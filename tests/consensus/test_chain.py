"""The engine against an independent event simulator, and the invariances that it promises."""

import functools

import event_simulator
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scripted import Scripted, shortest_paths

import polejax as pj
from polejax.consensus import chain

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

GRID = 2.0**-6  # seconds: all sums below are exact in float32, so that the two simulators must agree to the bit
HEIGHTS = 150
PLAYED = HEIGHTS + chain.MOST_BEYOND  # until the branches of the last height that counts have met


@functools.cache
def played(count: int):
    return jax.jit(lambda key, scenario: pj.simulate(key, scenario, HEIGHTS, keep_rounds=True))


@st.composite
def races(draw):
    """A small network with delays of 0 to several intervals, and memoryless or nearly constant work."""
    count = draw(st.sampled_from([2, 5, 12]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    interval = 16.0
    if draw(st.booleans()):
        work = random.exponential(interval * count, (PLAYED, count))
    else:
        work = random.uniform(interval, interval * draw(st.sampled_from([1.01, 1.2])), (PLAYED, count))
    scale = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0])) * interval
    hops = random.exponential(max(scale, GRID), (count, count)) if scale else np.zeros((count, count))
    delay = shortest_paths(np.round(hops * (1 - np.eye(count)) / GRID) * GRID)
    power = 2.0 ** random.integers(-1, 3, count)
    return np.maximum(np.round(work / GRID), 1) * GRID, power, delay


@pytest.mark.smoke
@pytest.mark.device
@given(races())
def test_rounds_equal_the_event_simulator(race):
    work, power, delay = race
    count = len(power)
    nodes = pj.nodes.Nodes(power, np.arange(count))
    scenario = pj.Scenario(nodes, pj.network.from_matrix(delay), Scripted(work.astype(np.float32)))
    history = jax.device_get(played(count)(jax.random.key(0), scenario))
    expected = event_simulator.run(work.tolist(), power.tolist(), delay.tolist(), PLAYED)

    source = history.rounds.source
    published = {(h + 1, int(i)) for h, i in np.argwhere(source == np.arange(count))}
    wanted = {block for block in expected.published if 0 < block[0] <= HEIGHTS}
    assert published == wanted
    for h, i in published:
        parent = (0, -1) if h == 1 else (h - 1, int(source[h - 2, i]))
        assert parent == expected.parent[h, i]
        assert history.rounds.blocks.interval[h - 1, i] == expected.published[h, i] - expected.published[parent]
    branches = [expected.adopted[PLAYED, i] for i in range(count)]
    for h in range(PLAYED, 0, -1):
        if h <= HEIGHTS:
            assert history.producer[h - 1] == branches[0][1]  # the canonical chain is the one behind node 0's tip
            assert history.settled[h - 1] == (len(set(branches)) == 1)  # all tips descend from one block of the height
        branches = [expected.parent[block] for block in branches]


@pytest.mark.smoke
@pytest.mark.device
def test_a_clique_is_its_matrix_to_the_last_bit():
    publish = jax.random.exponential(jax.random.key(1), (200, 7)) * 30
    publish = jnp.where(jax.random.bernoulli(jax.random.key(2), 0.1, publish.shape), jnp.inf, jnp.round(publish))
    for seconds in (0.0, 3.0):
        clique = pj.network.clique(7, seconds)
        matrix = jax.tree.map(jnp.asarray, pj.network.from_matrix(seconds * (1 - np.eye(7))))
        for one, other in zip(jax.vmap(clique.arrivals)(publish), jax.vmap(matrix.arrivals)(publish), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def pools():
    nodes = pj.nodes.from_shares([30, 29, 12, 11, 8, 5, 3, 1, 1])
    delay = shortest_paths(np.random.default_rng(0).uniform(5, 60, (9, 9)) * (1 - np.eye(9)))
    return pj.Scenario(nodes, pj.network.from_matrix(delay), pj.PoW(work=600.0))


@pytest.fixture(scope="module")
def history(pools):
    return pj.simulate(jax.random.key(3), pools, 400, keep_rounds=True)


def test_relabelling_nodes_relabels_the_outcome(pools, history):
    order = np.random.default_rng(1).permutation(9)
    nodes = pj.nodes.Nodes(pools.nodes.power[order], pools.nodes.address[order])
    network = pj.network.from_matrix(pools.network.delay[np.ix_(order, order)])
    relabelled = pj.simulate(jax.random.key(3), pj.Scenario(nodes, network, pools.mechanism), 400, keep_rounds=True)
    rows = np.asarray(history.settled & relabelled.settled)
    np.testing.assert_array_equal(order[relabelled.producer][rows], np.asarray(history.producer)[rows])
    np.testing.assert_array_equal(relabelled.interval[rows], history.interval[rows])
    np.testing.assert_array_equal(order[relabelled.rounds.source], np.asarray(history.rounds.source)[:, order])


def test_twice_the_work_and_delay_take_twice_the_time(pools, history):
    slower = pj.Scenario(pools.nodes, pj.network.from_matrix(2 * pools.network.delay), pj.PoW(work=1200.0))
    np.testing.assert_array_equal(pj.simulate(jax.random.key(3), slower, 400).interval, 2 * history.interval)


def test_a_longer_run_begins_with_the_shorter_one(pools, history):
    longer = pj.simulate(jax.random.key(3), pools, 600)
    settled = np.asarray(history.settled)
    assert settled[:350].all()
    assert np.asarray(longer.settled)[:400][settled].all()
    np.testing.assert_array_equal(np.asarray(longer.interval)[:400][settled], np.asarray(history.interval)[settled])


@pytest.mark.smoke
@pytest.mark.device
def test_published_blocks_are_conserved(history):
    settled = np.asarray(history.settled)
    np.testing.assert_array_equal(np.asarray(history.published)[settled].sum(), history.published_by.sum())
    canonical = np.bincount(np.asarray(history.producer)[settled], minlength=9)
    assert (canonical <= np.asarray(history.published_by)).all()
    assert np.asarray(history.published).min() >= 1


def test_many_chains_depend_on_their_key_alone(pools):
    keys = jax.random.split(jax.random.key(4), 5)
    whole = jax.device_get(jax.jit(jax.vmap(lambda key: pj.simulate(key, pools, 60)))(keys))
    for options in (
        {"segment": 60},
        {"segment": 7, "chains": 1, "devices": jax.devices()[:1]},
        {"segment": 25, "chains": 2, "devices": jax.devices()[:3]},
    ):
        cut = pj.simulate_many(keys, pools, 60, **options)
        assert jax.tree.structure(cut) == jax.tree.structure(whole)
        for one, other in zip(jax.tree.leaves(cut), jax.tree.leaves(whole), strict=True):
            np.testing.assert_array_equal(one, other)


def test_only_the_unsettled_suffix_of_a_forking_chain_is_carried():
    # Two halves that hear each other after forty intervals stay split for many segments of 4 heights.
    far = np.array([[0, 1, 20000, 20000], [1, 0, 20000, 20000], [20000, 20000, 0, 1], [20000, 20000, 1, 0.0]])
    scenario = pj.Scenario(pj.nodes.equal(4), pj.network.from_matrix(far), pj.PoW(work=500.0))
    keys = jax.random.split(jax.random.key(5), 2)
    whole = jax.vmap(lambda key: pj.simulate(key, scenario, 96))(keys)
    cut = pj.simulate_many(keys, scenario, 96, segment=4)
    np.testing.assert_array_equal(cut.interval, whole.interval)
    np.testing.assert_array_equal(cut.settled, whole.settled)
    assert not np.asarray(whole.settled)[:, -8:].all()


def test_a_million_blocks_do_not_drift():
    scenario = pj.Scenario(pj.nodes.equal(3), pj.network.clique(3, 1.0), pj.PoW(work=10.0))
    reports = []
    history = pj.simulate_many(
        jax.random.split(jax.random.key(6), 8),
        scenario,
        131_072,
        segment=16_384,
        progress=reports.append,
    )
    assert history.interval.shape == (8, 131_072)
    assert history.interval.size > 10**6
    assert (reports[-1].done, reports[-1].total) == (8 * 131_072, 8 * 131_072)
    assert history.settled[:, :-20].all()
    first, last = history.interval[:, :10_000], history.interval[:, -10_020:-20]
    assert stats.ks_2samp(first.ravel(), last.ravel()).pvalue > 1e-6
    assert np.unique(last).size > 0.9 * np.unique(first).size  # a stalling clock would quantise late intervals


def test_jit_vmap_and_sweeps_need_no_second_compilation():
    traced = []

    @jax.jit
    def mean_interval(key, scenario):
        traced.append(1)
        return pj.simulate(key, scenario, 50).interval.mean()

    for work in (100.0, 200.0):
        scenario = pj.Scenario(pj.nodes.equal(4), pj.network.clique(4, work / 10), pj.PoW(work))
        mean_interval(jax.random.key(0), scenario)
    assert len(traced) == 1
    swept = jax.vmap(
        lambda work: mean_interval(jax.random.key(0), pj.Scenario(scenario.nodes, scenario.network, pj.PoW(work)))
    )
    means = swept(jnp.array([100.0, 200.0, 400.0]))
    assert (np.diff(means) > 0).all()


def alone(mechanism, **rules):
    return pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), mechanism, **rules)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: pj.nodes.from_shares([1, -1]), "shares must be at least 0, got -1 at index 1"),
        (lambda: pj.nodes.from_shares([]), "shares must hold at least one number"),
        (lambda: pj.nodes.from_shares([0, 0]), "positive sum"),
        (lambda: pj.nodes.from_shares([1, 0]), "got 0 at node 1"),
        (lambda: pj.nodes.from_shares([1, float("nan")]), "shares must be .* got nan at index 1"),
        (lambda: pj.nodes.equal(0), "count must be at least 1, got 0"),
        (lambda: pj.nodes.Nodes([1.0, 2.0], [7, 7]), "address 7 is given twice"),
        (lambda: pj.nodes.Nodes([1.0, 2.0], [7]), "one entry per node"),
        (lambda: pj.nodes.Nodes([1.0, 0.0], [7, 8]), "power must be above 0, got 0 at index 1"),
        (lambda: pj.nodes.Nodes([1.0], [-1]), "address must be whole numbers"),
        (lambda: pj.network.clique(3, -1.0), "seconds must be at least 0, got -1"),
        (lambda: pj.network.from_matrix([[0, 9, 1], [9, 0, 1], [1, 1, 0]]), r"delay\[0, 1\] = 9 must be at most"),
        (lambda: pj.network.from_matrix([[1.0]]), r"delay\[0, 0\] must be 0"),
        (lambda: pj.network.from_matrix([[0.0, 1.0]]), "square"),
        (lambda: pj.PoW(work=0.0), "work must be above 0, got 0"),
        (lambda: pj.Scenario(pj.nodes.equal(3), pj.network.instant(2), pj.PoW(1.0)), "network connects 2 nodes"),
        (lambda: pj.PoW(work="600"), "work must be a number or an array of numbers, got '600'"),
        (lambda: pj.PoW(work=None), "work must be a number or an array of numbers, got None"),
        (
            lambda: pj.PoW(work=np.array(["6"], object)),
            r"work must be a number or an array of numbers, got an array of object",
        ),
        (lambda: pj.PoW(work=6 + 1j), "work must be a number or an array of numbers, got"),
        (lambda: pj.PoW(work=float("inf")), "work must be finite and above 0, got inf"),
        (lambda: pj.Scenario(pj.network.instant(2), pj.nodes.equal(2), pj.PoW(9.0)), "nodes must be .* got Clique"),
        (lambda: alone(pj.PoW), "mechanism must be like .* got the class PoW"),
        (lambda: alone(pj.PoW(9.0), difficulty=600.0), "difficulty must be .* got float"),
        (lambda: alone(pj.PoW(9.0), difficulty=pj.difficulty.accuracy(9.0)), "Accuracy moves an accuracy, but PoW"),
        (lambda: pj.simulate(0, None, 5), "key must be a typed JAX key"),
        (lambda: pj.difficulty.window(blocks=2), "blocks must be at least 3, got 2"),
        (lambda: pj.difficulty.window(clamp=0.5), "clamp must be at least 1"),
    ],
)
def test_bad_input_names_value_and_remedy(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_num_blocks_must_be_positive(pools):
    with pytest.raises(ValueError, match="num_blocks must be at least 1, got 0"):
        pj.simulate(jax.random.key(0), pools, 0)
    with pytest.raises(ValueError, match="one axis of keys"):
        pj.simulate_many(jax.random.key(0), pools, 5)
