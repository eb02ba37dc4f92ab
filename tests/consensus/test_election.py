"""Winner rules against an independent event simulator, closed forms, and first seen."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import winner_simulator
from banks import keys, small_pole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import assert_within, mean_and_error
from scripted import Scripted, shortest_paths

import polejax as pj
from polejax._core.record import replace
from polejax.analysis import winners_curse
from polejax.consensus import chain, elections
from polejax.consensus.round import genesis
from polejax.consensus.scenario import ready

GRID = 2.0**-6  # seconds: all sums below are exact in float32, so that the two simulators must agree to the bit
HEIGHTS = 60
PLAYED = HEIGHTS + chain.MOST_BEYOND  # until the branches of the last height that counts have met


@functools.cache
def played(count, rule):
    return jax.jit(lambda key, scenario: pj.simulate(key, scenario, HEIGHTS, keep_rounds=True))


@st.composite
def races(draw):
    """A small network with delays of 0 to several intervals, few different scores, windows of 0 to many intervals.

    On a coarse grid of times everything happens at once, and what comes first is the rules' to say.
    """
    count, grid = draw(st.sampled_from([3, 8])), draw(st.sampled_from([GRID, 8.0]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    interval = 16.0
    work = random.exponential(interval * count, (PLAYED, count))
    score = random.integers(0, draw(st.sampled_from([1, 3, 50])), (PLAYED, count)) / 64
    scale = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0])) * interval
    hops = random.exponential(max(scale, GRID), (count, count)) if scale else np.zeros((count, count))
    delay = shortest_paths(np.round(hops * (1 - np.eye(count)) / grid) * grid)
    power = 2.0 ** random.integers(-1, 3, count)
    seconds = draw(st.sampled_from([0.0, GRID, 0.1 * interval, interval, 3 * interval, 10 * interval]))
    work = np.maximum(np.round(work / grid), 1) * grid
    return work, score, power, delay, np.round(seconds / grid) * grid


@pytest.mark.parametrize("rule", [pj.elections.BestInWindow, pj.elections.BestAtDeadline])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # which patches the same for every example
@given(races())
def test_rounds_equal_the_event_simulator(rule, monkeypatch, race):
    monkeypatch.setattr(elections, "SMALL", 3)  # of three nodes all pairs are looked at, of eight claim by claim
    work, score, power, delay, seconds = race
    count = len(power)
    mechanism = Scripted(work.astype(np.float32), score.astype(np.float32))
    network = pj.network.from_matrix(delay)
    scenario = pj.Scenario(pj.nodes.Nodes(power, np.arange(count)), network, mechanism, election=rule(seconds))
    history = jax.device_get(played(count, rule)(jax.random.key(0), scenario))
    ends = {"window" if rule is pj.elections.BestInWindow else "deadline": float(seconds)}
    expected = winner_simulator.run(work.tolist(), score.tolist(), power.tolist(), delay.tolist(), PLAYED, **ends)

    source = history.rounds.source
    assert {(h + 1, i): (h + 1, int(source[h, i])) for h, i in np.ndindex(*source.shape)} == {
        block: taken for block, taken in expected.adopted.items() if block[0] <= HEIGHTS
    }
    published = {(int(h) + 1, int(i)) for h, i in np.argwhere(history.rounds.published)}
    assert published == {block for block in expected.published if 0 < block[0] <= HEIGHTS}
    for h, i in published:
        parent = (0, -1) if h == 1 else (h - 1, int(source[h - 2, i]))
        assert parent == expected.parent[h, i]
        assert history.rounds.blocks.interval[h - 1, i] == expected.published[h, i] - expected.published[parent]
    np.testing.assert_array_equal(history.published, history.rounds.published.sum(axis=1))
    counted = history.rounds.published & history.settled[:, None]
    np.testing.assert_array_equal(history.published_by, counted.sum(axis=0))
    block = expected.adopted[PLAYED, 0]
    for h in range(PLAYED, 0, -1):  # the canonical chain is the one behind node 0's tip
        if h <= HEIGHTS:
            assert history.producer[h - 1] == block[1]
            assert history.score[h - 1] == np.float32(score[h - 1, block[1]])
        block = expected.parent[block]


def crowd(kind, count=200):
    random = np.random.default_rng(5)
    if kind == "clique":
        return pj.network.clique(count, 7.3)
    if kind == "regions":
        return pj.network.regions(np.arange(count) % 3, 9.1 + 3.7 * np.eye(3), random.uniform(1, 9, count), 3.3)
    places = random.uniform(0, 30, (count, 2))
    return pj.network.from_matrix(np.linalg.norm(places[:, None] - places[None], axis=-1))


@pytest.mark.parametrize("kind", ["clique", "regions", "matrix"])
def test_claims_that_nobody_can_prefer_need_not_be_looked_at(kind):
    """Both ways agree to the last bit on times that are multiples of nothing, with many claims, ties and forks."""
    network, count = jax.tree.map(jnp.asarray, crowd(kind)), 200

    @jax.jit
    def choose(publish, score, start, seconds):
        first, finder = network.arrivals(publish)
        chosen = []
        for close in (pj.elections.BestInWindow(1.0), pj.elections.BestAtDeadline(1.0)):
            close = replace(close, seconds=seconds).closing(first, start)
            published = (publish < close) | (finder == jnp.arange(count))
            heard = elections._Heard(publish, score, first, finder, close, published)
            ways = elections.all_pairs(heard, network), elections.best_first(heard, network)
            chosen.append((*ways, finder, published.sum()))
        return chosen

    random, claims, views = np.random.default_rng(6), [], []
    for seconds in np.float32([0.0, 1.0, 10.0, 100.0, 1e4]):
        for distinct in (1, 4, 1000):
            start = random.uniform(0, 5, count).astype(np.float32)
            publish = start + random.gamma(25.0, 4.0, count).astype(np.float32)
            publish[random.random(count) < 0.1] = np.inf
            score = (random.integers(0, distinct, count) / 1024).astype(np.float32)
            for every, fewer, finder, published in choose(publish, score, start, seconds):
                np.testing.assert_array_equal(every, fewer)
                claims.append(int(published))
                views.append(len(np.unique(fewer)))
                if seconds == 0 or distinct == 1:
                    np.testing.assert_array_equal(every, finder)
    assert min(claims) < 20
    assert max(claims) > 150  # windows hold few and nearly all
    assert max(views) > 5
    assert min(views) == 1


POWER = np.array([30, 29, 12, 11, 8, 5, 3, 1, 1]) / 100


def chains(mechanism, election, network=None, seeds=256, blocks=400):
    network = network or pj.network.instant(9)
    scenario = pj.Scenario(pj.nodes.from_shares(POWER), network, mechanism, election=election)
    return pj.simulate_many(keys(1, seeds), scenario, blocks)


@pytest.mark.parametrize("rule", [pj.elections.BestInWindow, pj.elections.BestAtDeadline])
@pytest.mark.parametrize("network", ["matrix", "regions"])
def test_no_time_to_choose_is_first_seen_to_the_last_bit(rule, network, cursed):
    random = np.random.default_rng(4)
    if network == "matrix":
        network = pj.network.from_matrix(shortest_paths(random.uniform(5, 60, (9, 9)) * (1 - np.eye(9))))
    else:
        network = pj.network.regions(np.arange(9) % 3, 20.0 + 10 * np.eye(3), random.uniform(1, 9, 9), 3.3)
    first, chosen = (
        chains(cursed[1], election, network, seeds=8) for election in (pj.elections.FirstSeen(), rule(0.0))
    )
    assert 10 < (first.published > 1).sum()
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(chosen), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_window_s_chain_is_its_closed_form():
    window = 300.0
    history = chains(pj.PoW(600.0), pj.elections.BestInWindow(window))
    assert history.settled.all()  # no delays, no forks
    # Intervals add up to the times between first claims, but for the two ends of the chain.
    mean, error = mean_and_error(history.interval[:, 20:].mean(axis=1))
    assert_within(mean, 600.0 + window, error)
    claims = 1 + ((1 - POWER) * -np.expm1(-window / 600.0 * POWER)).sum()
    assert_within(*spread(history.published, claims))
    # Claims are all alike: the first wins, and waiting changes nothing about who that is.
    assert_within(*spread(history.producer == 0, POWER[0]))


def spread(values, expected):
    mean, error = mean_and_error(values.mean(axis=1))
    return mean, expected, error


def test_a_deadline_s_chain_is_its_closed_form():
    deadline = 400.0
    history = chains(pj.PoW(600.0), pj.elections.BestAtDeadline(deadline))
    mean, error = mean_and_error(history.interval[:, 20:].mean(axis=1))
    assert_within(mean, deadline + 600.0 * np.exp(-deadline / 600.0), error)
    # Whoever finishes before the deadline, or else the first.
    claims = -np.expm1(-deadline / 600.0 * POWER).sum() + np.exp(-deadline / 600.0)
    assert_within(*spread(history.published, claims))


@pytest.fixture(scope="module")
def cursed():
    random = np.random.default_rng(3)
    quality = random.normal(0.8, 0.02, (1024, 1))
    validation, test, holdout = (np.float32(quality + random.normal(0, 0.03, (1024, 1))) for _ in range(3))
    bank = pj.Bank(validation, test, np.zeros(1024, bool), 600, "{}", holdout)
    return bank, pj.Replay(bank, threshold=0.5, margin=0.5, jitter=0.3)


def test_choosing_the_best_is_choosing_the_luckiest(cursed):
    bank, mechanism = cursed
    everyone = winners_curse(chains(mechanism, pj.elections.BestInWindow(1e6), seeds=64, blocks=200))
    first = winners_curse(chains(mechanism, pj.elections.FirstSeen(), seeds=64, blocks=200))
    test, other = bank.test[:, 0].astype(float), bank.holdout[:, 0].astype(float)
    # Of nine draws from B curves, the r-th worst of the bank is the best with probability (r^9 - (r - 1)^9) / B^9.
    rank = np.argsort(np.argsort(test)) + 1.0
    chance = (rank / 1024) ** 9 - ((rank - 1) / 1024) ** 9
    for estimate, expected in [
        (everyone.score, chance @ test),
        (everyone.holdout, chance @ other),
        (everyone.score_bias, chance @ (test - other)),
        (everyone.claimed_bias, chance @ (bank.validation[:, 0].astype(float) - other)),
        (first.score, test.mean()),
        (first.score_bias, (test - other).mean()),
    ]:
        assert_within(estimate.value, expected, (estimate.high - estimate.low) / 4)
    assert everyone.score_bias.low > 0.02 > 0.005 > abs(first.score_bias.value)
    assert everyone.holdout.low > first.holdout.high  # and yet the chosen are better, by less than they seem
    assert everyone.claims_per_block.value == 9.0
    assert first.claims_per_block.value == 1.0


def disagreement(history):
    source = np.asarray(history.rounds.source)
    return (source != source[..., :1]).any(axis=-1).mean()


def test_views_differ_where_windows_hold_different_claims(cursed):
    network = pj.network.clique(9, 60.0)

    @jax.jit
    def play(seconds):
        scenario = pj.Scenario(
            pj.nodes.from_shares(POWER), network, cursed[1], election=pj.elections.BestInWindow(seconds)
        )
        return jax.vmap(lambda key: pj.simulate(key, scenario, 200, keep_rounds=True))(keys(6, 16))

    differing = [disagreement(play(np.float32(seconds))) for seconds in (0.0, 300.0, 1e6)]
    assert differing[0] > 0.01
    assert differing[1] > 0.01  # claims near the close are heard by some
    assert differing[2] == 0.0  # long against the delays and all the work: everybody agrees


@pytest.fixture(scope="module")
def live():
    """PoLe on five unequal nodes, a second apart, that verifies on half of its test samples."""
    task, samples = pj.tasks.hold_out(small_pole().recipe.task)
    mechanism = replace(small_pole(threshold=0.6, margin=0.2), task=task, holdout=samples)
    return pj.Scenario(pj.nodes.from_shares([8, 4, 4, 3, 1], 5.0), pj.network.clique(5, 1.0), mechanism)


def test_training_goes_on_while_claims_matter(live):
    @jax.jit
    def race(key, scenario):
        scenario = ready(scenario)
        views = replace(genesis(key, scenario), start=jnp.float32([0.0, 1.0, 0.5, 1.0, 0.25]))
        network, found = scenario.network, []
        for hears in (scenario.election.listening(network, views), None):
            claims = scenario.mechanism.race(key, views, scenario.nodes, hears)
            publish = jnp.where(claims.valid, views.start + scenario.nodes.seconds(claims.work), jnp.inf)
            found.append((claims, scenario.election.elect(publish, claims, network, views)))
        return found

    published, saved = [], []
    for seed in range(6):
        patient, endless = jax.device_get(
            race(jax.random.key(seed), replace(live, election=pj.elections.BestInWindow(8.0)))
        )
        for one, other in zip(patient[1], endless[1], strict=True):
            np.testing.assert_array_equal(one, other)
        heard = patient[1].published
        for name in ("work", "score", "commitment"):
            np.testing.assert_array_equal(*(getattr(claims, name)[heard] for claims, _ in (patient, endless)))
        published.append(heard.sum())
        saved.append(endless[0].computed[0] - patient[0].computed[0])
    assert 1 <= min(published) < max(published) <= 5
    assert min(saved) >= 0
    assert max(saved) > 0


def test_live_blocks_bear_what_they_are_worth(live):
    deadline = 12.0
    scenario = replace(live, election=pj.elections.BestAtDeadline(deadline))
    history = jax.device_get(pj.simulate(jax.random.key(7), scenario, 10, keep_rounds=True))
    rounds = history.rounds
    assert (history.published > 1).any()
    assert (history.published < 5).any()
    # Nodes without a claim work to the deadline at least, and claimants until they have claimed.
    idle = np.where(rounds.published, 0.0, scenario.nodes.power).sum(axis=1) * deadline
    assert (history.useful > idle).all()
    assert (history.useful <= 1.1 * history.computed).all()
    score = np.where(rounds.published, rounds.blocks.score, -np.inf)
    assert (
        history.score[history.published > 1] > score.mean(axis=1, where=rounds.published)[history.published > 1]
    ).any()
    samples = history.learning.holdout * 50  # fifty samples are held out
    np.testing.assert_allclose(samples, np.round(samples), atol=1e-4)
    assert (history.learning.holdout > 0.4).all()
    found = winners_curse(history)
    assert found.score_bias.value == pytest.approx((history.score - history.learning.holdout)[history.settled].mean())
    assert found.claims_per_block.value == pytest.approx(history.published[history.settled].mean())


def test_halves_of_the_test_samples_make_the_whole(tmp_path):
    whole = small_pole()
    task, samples = pj.tasks.hold_out(whole.recipe.task)
    halved = replace(whole, task=task, holdout=samples)
    full, half = (pj.learning_curves(jax.random.key(0), mechanism, 8) for mechanism in (whole, halved))
    np.testing.assert_array_equal(full.validation, half.validation)
    np.testing.assert_allclose(half.test / 2 + half.holdout / 2, full.test, atol=1e-6)
    assert (half.test != half.holdout).any()
    half.save(tmp_path / "bank.nc")
    again = pj.load_bank(tmp_path / "bank.nc", halved)
    np.testing.assert_array_equal(again.holdout, half.holdout)
    with pytest.raises(ValueError, match="bank does not match"):
        pj.load_bank(tmp_path / "bank.nc", whole)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: pj.elections.BestInWindow(-1.0), "seconds must be at least 0, got -1"),
        (lambda: pj.elections.BestAtDeadline(float("inf")), "seconds must be finite and at least 0, got inf"),
        (lambda: small_pole(holdout=3), "holdout must be None or made by polejax.tasks.hold_out, got 3"),
        (
            lambda: winners_curse(chains(pj.PoW(1.0), pj.elections.FirstSeen(), seeds=2, blocks=2)),
            "holdout accuracies, got none",
        ),
    ],
)
def test_bad_input_names_value_and_remedy(build, message):
    with pytest.raises(ValueError, match=message):
        build()
