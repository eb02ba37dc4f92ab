"""Winner rules against an independent event simulator, closed forms, and first seen."""

import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import winner_simulator
from hypothesis import given
from hypothesis import strategies as st

import polejax as pj
from polejax.mechanism import Claims
from polejax.record import record

GRID = 2.0**-6  # seconds: all sums below are exact in float32, so that the two simulators must agree to the bit
HEIGHTS = 60


@record
class Scripted:
    """Work and scores written down beforehand, f32[H, N]."""

    work: np.ndarray
    score: np.ndarray
    hashes_tips: ClassVar[bool] = False
    segment: ClassVar[int] = 64
    cached_lanes: ClassVar[int] = 64
    initial_difficulty: ClassVar[float] = 1.0

    def race(self, key, views, nodes, network=None):
        work = self.work[views.height - 1]
        return Claims(work, self.score[views.height - 1], jnp.ones(work.shape, bool))


def shortest_paths(delay):
    for via in range(len(delay)):
        delay = np.minimum(delay, delay[:, via, None] + delay[None, via, :])
    return delay


@functools.cache
def played(count, rule):
    return jax.jit(lambda key, scenario: pj.simulate(key, scenario, HEIGHTS, keep_rounds=True))


@st.composite
def races(draw):
    """A small network with delays of 0 to several intervals, few different scores, windows of 0 to many intervals."""
    count = draw(st.sampled_from([3, 8]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    interval = 16.0
    work = random.exponential(interval * count, (HEIGHTS, count))
    score = random.integers(0, draw(st.sampled_from([1, 3, 50])), (HEIGHTS, count)) / 64
    scale = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0])) * interval
    hops = random.exponential(max(scale, GRID), (count, count)) if scale else np.zeros((count, count))
    delay = shortest_paths(np.round(hops * (1 - np.eye(count)) / GRID) * GRID)
    power = 2.0 ** random.integers(-1, 3, count)
    seconds = draw(st.sampled_from([0.0, GRID, 0.1 * interval, interval, 3 * interval, 10 * interval]))
    return np.maximum(np.round(work / GRID), 1) * GRID, score, power, delay, np.round(seconds / GRID) * GRID


@pytest.mark.parametrize("rule", [pj.BestInWindow, pj.BestAtDeadline])
@given(races())
def test_rounds_equal_the_event_simulator(rule, race):
    work, score, power, delay, seconds = race
    count = len(power)
    mechanism = Scripted(work.astype(np.float32), score.astype(np.float32))
    network = pj.network.from_matrix(delay)
    scenario = pj.Scenario(pj.nodes.Nodes(power, np.arange(count)), network, mechanism, election=rule(seconds))
    history = jax.device_get(played(count, rule)(jax.random.key(0), scenario))
    ends = {"window" if rule is pj.BestInWindow else "deadline": float(seconds)}
    expected = winner_simulator.run(work.tolist(), score.tolist(), power.tolist(), delay.tolist(), HEIGHTS, **ends)

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
    block = (HEIGHTS, int(source[-1, 0]))
    for h in range(HEIGHTS, 0, -1):  # the canonical chain is the one behind node 0's tip
        assert history.producer[h - 1] == block[1]
        assert history.score[h - 1] == np.float32(score[h - 1, block[1]])
        block = expected.parent[block]
