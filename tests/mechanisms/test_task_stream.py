"""Task streams against a queue in plain Python, queueing theory, and the mechanisms they consist of."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from banks import geometric_bank, keys, small_pole
from hypothesis import given
from hypothesis import strategies as st
from laws import assert_within, mean_and_error

import polejax as pj
from polejax import theory
from polejax._core.record import replace
from polejax.consensus.claims import Claims
from polejax.consensus.round import genesis
from polejax.consensus.scenario import ready
from polejax.mechanisms import parametric
from polejax.mechanisms.task_stream import Queue, Taken

POWER = np.array([30, 29, 12, 11, 8, 5, 3, 1, 1]) / 100
MEANS, RATES, REWARDS = [300.0, 600.0, 1800.0], np.array([2.0, 1.0, 1.0]), np.array([1.0, 5.0, 2.0])


def stream(load, order="fifo", **changes):
    """Three kinds of steady tasks, posted `load` times as often as every 600 seconds; Proof of Work when idle."""
    tasks = [parametric.weibull(mean, 4.0) for mean in MEANS]
    given = {"rates": RATES / RATES.sum() * load / 600.0, "rewards": REWARDS, "idle": pj.PoW(600.0), "order": order}
    return pj.TaskStream(tasks, **{**given, **changes})


def chains(mechanism, seeds=128, blocks=400, network=None, key=1):
    scenario = pj.Scenario(pj.nodes.from_shares(POWER), network or pj.network.instant(9), mechanism)
    return pj.simulate_many(keys(key, seeds), scenario, blocks)


@st.composite
def comings(draw):
    counts = draw(st.lists(st.integers(0, 7), min_size=1, max_size=30))
    return counts, draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from(["fifo", "reward"]))


@given(comings())
def test_a_queue_is_a_list(coming):
    counts, seed, order = coming
    random, rewards, capacity = np.random.default_rng(seed), jnp.float32([1.0, 3.0, 3.0, 2.0]), 5
    none = jnp.zeros(1, jnp.int32)
    queue = Queue(jnp.zeros((1, capacity), jnp.int32), Taken(none, jnp.zeros(1), none, none, none, none))
    line, posted, served, dropped = [], 0, 0, 0
    for count in counts:
        tasks = random.integers(0, 4, capacity)
        queue = queue.admit(jnp.int32(tasks), jnp.int32([count])).take(rewards, order)
        new = list(tasks[:count])[: capacity - len(line)]
        line, posted, dropped = line + new, posted + count, dropped + count - len(new)
        place = max(range(len(line)), key=lambda i: (rewards[line[i]], -i)) if order == "reward" and line else 0
        task, reward = (line[place], float(rewards[line[place]])) if line else (4, 0.0)
        served += bool(line)
        del line[place : place + 1]
        expected = [task, reward, len(line), posted, served, dropped]
        assert [float(leaf[0]) for leaf in jax.tree.leaves(queue.taken)] == expected
        assert queue.line[0, : len(line)].tolist() == line


@pytest.mark.parametrize("order", ["fifo", "reward"])
def test_branches_take_what_was_posted_before_them(order):
    mechanism, key = stream(1.1, order, capacity=4), jax.random.key(3)
    network = pj.network.clique(9, 100.0)
    scenario = ready(pj.Scenario(pj.nodes.from_shares(POWER), network, mechanism))
    history = jax.device_get(jax.jit(lambda key: pj.simulate(key, scenario, 300))(key))
    assert (history.published > 1).sum() > 20
    domain = jax.random.fold_in(key, jnp.uint32(0xFFFFFFFF))
    after = jax.vmap(lambda height: scenario.mechanism.postings(jax.random.fold_in(domain, height)))
    times, tasks, _ = jax.device_get(after(jnp.arange(1, 301, dtype=jnp.int32)))
    line, wanted, coming = [], [3], 0
    for height in range(299):  # a plain walk along the canonical chain
        new = list(tasks[height, times[height] <= history.interval[height]])
        coming += len(new)
        line += new[: 4 - len(line)]
        best = sorted(range(len(line)), key=lambda i: (-REWARDS[line[i]] if order == "reward" else 0, i))
        wanted.append(line.pop(best[0]) if line else 3)
    np.testing.assert_array_equal(history.taken.task, wanted)
    np.testing.assert_array_equal(history.taken.reward, np.append(REWARDS, 0.0)[wanted])
    taken = history.taken
    np.testing.assert_array_equal(taken.posted, taken.served + taken.waiting + taken.dropped)
    np.testing.assert_array_equal(taken.served, np.cumsum(np.array(wanted) < 3))
    assert taken.dropped[-1] > 0
    assert set(wanted) == {0, 1, 2, 3}


class Probe(pj.Mechanism):
    """Claims that tell on whose behalf they were made: work by when the second node would be heard, score by task."""

    number: np.ndarray
    valid: np.ndarray
    demand: np.ndarray

    @property
    def initial_difficulty(self):
        return self.demand

    def race(self, key, views, nodes, listening=None):
        heard = jnp.zeros(2) if listening is None else listening.closes(jnp.float32([jnp.inf, 0.0]))
        return Claims(heard, self.number + jnp.zeros(2), self.valid)


@pytest.mark.parametrize(("valid", "scores"), [([[1, 0], [0, 1]], [0, 1]), ([[0, 1], [1, 0]], [0, 0])])
def test_nodes_of_a_fork_race_for_their_own_task(valid, scores):
    tasks = [Probe(np.float32(number), np.array(who, bool), np.float32(1.0)) for number, who in enumerate(valid)]
    mechanism = pj.TaskStream(tasks, [1.0, 1.0], [1.0, 1.0], tasks[0])
    scenario = ready(pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 5.0), mechanism))
    views = genesis(jax.random.key(0), scenario)
    taken = replace(views.branch.taken, task=jnp.int32([0, 1]))
    views = replace(views, branch=replace(views.branch, taken=taken))
    claims = scenario.mechanism.race(
        jax.random.key(0), views, scenario.nodes, scenario.election.listening(scenario.network, views)
    )
    np.testing.assert_array_equal(claims.score, scores)
    assert claims.valid.any()
    # Who works on the other task is not heard: it may never finish this one.
    np.testing.assert_array_equal(claims.work, [np.inf, [np.inf, 0.0][scores[1]]])


def test_task_spread_erases_steadiness():
    # Tasks come so fast that one always waits: independent from block to block, in the ratio of their rates.
    history = chains(stream(100.0), seeds=256)
    counted = history.interval[:, 20:].astype(np.float64)
    assert (history.taken.task[:, 20:] < 3).all()
    chance = RATES / RATES.sum()
    mean = chance @ MEANS
    spread = math.sqrt(chance @ np.square(MEANS) / mean**2 - 1)
    expected = theory.task_spread_cv(theory.weibull_interval_cv(4.0), spread)
    first, second = counted.mean(axis=1), np.square(counted).mean(axis=1)
    cv = math.sqrt(second.mean() / first.mean() ** 2 - 1)
    # Linearised, seed by seed.
    error = np.std(second / first.mean() ** 2 - 2 * first * second.mean() / first.mean() ** 3, ddof=1) / 2 / cv / 16
    assert_within(cv, expected, error)
    assert expected > 0.8 > 0.3 > theory.weibull_interval_cv(4.0)
    reward, error = mean_and_error(history.taken.reward[:, 20:].mean(axis=1))
    assert_within(reward, chance @ REWARDS, error)
    # What came is a Poisson process, though far more came than could wait.
    elapsed = history.interval[:, :-1].sum(axis=1, dtype=np.float64)
    posted = history.taken.posted[:, -1]
    assert_within(*dispersion(posted, elapsed * 100.0 / 600.0))


def dispersion(counts, means):
    """The mean of Poisson counts, in standard deviations, is 0."""
    scores = (counts - means) / np.sqrt(means)
    assert 0.7 < scores.std() < 1.3
    return scores.mean(), 0.0, 1 / math.sqrt(len(scores))


@pytest.mark.parametrize("order", ["fifo", "reward"])
def test_a_line_is_as_long_as_theory_says(order):
    # With memoryless tasks, all alike, this is the M/M/1 queue of customers behind the one in service.
    load = 0.7
    alike = [pj.PoW(600.0), pj.PoW(600.0)]
    mechanism = pj.TaskStream(alike, np.array([0.3, 0.7]) * load / 600.0, [2.0, 1.0], pj.PoW(600.0), order, capacity=64)
    history = chains(mechanism, seeds=128, blocks=1_500)
    taken = jax.tree.map(lambda leaf: leaf[:, 200:], history.taken)
    assert (taken.dropped == 0).all()
    for values, expected in [
        (taken.task == 2, 1 - load),
        (taken.waiting, load**2 / (1 - load)),
        (taken.reward, load * (0.3 * 2.0 + 0.7 * 1.0)),
    ]:
        mean, error = mean_and_error(values.mean(axis=1))
        assert_within(mean, expected, error)


def test_the_highest_reward_comes_first():
    history = chains(stream(4.0, "reward", capacity=1_024), seeds=4, blocks=60)
    assert (history.taken.dropped == 0).all()
    # There is always a rich task by then, and all others wait.
    assert (history.taken.task[:, 20:] == 1).all()
    assert (history.taken.waiting[:, -1] > 100).all()


def test_a_stream_is_what_it_consists_of():
    lone = chains(pj.PoW(600.0), seeds=4, blocks=100, network=pj.network.clique(9, 50.0))
    idle = chains(stream(0.0), seeds=4, blocks=100, network=pj.network.clique(9, 50.0))
    for name in ("interval", "producer", "published", "settled", "score", "difficulty"):
        np.testing.assert_array_equal(getattr(idle, name), getattr(lone, name))
    assert (idle.taken.task == 3).all()
    banks = [geometric_bank(seed) for seed in (0, 1)]
    easy, hard = (pj.Replay(bank, threshold=threshold) for bank, threshold in zip(banks, (0.5, 0.9), strict=True))
    busy = pj.TaskStream([easy, hard], [0.0, 1e6], [1.0, 1.0], easy)
    both = [chains(mechanism, seeds=4, blocks=50) for mechanism in (busy, hard)]
    assert (both[0].taken.task[:, 1:] == 1).all()
    np.testing.assert_array_equal(both[0].interval[:, 1:], both[1].interval[:, 1:])
    np.testing.assert_array_equal(both[0].learning.rejected[:, 1:], both[1].learning.rejected[:, 1:])


def test_live_tasks_and_proof_of_work_between_them():
    tasks = [small_pole(seed, threshold=threshold, max_steps=20) for seed, threshold in ((0, 0.6), (1, 0.7))]
    mechanism = pj.TaskStream(tasks, [0.04, 0.02], [1.0, 3.0], pj.PoW(20.0))
    scenario = pj.Scenario(pj.nodes.equal(3, 3.0), pj.network.clique(3, 1.0), mechanism)
    history = jax.device_get(pj.simulate(jax.random.key(4), scenario, 16))
    idle = history.taken.task == 2
    assert set(history.taken.task) == {0, 1, 2}
    np.testing.assert_array_equal(history.score[idle], 1.0)
    assert history.fallback[idle].all()
    assert (history.commitment[idle] == 0).all()
    trained = ~idle & ~history.fallback
    assert trained.any()
    threshold = np.array([0.6, 0.7, 0.0], np.float32)[history.taken.task]
    assert (history.learning.claimed >= threshold)[trained].all()
    assert len({tip.tobytes() for tip in history.tip}) == 16
    assert pj.summarise(history).claimed.value == pytest.approx(
        history.learning.claimed[trained & history.settled].mean()
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: stream(1.0, rates=[1.0]), r"rates must have one entry per task \(3\), got shape \(1,\)"),
        (lambda: stream(1.0, rewards=[1.0, -2.0, 1.0]), "rewards must be at least 0, got -2 at index 1"),
        (lambda: stream(1.0, "lifo"), "order"),
        (lambda: stream(1.0, capacity=0), "capacity must be at least 1, got 0"),
        (lambda: stream(1.0, idle=None), "idle must be a mechanism, got None"),
        (lambda: pj.TaskStream([], [], [], pj.PoW(1.0)), "tasks must be a list of mechanisms"),
        (
            lambda: pj.TaskStream([pj.PoW(1.0), parametric.gamma(1.0, 2.0)], [1.0, 1.0], [1.0, 1.0], pj.PoW(1.0)),
            "task 1 is unlike task 0",
        ),
        (
            lambda: pj.TaskStream(
                [pj.Replay(geometric_bank(0, size)) for size in (8, 9)], [1.0, 1.0], [1.0, 1.0], pj.PoW(1.0)
            ),
            "task 1 is unlike task 0",
        ),
    ],
)
def test_bad_input_names_value_and_remedy(build, message):
    with pytest.raises(ValueError, match=message):
        build()
