"""Block arrivals as one Poisson process: of the same arrivals an event simulator makes the same blocks; the law is the
rounds'.
"""

import math

import event_simulator
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laws import assert_within, mean_and_error
from scipy import stats
from scripted import shortest_paths

import polejax as pj
from polejax._core import draw, threefry
from polejax._core.record import replace
from polejax._engine import block_arrivals, canonical_arrivals, poisson
from polejax._engine.node_sampling import alias, bounds

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

SHARES = [30, 29, 12, 11, 8, 5, 3, 1, 1]
GRID = 2.0**-10  # seconds: times and delays below are multiples of it, so that sums in float32 are exact
COARSE = 128  # in grid steps: delays are multiples of so many, and no two arrivals in reach of each other differ by one


class Finding:
    """Work that ends at a node's next find after it begins, whenever that is; for `event_simulator.run`."""

    def __init__(self, times, heights):
        self.times, self.heights = times, heights  # [N] lists of seconds

    def __len__(self):
        return self.heights

    def __getitem__(self, _):
        return [NextFind(times) for times in self.times]


class NextFind:
    def __init__(self, times):
        self.times = times

    def __truediv__(self, power):
        return self

    def __radd__(self, now):
        later = np.searchsorted(self.times, now, side="right")
        return self.times[later] if later < len(self.times) else math.inf


def networks():
    """A network of 5 nodes of each kind, delays in multiples of the coarse grid."""
    random, step = np.random.default_rng(0), GRID * COARSE
    hops = random.integers(1, 80, (5, 5)) * (1 - np.eye(5))
    between = random.integers(20, 40, (3, 3)) * step
    up, down = random.integers(0, 20, (2, 5)) * step
    return [
        pj.network.clique(5, 24 * step),
        pj.network.from_matrix(shortest_paths(hops) * step),
        pj.network.regions([0, 1, 2, 1, 0], between, up, down),
    ]


@pytest.mark.smoke
@pytest.mark.device
@pytest.mark.parametrize(("index", "interval"), [(0, 40.0), (1, 8.0), (2, 6.0)])
def test_parents_and_histories_equal_the_event_simulators(index, interval):
    network, heights, lanes = networks()[index], 90, 4
    room = block_arrivals.room_for(float(np.max(network.max_delay)) / interval, heights)
    random = np.random.default_rng(index)
    # Times on the coarse grid, each moved by a number of fine steps of its own: nothing ever happens at the same time.
    coarse = np.maximum(np.round(random.exponential(interval, (room.arrivals, lanes)) / (GRID * COARSE)), 0)
    times = coarse.cumsum(axis=0) * COARSE * GRID + (1 + np.arange(room.arrivals))[:, None] * (GRID + COARSE * GRID)
    gap = np.diff(times, axis=0, prepend=0.0)
    finder = random.choice(5, (room.arrivals, lanes), p=[0.4, 0.3, 0.1, 0.1, 0.1])
    found = block_arrivals.Arrivals(jnp.asarray(gap, jnp.float32), jnp.asarray(finder, jnp.uint16))

    @jax.jit
    def resolve(found, network):
        chosen = block_arrivals.choose(found, network, room)
        ending = canonical_arrivals.end(found, chosen, network, room)
        return chosen, canonical_arrivals.keep(found, chosen, ending, 5, room)

    chosen, kept = jax.device_get(resolve(found, jax.tree.map(jnp.asarray, network)))
    assert chosen.sound.all()
    delay = np.asarray(jax.vmap(jax.tree.map(jnp.asarray, network).delays_from)(jnp.arange(5)), np.float64)
    for lane in range(lanes):
        own = [times[finder[:, lane] == node, lane] for node in range(5)]
        expected = event_simulator.run(Finding(own, heights), [1.0] * 5, delay.tolist(), heights)
        check_chain(expected, chosen, kept, times[:, lane], finder[:, lane], lane, heights)


def check_chain(expected, chosen, kept, times, finder, lane, heights):
    named = [(int(height), int(node)) for height, node in zip(chosen.height[:, lane], finder, strict=True)]
    within = [find for find, block in enumerate(named) if block[0] <= heights]
    assert {named[find]: times[find] for find in within} == {b: t for b, t in expected.published.items() if b[0] > 0}
    assert len({named[find] for find in within}) == len(within)  # one block per height and node
    for find in within:
        parent = find - int(chosen.parent[find, lane])
        assert (named[parent] if parent >= 0 else (0, -1)) == expected.parent[named[find]]
    block, settled = expected.adopted[heights, 0], int(kept.settled[lane].sum())
    branches = {expected.adopted[heights, node] for node in range(5)}
    for height in range(heights, 0, -1):
        parent = expected.parent[block]
        assert kept.producer[lane, height - 1] == block[1]
        assert kept.interval[lane, height - 1] == expected.published[block] - expected.published[parent]
        assert kept.published[lane, height - 1] == sum(other[0] == height for other in expected.published)
        assert (height <= settled) == (len(branches) == 1)
        branches, block = {expected.parent[branch] for branch in branches}, parent
    by = [sum(0 < height <= settled and node == i for height, node in expected.published) for i in range(5)]
    assert kept.published_by[lane].tolist() == by


def test_too_little_room_is_known():
    network = jax.tree.map(jnp.asarray, pj.network.clique(9, 10.0))
    gap = jnp.full((64, 2), 11.0).at[20:24, 1].set(1.0)  # five blocks in flight at once, in the second chain
    found = block_arrivals.Arrivals(gap, jnp.asarray(np.arange(64)[:, None] % 9 + np.zeros((1, 2)), jnp.uint16))
    for recent, sound in ((4, [True, False]), (6, [True, True])):
        assert block_arrivals.choose(found, network, block_arrivals.Room(0.0, 50, recent, 64)).sound.tolist() == sound
    # Height 64 is reached by the last find: there may be others of that height to come.
    for heights, settled in ((63, 63), (64, 0)):
        room = block_arrivals.Room(0.0, heights, 6, 64)
        assert (
            canonical_arrivals.end(found, block_arrivals.choose(found, network, room), network, room).settled[0]
            == settled
        )


@pytest.fixture(scope="module")
def both():
    """Histories with many forks, drawn as one Poisson process and by rounds."""
    delays = shortest_paths(np.random.default_rng(0).uniform(20, 2000, (9, 9)) * (1 - np.eye(9)))
    scenario = pj.Scenario(pj.nodes.from_shares(SHARES), pj.network.from_matrix(delays), pj.PoW(work=600.0))
    keys = jax.random.split(jax.random.key(0), 1_024)
    return [pj.simulate_many(keys, scenario, 128, method=method) for method in ("poisson", "rounds")]


def test_the_law_is_that_of_the_rounds(both):
    def statistics(history):
        """Of each seed, over its settled heights: every one a mean over blocks."""
        settled = history.settled
        count = np.maximum(settled.sum(axis=1), 1)[:, None]
        beyond = np.minimum(history.published, 4)
        shape = 5 * beyond[:, 1:] + beyond[:, :-1]  # forks of two heights in a row
        again = history.producer[:, 1:] == history.producer[:, :-1]
        x = history.interval / 600.0
        columns = [
            *(((history.producer == node) & settled).sum(axis=1) for node in range(9)),
            *(((shape == cell) & settled[:, 1:]).sum(axis=1) for cell in np.unique(shape)),
            *((again & (beyond[:, 1:] == forks) & settled[:, 1:]).sum(axis=1) for forks in range(1, 5)),
            *(np.where(settled, x**power, 0.0).sum(axis=1) for power in (1, 2)),
            np.where(settled[:, 1:], x[:, 1:] * x[:, :-1], 0.0).sum(axis=1),
            np.where(settled, x * history.published, 0.0).sum(axis=1),
            *history.published_by.T,
        ]
        return np.stack(columns, axis=1) / count, np.unique(shape).tolist()

    (one, shapes), (two, others) = map(statistics, both)
    assert shapes == others
    (mean, error), (expected, expected_error) = mean_and_error(one), mean_and_error(two)
    assert_within(mean, expected, np.hypot(error, expected_error))
    thinned = [history.interval[:, 10:100:9].ravel() for history in both]
    assert stats.ks_2samp(*thinned).pvalue > 1e-6
    ends = [np.argmin(history.settled, axis=1) for history in both]  # first unsettled height, 0: none
    assert stats.ks_2samp(*ends).pvalue > 1e-6


@pytest.fixture(scope="module")
def pools():
    return pj.Scenario(pj.nodes.from_shares(SHARES), pj.network.clique(9, 60.0), pj.PoW(work=600.0))


@pytest.fixture(scope="module")
def history(pools):
    return jax.device_get(pj.simulate_many(jax.random.split(jax.random.key(4), 5), pools, 100, method="poisson"))


def play_one(key, scenario, num_blocks, in_flight):
    """One chain, within a program of the caller's."""
    kept = poisson.play(key[None], poisson.race_of(scenario), num_blocks, in_flight)
    work = jnp.asarray(scenario.mechanism.initial_difficulty)
    return poisson.as_history(jax.tree.map(lambda leaf: leaf[0], kept), work, jnp)


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_chains_depend_on_their_key_alone(pools, history):
    keys, seen = jax.random.split(jax.random.key(4), 5), []
    cut = pj.simulate_many(
        keys,
        pools,
        100,
        chains=2,
        devices=jax.devices()[:2],
        progress=lambda told: seen.append((told.done, told.total, told.unit)),
        method="poisson",
    )
    assert_same(cut, history)
    assert seen == [(500, 500, "blocks")]
    # A longer run begins like a shorter one, and more room, by more than a mask's byte, makes no difference.
    longer = pj.simulate_many(keys, pools, 170, method="poisson")
    roomy = jax.jit(jax.vmap(lambda key: play_one(key, pools, 100, in_flight=0.2)))(keys)
    assert_same(roomy, history)
    settled = np.asarray(history.settled)
    assert settled[:, :95].all()
    for field in ("interval", "producer", "published"):
        np.testing.assert_array_equal(getattr(longer, field)[:, :100][settled], getattr(history, field)[settled])


def test_relabelling_nodes_relabels_the_outcome(pools, history):
    order = np.random.default_rng(1).permutation(9)
    nodes = pj.nodes.Nodes(pools.nodes.power[order], pools.nodes.address[order])
    scenario = pj.Scenario(nodes, pools.network, pools.mechanism)
    relabelled = pj.simulate_many(jax.random.split(jax.random.key(4), 5), scenario, 100, method="poisson")
    rows = relabelled.settled & history.settled  # the last tip is that of another node
    np.testing.assert_array_equal(order[relabelled.producer][rows], history.producer[rows])
    np.testing.assert_array_equal(relabelled.interval[rows], history.interval[rows])


def test_work_and_delay_sweep_without_a_second_compilation(pools):
    traced = []

    @jax.jit
    def swept(key, work, seconds):
        traced.append(1)
        scenario = pj.Scenario(pools.nodes, pj.network.clique(9, seconds), pj.PoW(work))
        return play_one(key, scenario, 40, in_flight=0.5)

    key = jax.random.key(7)
    short, long = swept(key, 600.0, 60.0), swept(key, 1200.0, 120.0)
    assert len(traced) == 1
    np.testing.assert_array_equal(long.interval, 2 * short.interval)
    both = jax.vmap(lambda *of: swept(key, *of))(jnp.array([600.0, 1200.0]), jnp.array([60.0, 120.0]))
    assert_same(jax.tree.map(lambda leaf: leaf[1], both), long)
    # More in flight than promised: the room may be too small, so nothing counts.
    assert not swept(key, 600.0, 301.0).settled.any()
    assert swept(key, 600.0, 299.0).settled.any()


def test_one_node_never_forks():
    scenario = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), pj.PoW(50.0))
    history = pj.simulate_many(jax.random.split(jax.random.key(5), 200), scenario, 100, method="poisson")
    assert history.settled.all()
    assert (history.published == 1).all()
    assert (history.published_by == 100).all()
    assert stats.kstest(history.interval.ravel(), stats.expon(scale=50.0).cdf).pvalue > 1e-6


@pytest.mark.parametrize(
    "nodes",
    [
        pj.nodes.equal(1),
        pj.nodes.equal(1_000),
        pj.nodes.from_shares(SHARES),
        pj.nodes.zipf(500),
        pj.nodes.lognormal(300, sigma=3.0),
        pj.nodes.Nodes([1.0, 5.0, 2.0, 0.1], [7, 3, 9, 0]),
    ],
)
def test_finders_are_drawn_in_proportion_to_power(nodes):
    table = alias(nodes)
    share, count = table.share / 2.0**32, nodes.count
    first, second = table.nodes & 0xFFFF, table.nodes >> 16
    drawn = (np.bincount(first, share, count) + np.bincount(second, 1 - share, count)) / count
    wanted = nodes.power / nodes.power.sum(dtype=np.float64)
    np.testing.assert_allclose(drawn, wanted, rtol=1e-6, atol=2.0**-32)
    # Where in its column a word falls decides between the two nodes.
    words = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint64)
    column, place = words * count >> 32, words * count & 0xFFFFFFFF
    expected = np.where(place < table.share[column], first[column], second[column])
    words = jnp.asarray(words.astype(np.uint32))
    np.testing.assert_array_equal(table.of(words), expected)
    # Few nodes have a stretch of words each, in the order of addresses.
    if count <= 16:
        stretches = bounds(nodes)
        np.testing.assert_array_equal(stretches.nodes, np.argsort(nodes.address))
        ends = np.concatenate([[0], stretches.first, [2.0**32]])
        np.testing.assert_allclose(np.diff(ends) / 2.0**32, wanted[stretches.nodes], rtol=1e-6, atol=2.0**-32)
        edges = np.concatenate([words, stretches.first, stretches.first - 1]).astype(np.uint32)
        expected = stretches.nodes[np.searchsorted(stretches.first, edges, side="right")]
        np.testing.assert_array_equal(stretches.of(jnp.asarray(edges)), expected)


def test_words_are_those_of_jax():
    keys, numbers = jax.random.split(jax.random.key(6), 3), jnp.arange(50, dtype=jnp.uint32) * 99_999_999
    words = jnp.stack(threefry.two_words(keys[:, None], numbers[None]), axis=-1)
    np.testing.assert_array_equal(words, jax.vmap(draw.two_words, (0, None))(keys, numbers))


@pytest.mark.parametrize("count", [9, 40, 300])
def test_blocks_of_many_nodes_are_counted_like_those_of_few(count):
    random, room = np.random.default_rng(count), block_arrivals.Room(0.0, 90, 4, 128)
    finder = random.integers(0, count, (128, 3)).astype(np.uint8 if count <= 256 else np.uint16)
    height, settled = np.sort(random.integers(1, 100, (128, 3)), axis=0), np.array([90, 40, 0])
    by = canonical_arrivals._published_by(
        *map(jnp.asarray, (finder, height.astype(np.int16), settled.astype(np.int32))), count, room
    )
    lanes = zip(finder.T, height.T, settled, strict=True)
    np.testing.assert_array_equal(by, [np.bincount(who[of <= most], minlength=count) for who, of, most in lanes])


def test_what_is_no_poisson_process_is_refused_by_name(pools):
    keys, count = jax.random.key(0)[None], 9
    refused = {
        "mechanism": pj.HashedPoW(64.0),
        "election": pj.elections.BestInWindow(1.0),
        "difficulty": pj.difficulty.bitcoin(),
        "adversary": pj.attacks.withholding(pools.nodes, 5.0, [0]),
        "nodes": pj.nodes.growth(pools.nodes, 0.01),
        "network": pj.network.random_delays(pj.network.instant(count), pj.network.exponential_delay(1.0)),
    }
    for field, value in refused.items():
        fields = {"nodes": pools.nodes, "network": pools.network, "mechanism": pools.mechanism, field: value}
        for function in (pj.simulate_many, pj.tally_many):
            with pytest.raises(
                ValueError, match=f'{field} must be .* for method="poisson", got .*: use method="rounds"'
            ):
                function(keys, pj.Scenario(**fields), 10, method="poisson")
    far = pj.Scenario(pools.nodes, pj.network.clique(9, 6000.0), pools.mechanism)
    with pytest.raises(ValueError, match=r'must be at most about 3 on average for method="poisson", got 10: shorten'):
        pj.simulate_many(keys, far, 10, method="poisson")
    with pytest.raises(ValueError, match='work, power and delays must be known for method="poisson"'):
        jax.jit(lambda work: poisson.blocks_in_flight(replace(pools, mechanism=pj.PoW(work))))(600.0)
    with pytest.raises(ValueError, match="power must be known where finders are drawn"):
        jax.jit(lambda scenario: play_one(keys[0], scenario, 10, in_flight=0.1))(pools)
    with pytest.raises(ValueError, match="num_blocks must be at least 1, got 0"):
        pj.simulate_many(keys, pools, 0, method="poisson")
    with pytest.raises(ValueError, match="keys must be one axis of keys"):
        pj.simulate_many(keys[0], pools, 10, method="poisson")
    crowd = pj.Scenario(pj.nodes.equal(70_000), pj.network.instant(70_000), pools.mechanism)
    with pytest.raises(ValueError, match="nodes must number at most 65,536"):
        poisson.check_poisson(crowd)
