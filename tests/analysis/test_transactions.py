"""Transactions against queueing theory, and against a replay in which every branch has its own mempool."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polejax as pj
from polejax import theory
from polejax._core.record import replace
from polejax.analysis import estimate, lognormal_fees, mempool, service
from polejax.analysis.transactions import Load, MarkovModulated, Poisson

SEEDS, HEIGHTS, MEAN = 128, 1_200, 600.0


def history_of(interval):
    """A history with the given intervals f32[..., H], all settled."""
    scenario = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), pj.PoW(MEAN))
    history = pj.simulate(jax.random.key(0), scenario, 1)
    interval = np.asarray(interval, np.float32)
    return replace(history, interval=interval, settled=np.ones(interval.shape, bool))


@functools.cache
def history_with(cv: float):
    """Gamma intervals of one mean; CV 1 is Proof of Work."""
    random = np.random.default_rng(round(1_000 * cv))
    return history_of(random.gamma(cv**-2, MEAN * cv**2, (SEEDS, HEIGHTS)))


@functools.cache
def served(load: Load, cv: float = 1.0, seed: int = 0):
    history = history_with(cv)
    keys = jax.random.split(jax.random.key(seed), SEEDS)
    return pj.serve(keys, history, load, devices=jax.devices()[:2])


def summary_of(load: Load, cv: float = 1.0, **options):
    options = {"confirmations": 3, "cool_down": 100, **options}
    return service(served(load, cv), history_with(cv), load, **options)


def sigmas(found, truth):
    """Largest distance of an estimate's values from the truth, in standard errors."""
    half = (np.asarray(found.high) - found.low) / 2 / estimate.student(SEEDS, 0.95)
    return float(np.max(np.abs(found.value - truth) / half))


BUSY = Load(Poisson(90.0 / MEAN), 100)
PRIORITY = Load(Poisson(90.0 / MEAN), 100, fees=[5.0, 2.0, 1.0], shares=[0.3, 0.4, 0.3])
UNLIMITED = Load(Poisson(90.0 / MEAN), np.inf)


def test_first_come_first_served_waits_as_bulk_queue():
    law = theory.bulk_queue(90.0 / MEAN, 1.0 / MEAN, 100)
    found = summary_of(BUSY)
    assert sigmas(found.latency_mean, law.wait + MEAN * np.arange(3)) < 5
    assert sigmas(found.backlog_mean, law.length) < 5
    assert sigmas(found.offered, 90.0 / MEAN) < 5
    assert sigmas(found.throughput, 90.0 / MEAN) < 5
    assert sigmas(found.fullness, 0.9) < 5
    # A geometric number of transactions ahead, served by the hundred at exponential intervals: the wait is exponential.
    waits = theory.bulk_wait_quantile(found.quantiles, 90.0 / MEAN, 1.0 / MEAN, 100)
    assert sigmas(first_confirmation(found.latency_quantile), waits) < 5
    # A block is full unless fewer than b waited before it: P(n < b) at a block is that of what a transaction sees.
    assert sigmas(found.full_share, theory.full_block_share(90.0 / MEAN, 1.0 / MEAN, 100)) < 5
    assert found.unconfirmed_share.value.max() < 1e-3


def first_confirmation(found):
    return estimate.Estimate(found.value[0], found.low[0], found.high[0])


@pytest.mark.parametrize("cv", [1.0, 0.5, 0.1])
def test_unlimited_blocks_leave_the_residual_interval(cv):
    found = summary_of(UNLIMITED, cv)
    assert sigmas(found.latency_mean, theory.first_confirmation_wait(MEAN, cv) + MEAN * np.arange(3)) < 5
    assert found.fullness is None
    assert found.full_share is None


def test_steady_blocks_halve_the_wait():
    pow_, pole = summary_of(UNLIMITED, 1.0), summary_of(UNLIMITED, 0.1)
    assert pow_.latency_mean.value[0] / pole.latency_mean.value[0] == pytest.approx(2 / 1.01, rel=0.03)
    busy_pow, busy_pole = summary_of(BUSY, 1.0), summary_of(BUSY, 0.1)
    assert busy_pow.latency_mean.low[0] > 3 * busy_pole.latency_mean.high[0]
    assert busy_pow.throughput.low < busy_pole.throughput.high  # steadiness shortens waits, it adds no capacity
    assert busy_pole.throughput.low < busy_pow.throughput.high


def test_dearer_classes_wait_as_if_alone_and_little_shares_out_the_rest():
    found = summary_of(PRIORITY, cool_down=250)
    rates = 90.0 / MEAN * np.array([0.3, 0.4, 0.3])
    assert sigmas(found.latency_mean_by_class, theory.priority_waits(rates, 1.0 / MEAN, 100)) < 5
    assert sigmas(found.backlog_mean, theory.bulk_queue(rates.sum(), 1.0 / MEAN, 100).length) < 5
    assert sigmas(found.fees_per_second, rates @ [5.0, 2.0, 1.0]) < 5


@pytest.mark.parametrize("load", [BUSY, PRIORITY, Load(MarkovModulated([0.05, 0.5], [9_000.0, 1_000.0]), 100)])
def test_transactions_are_conserved_and_littles_law_holds(load):
    chains = served(load)
    assert (np.cumsum(chains.confirmed - chains.arrived, axis=1) <= 0).all()
    assert sigmas(summary_of(load).offered, float(load.arrivals.mean_rate)) < 5
    # Whatever is confirmed first, the total is that of one queue.
    arrived, confirmed = chains.arrived.sum(axis=2, dtype=np.int64), chains.confirmed.sum(axis=2, dtype=np.int64)
    backlog = np.zeros(SEEDS, np.int64)
    for height in range(HEIGHTS):
        waiting = backlog + arrived[:, height]
        np.testing.assert_array_equal(confirmed[:, height], np.minimum(waiting, 100))
        backlog = waiting - confirmed[:, height]
    # Probes of an interval come one after another, before the block, and none overtakes.
    assert (np.diff(chains.probe_wait, axis=2) < 0).all()
    assert (chains.probe_wait >= 0).all()
    assert (np.diff(chains.probe_block, axis=2) >= 0).all()
    # Little's law, chain by chain from an empty mempool on: what the backlog's area says and what the probes say.
    history = history_with(1.0)
    found = service(chains, history, load, warm_up=0, cool_down=0, confirmations=1)
    rest = backlog.sum() / arrived.sum()
    assert found.unconfirmed_share.value[0] == pytest.approx(rest, rel=0.1)
    found = summary_of(load, cool_down=250)
    assert found.backlog_mean.value == pytest.approx(found.offered.value * found.latency_mean.value[0], rel=0.01)


def test_bursts_scatter_as_heffes_and_lucantoni_say():
    (low, high), (calm, burst) = rates, sojourns = np.array([0.05, 0.5]), np.array([900.0, 100.0])
    law = MarkovModulated(rates, sojourns)
    history = history_of(np.full((SEEDS, HEIGHTS), MEAN))
    keys = jax.random.split(jax.random.key(3), SEEDS)
    counts = pj.serve(keys, history, Load(law, 100), devices=jax.devices()[:2]).arrived[..., 0].astype(float)
    a, b = 1 / calm, 1 / burst
    dispersion = 2 * (high - low) ** 2 * a * b / ((a + b) ** 2 * (low * b + high * a))
    dispersion = 1 + dispersion * (1 - -np.expm1(-(a + b) * MEAN) / ((a + b) * MEAN))
    of_seed = counts.var(axis=1) / counts.mean()
    assert abs(counts.mean() / (law.mean_rate * MEAN) - 1) < 5 * counts.mean(axis=1).std() / counts.mean() / SEEDS**0.5
    assert abs(of_seed.mean() - dispersion) < 5 * of_seed.std() / SEEDS**0.5
    assert dispersion > 5


@given(st.data())
def test_probe_is_confirmed_by_the_block_that_lists_say(data):
    heights, classes = 6, 2
    numbers = st.lists(st.integers(0, 4), min_size=heights * classes, max_size=heights * classes)
    arrived = np.array(data.draw(numbers), np.int32).reshape(heights, classes)
    capacity = np.array(data.draw(st.lists(st.integers(0, 5), min_size=heights, max_size=heights)), np.int32)
    height, kind = data.draw(st.integers(0, heights - 1)), data.draw(st.integers(0, classes - 1))
    earlier = data.draw(st.integers(0, int(arrived[height, kind])))
    # Every transaction by name, the probe among them.
    pool: list[tuple[int, int, str]] = []
    contents, found = [], heights
    for block in range(heights):
        for c in range(classes):
            names = ["tx"] * arrived[block, c]
            if (block, c) == (height, kind):
                names.insert(earlier, "probe")
            pool += [(c, block, name) for name in names]
        pool.sort(key=lambda entry: entry[:2])
        taken, pool = pool[: capacity[block]], pool[capacity[block] :]
        contents.append([sum(entry[0] == c for entry in taken) for c in range(classes)])
        if any(entry[2] == "probe" for entry in taken):
            found = min(found, block)
    confirmed, waiting, room = fill(arrived, capacity)
    ahead = np.array(waiting - arrived)[:, None]
    ahead[height, 0, kind] += earlier
    assert int(confirming(ahead, room)[height, 0, kind]) == found
    assert confirmed[:height].tolist() == contents[:height]


fill, confirming = jax.jit(mempool.fill_blocks), jax.jit(mempool._confirming)


def test_stale_blocks_return_their_transactions():
    """Every node's branch with a mempool of its own, transaction by transaction, on a chain that forks all the time."""
    count, heights, capacity = 4, 250, 6
    scenario = pj.Scenario(pj.nodes.equal(count), pj.network.clique(count, 3.0), pj.PoW(10.0))
    history = pj.simulate(jax.random.key(5), scenario, heights, keep_rounds=True)
    source, interval = np.asarray(history.rounds.source), np.asarray(history.rounds.blocks.interval, np.float64)
    assert (np.asarray(history.published) > 1).sum() > 30
    horizon = 40.0 * heights
    arrivals = np.sort(np.random.default_rng(6).uniform(0.0, horizon, int(horizon * capacity / 16)))
    published, contents = np.zeros((heights + 1, count)), {}
    lacking = [np.zeros(0, int)] * count  # of each node's branch: the transactions in its blocks
    for h in range(heights):
        parent = source[h - 1] if h else np.arange(count)
        for j in range(count):
            published[h + 1, j] = published[h, parent[j]] + interval[h, j]
            known = np.arange(np.searchsorted(arrivals, published[h + 1, j]))
            contents[h, j] = np.setdiff1d(known, lacking[j])[:capacity]
        lacking = [np.concatenate([lacking[j], contents[h, j]]) for j in source[h]]
    producer = np.asarray(history.producer)
    times = published[np.arange(1, heights + 1), producer]
    arrived = np.diff(np.searchsorted(arrivals, times), prepend=0).astype(np.int32)
    confirmed = np.asarray(mempool.fill_blocks(jnp.asarray(arrived)[:, None], np.full(heights, capacity, np.int32))[0])
    replayed = np.array([len(contents[h, producer[h]]) for h in range(heights)])
    np.testing.assert_array_equal(confirmed[:, 0], replayed)
    canonical = np.concatenate([contents[h, producer[h]] for h in range(heights)])
    np.testing.assert_array_equal(canonical, np.arange(canonical.size))  # none lost, none twice, in order of arrival
    assert (replayed < capacity).any()
    assert (replayed == capacity).any()


def test_a_chain_is_served_alike_alone_and_in_company_and_unsettled_blocks_serve_nobody():
    history, keys = history_with(1.0), jax.random.split(jax.random.key(0), SEEDS)
    company = served(BUSY)
    one = replace(history, interval=history.interval[3], settled=np.arange(HEIGHTS) < 900)
    alone = jax.jit(functools.partial(pj.serve, probes=2))(keys[3], one, BUSY)
    for name in ("arrived", "confirmed"):
        np.testing.assert_array_equal(getattr(alone, name)[:900], getattr(company, name)[3, :900])
        assert not np.asarray(getattr(alone, name)[900:]).any()
    block = company.probe_block[3, :900]
    np.testing.assert_array_equal(alone.probe_block[:900], np.where(block < 900, block, HEIGHTS))
    shorter = service(alone, one, BUSY)
    cut = replace(one, interval=one.interval[:900], settled=one.settled[:900])
    fewer = jax.tree.map(lambda leaf: np.asarray(leaf)[:900] if np.ndim(leaf) else leaf, alone)
    assert shorter.latency_mean.value == pytest.approx(service(fewer, cut, BUSY).latency_mean.value)
    assert np.isinf(shorter.latency_mean.high).all()  # one chain does not say how much chains differ


def test_an_overloaded_chain_is_reported_and_never_nan():
    load = Load(Poisson(200.0 / MEAN), 100)
    found = summary_of(load, warm_up=0, cool_down=0)
    assert sigmas(found.throughput, 100.0 / MEAN) < 5
    assert found.unconfirmed_share.value[0] > 0.3
    assert found.latency_quantile.value[0, 2] == np.inf
    flooded = Load(Poisson(1e8), 10)
    with pytest.raises(ValueError, match="fewer blocks"):
        summary_of(flooded)


def test_fee_classes_stand_for_their_law():
    fees = np.array(lognormal_fees(50, mean=3.0, sigma=1.2))
    assert fees.mean() == pytest.approx(3.0)
    sample = np.sort(np.random.default_rng(0).lognormal(np.log(3.0) - 1.2**2 / 2, 1.2, 10**6))[::-1].reshape(50, -1)
    np.testing.assert_allclose(fees, sample.mean(axis=1), rtol=0.02)
    assert Load(Poisson(1.0), 5, fees=fees).num_classes == 50


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Poisson(0.0), "rate must be above 0"),
        (lambda: MarkovModulated([0.0, 0.0], [1.0, 1.0]), "must not both be 0"),
        (lambda: MarkovModulated([1.0], [1.0, 1.0]), "must be two numbers"),
        (lambda: Load(Poisson(1.0), 0), "capacity must be at least 1"),
        (lambda: Load(1.0, 5), "arrivals must be"),
        (lambda: Load(Poisson(1.0), 5, fees=[1.0, 2.0]), "fees must fall"),
        (lambda: Load(Poisson(1.0), 5, fees=[2.0, 1.0], shares=[1.0]), "one entry per fee class"),
        (lambda: Load(Poisson(1.0), 5, shares=[0.0]), "positive sum"),
        (lambda: pj.serve(jax.random.key(0), history_with(1.0), BUSY), "give one key per chain"),
        (lambda: pj.serve(jax.random.split(jax.random.key(0), 2), history_with(1.0), BUSY), "one chain per"),
        (lambda: summary_of(BUSY, warm_up=HEIGHTS), "must leave settled heights"),
        (lambda: service(served(BUSY), history_with(1.0), PRIORITY), "must be of this history"),
    ],
)
def test_what_makes_no_sense_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
