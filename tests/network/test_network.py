"""Networks: every shape against the min-plus product as it stands, published tables, and delays that are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import polejax as pj
from polejax import network

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

SIZES = (1, 5, 40)  # few, as every size compiles; small and large matrices hear differently


@jax.jit
def arrivals(net, publish):
    return net.arrivals(publish)


def delays(net):
    """All delays f32[N, N] of a network, from its rows."""
    return np.asarray(jax.vmap(net.delays_from)(jnp.arange(net.count)))


def brute(net, publish):
    """The min-plus product and the lowest publisher of each minimum, in NumPy."""
    times = publish[:, None] + delays(net)
    return times.min(axis=0), times.argmin(axis=0)


def as_jax(net):
    return jax.tree.map(jnp.asarray, net)


def draw_regions(rng, count, high=5):
    """A network of six regions with whole delays, so that sums are exact and ties are many."""
    between, up, down = rng.integers(0, high, (6, 6)), rng.integers(0, 3, count), rng.integers(0, 3, count)
    return network.regions(rng.integers(0, 6, count), between, up, down, relay=True)


@given(seed=st.integers(0, 2**32 - 1), count=st.sampled_from(SIZES), latest=st.sampled_from([3, 30, 1000]))
def test_every_network_hears_what_the_min_plus_product_says(seed, count, latest):
    rng = np.random.default_rng(seed)
    publish = rng.integers(0, latest, count).astype(np.float32)
    publish[rng.random(count) < 0.2] = np.inf
    areas = as_jax(draw_regions(rng, count))
    for net in (areas, network.from_matrix(delays(areas)), network.clique(count, float(rng.integers(0, 9)))):
        arrival, source = arrivals(as_jax(net), publish)
        expected, publisher = brute(as_jax(net), publish)
        np.testing.assert_array_equal(arrival, expected)
        np.testing.assert_array_equal(source, publisher)


@pytest.mark.parametrize("count", [16, 200])
def test_whom_a_node_follows_has_published(count):
    # In float32 a node that was stopped by rounding's width might else be followed by others.
    rng = np.random.default_rng(7)
    places = rng.random((count, 2))
    net = as_jax(network.from_matrix(np.linalg.norm(places[:, None] - places[None], axis=-1)))
    publish = jnp.asarray(5.0 + rng.random((500, count)), jnp.float32)
    _, source = jax.jit(jax.vmap(net.arrivals))(publish)
    np.testing.assert_array_equal(np.take_along_axis(np.asarray(source), np.asarray(source), axis=1), source)
    assert (np.asarray(source) == np.arange(count)).sum(axis=1).max() > 3  # forks were there to get wrong


def test_regions_have_the_delays_that_define_them_and_relay_takes_detours():
    region, up, down = np.array([0, 0, 1, 2]), np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.25, 0.125, 0.0])
    between = np.array([[1.0, 2.0, 9.0], [2.0, 1.0, 3.0], [9.0, 3.0, 1.0]])
    plain = between[region][:, region] + up[:, None] + down[None, :]
    np.fill_diagonal(plain, 0.0)
    with pytest.raises(ValueError, match=r"between\[0, 2\] = 9 .* 8\.125, .* region 1 .*relay=True"):
        network.regions(region, between, up, down)
    relayed = delays(as_jax(network.regions(region, between, up, down, relay=True)))
    for via in range(4):
        plain = np.minimum(plain, plain[:, via, None] + plain[None, via, :])
    np.testing.assert_allclose(relayed, plain)
    network.from_matrix(relayed)  # obeys the triangle inequality


def test_a_region_without_nodes_passes_nothing_on():
    net = network.regions(np.array([0, 0, 1]), np.array([[1.0, 9.0, 1.0], [9.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    assert delays(as_jax(net))[0, 2] == 9.0


@pytest.mark.parametrize("year", [2015, 2019])
def test_the_internet_obeys_the_triangle_inequality_and_its_table(year):
    net = as_jax(network.internet(120, year, num_bytes=1e6, verification=0.5, messages=3))
    network.from_matrix(delays(net))
    population = np.bincount(net.region, minlength=6)
    np.testing.assert_allclose(population, 120 * np.array(network.INTERNET[year].share), atol=1.0)
    assert population.sum() == 120
    europeans = np.flatnonzero(np.asarray(net.region) == 1)[:2]
    latency, rate = {2015: (0.012, 8.1e6), 2019: (0.011, 20.7e6)}[year]
    assert delays(net)[tuple(europeans)] == pytest.approx(3 * latency + 8e6 / rate + 0.5)


def test_in_2019_blocks_reach_australia_over_japan():
    direct = network.internet(6, 2019, num_bytes=0.0, region=np.array([3, 5, 0, 1, 2, 0]))
    over_japan = network.internet(6, 2019, num_bytes=0.0, region=np.array([3, 5, 4, 1, 2, 0]))
    assert delays(as_jax(direct))[0, 1] == pytest.approx(0.198)
    assert delays(as_jax(over_japan))[0, 1] == pytest.approx(0.058 + 0.126)


def test_compact_blocks_are_smaller_blocks():
    full, compact = (network.internet(50, num_bytes=b) for b in (network.BITCOIN_BLOCK, network.COMPACT_BLOCK))
    assert (np.asarray(compact.reach) < np.asarray(full.reach)).all()
    assert network.hop_delay(0.1, 1e6, 1e6, 0.25, messages=3) == pytest.approx(0.3 + 1.0 + 0.25)


def test_ten_thousand_nodes_are_usable():
    net, nodes = network.internet(10_000), pj.nodes.equal(10_000)
    run = jax.jit(lambda key: pj.simulate(key, pj.Scenario(nodes, net, pj.PoW(work=600.0)), 50))
    history = run(jax.random.key(3))
    assert (np.asarray(history.interval) > 0).all()
    assert np.asarray(history.published).sum() < 55


def test_a_pole_block_weighs_its_parameters_and_costs_its_arithmetic():
    pole = pj.PoLe(task=pj.tasks.digits(), model=pj.models.MultilayerPerceptron(hidden=(32,), num_classes=10))
    recipe = pole.recipe
    samples, features = recipe.task.test_inputs.shape
    block = pj.models.model_block(recipe, 1e9, bytes_per_parameter=2.0, other_bytes=80.0)
    parameters = features * 32 + 32 + 32 * 10 + 10
    products = features * features + features * 32 + 32 * 10
    assert block.num_bytes == 2 * parameters + 80
    assert block.verification == pytest.approx(2 * samples * products / 1e9)
    heavy = network.internet(9, num_bytes=block.num_bytes, verification=block.verification)
    light = network.internet(9, num_bytes=block.num_bytes)
    np.testing.assert_allclose(heavy.reach - light.reach, block.verification, rtol=1e-3)


LAWS = [
    (network.constant_delay(2.0), None),
    (network.uniform_delay(1.0, 3.0), stats.uniform(1.0, 2.0)),
    (network.exponential_delay(2.0), stats.expon(scale=2.0)),
    (network.lognormal_delay(2.0, 0.5), stats.lognorm(0.5, scale=2.0)),
    (network.empirical_delay([0.0, 1.0, 4.0]), None),
]


@pytest.mark.parametrize(("law", "reference"), LAWS, ids=lambda value: type(value).__name__)
def test_drawn_delays_follow_their_law(law, reference):
    net = network.random_delays(network.clique(2_000, 10.0), law)
    row = np.asarray(as_jax(net).sample(jax.random.key(5)).delays_from(jnp.int32(3)))
    assert row[3] == 0.0
    extra = np.delete(row, 3) - 10.0
    if reference is None:
        share = {"ConstantDelay": (2.0, 0.0), "EmpiricalDelay": (1.0, 0.5)}[type(law).__name__]
        assert (extra < share[0] - 1e-4).mean() == pytest.approx(share[1], abs=5 * 0.5 / 2_000**0.5)
        assert extra.max() <= 4.0
    else:
        assert stats.kstest(extra, reference.cdf).pvalue > 1e-5


def test_constant_drawn_delays_are_a_clique_and_others_stop_whoever_hears_in_time():
    publish = jnp.asarray(np.random.default_rng(2).random((20, 40)) * 9, jnp.float32)
    constant = as_jax(network.random_delays(network.instant(40), network.constant_delay(2.0))).sample(jax.random.key(0))
    clique = as_jax(network.clique(40, 2.0))
    for row in publish:
        for got, expected in zip(arrivals(constant, row), arrivals(clique, row), strict=True):
            np.testing.assert_array_equal(got, expected)
    drawn = as_jax(network.random_delays(network.instant(40), network.exponential_delay(2.0))).sample(jax.random.key(0))
    delay = delays(drawn)
    for row in np.asarray(publish):
        published = []  # an event at a time
        for node in np.argsort(row):
            if all(row[j] + delay[j, node] > row[node] for j in published):
                published.append(node)
        arrival, source = arrivals(drawn, row)
        np.testing.assert_array_equal(np.flatnonzero(np.asarray(source) == np.arange(40)), np.sort(published))
        np.testing.assert_array_equal(arrival, (row[published, None] + delay[published]).min(axis=0))


def test_a_round_of_random_delays_needs_its_key():
    net = network.random_delays(network.instant(3), network.exponential_delay(1.0))
    assert net.sample(jax.random.key(1)).key is not None
    assert net.base.sample(jax.random.key(1)) is net.base
    with pytest.raises(ValueError, match=r"network\.sample\(key\)"):
        net.arrivals(jnp.zeros(3))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: network.clique(3, -1.0), "seconds must be at least 0, got -1"),
        (lambda: network.clique(0, 1.0), "count must be at least 1, got 0"),
        (
            lambda: network.from_matrix([[0.0, 9.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
            r"delay\[0, 1\] = 9 .*\[0, 2\]",
        ),
        (lambda: network.from_matrix([[0.0, -1.0], [1.0, 0.0]]), "delay must be at least 0, got -1"),
        (lambda: network.from_matrix([[1.0, 1.0], [1.0, 0.0]]), r"delay\[0, 0\] must be 0, got 1"),
        (lambda: network.from_matrix([[0.0, 1.0]]), "square"),
        (lambda: network.regions([0, 3], np.ones((2, 2))), "region must be from 0 to 1, got 3 at node 1"),
        (lambda: network.regions([0.5], np.ones((2, 2))), "region must be whole numbers"),
        (lambda: network.regions([0, 1], np.ones((2, 2)), up=[1.0]), r"up must be one number or one per node \(2\)"),
        (lambda: network.internet(5, 2017), "year must be one of 2015, 2019, got 2017"),
        (lambda: network.hop_delay(0.1, bandwidth=0.0), "bandwidth must be above 0, got 0"),
        (lambda: network.uniform_delay(2.0, 1.0), "high must be at least 2, got 1"),
        (lambda: network.lognormal_delay(0.0, 1.0), "median must be above 0, got 0"),
        (lambda: network.empirical_delay([2.0, 1.0]), "quantiles must .* not decrease"),
        (lambda: network.random_delays(network.instant(2), 1.0), "law must be a DelayLaw, got 1.0"),
        (lambda: pj.Scenario(pj.nodes.equal(3), network.instant(2), pj.PoW(600.0)), "2 nodes, but there are 3"),
    ],
)
def test_bad_networks_are_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message):
        build()
