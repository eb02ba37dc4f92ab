"""Proof of Work twice: the exponential law and the real hash race agree with theory and with each other."""

import hashlib

import jax
import numpy as np
import pytest
from laws import assert_within, mean_and_error
from scipy import stats

import polejax as pj
from polejax import theory
from polejax._core import draw
from polejax.consensus.round import genesis
from polejax.consensus.scenario import ready
from polejax.crypto import target

SHARES = [50, 30, 20]


@pytest.fixture(scope="module")
def exponential():
    scenario = pj.Scenario(pj.nodes.from_shares(SHARES), pj.network.instant(3), pj.PoW(work=300.0))
    return pj.simulate_many(jax.random.split(jax.random.key(0), 64), scenario, 1_000)


@pytest.fixture(scope="module")
def hashed():
    scenario = pj.Scenario(pj.nodes.from_shares(SHARES), pj.network.instant(3), pj.HashedPoW(work=300.0, chunk=32))
    return pj.simulate_many(jax.random.split(jax.random.key(1), 16), scenario, 250, devices=jax.devices()[:2])


def test_intervals_are_exponential(exponential):
    assert exponential.settled.all()
    intervals = exponential.interval.astype(np.float64)
    mean, error = mean_and_error(intervals.mean(axis=1))
    assert_within(mean, 300.0, error)
    variation, error = mean_and_error(intervals.std(axis=1, ddof=1) / intervals.mean(axis=1))
    assert_within(variation, 1.0, error + 1e-3)  # a chain's own estimate is low by about 1 / its number of blocks
    assert stats.kstest(intervals.ravel(), "expon", args=(0, 300.0)).pvalue > 1e-6
    later, before = intervals[:, 1:], intervals[:, :-1]
    assert abs(np.corrcoef(later.ravel(), before.ravel())[0, 1]) < 5 / later.size**0.5


def test_winners_share_like_power(exponential):
    for node, share in enumerate(SHARES):
        wins, error = mean_and_error((exponential.producer == node).mean(axis=1))
        assert_within(wins, share / 100, error)
    assert (exponential.published == 1).all()


def test_two_distant_miners_fork_as_often_as_theory_says():
    nodes = pj.nodes.from_shares([6, 4])
    scenario = pj.Scenario(nodes, pj.network.clique(2, 30.0), pj.PoW(work=100.0))
    history = pj.simulate_many(jax.random.split(jax.random.key(2), 64), scenario, 1_000)
    stale = 1 - history.settled.sum(axis=1) / (history.published * history.settled).sum(axis=1)
    mean, error = mean_and_error(stale)
    assert_within(mean, theory.two_node_stale_per_block(30.0, 100.0, 0.6), error)


def test_hashing_agrees_in_law_with_the_exponential(hashed, exponential):
    history = hashed
    assert history.settled.all()
    # Tries are whole: against the geometric law where it matters, and against the exponential run as users see it.
    assert stats.ks_2samp(history.interval.ravel(), exponential.interval.ravel()).pvalue > 1e-4
    mean, error = mean_and_error(history.interval.mean(axis=1, dtype=np.float64))
    assert_within(mean, 300.0, error)
    wins, error = mean_and_error((history.producer == 0).mean(axis=1))
    assert_within(wins, 0.5, error)


def test_every_hashed_block_proves_its_work(hashed):
    history = hashed
    bits = target.bits_from_difficulty(np.float32(300.0))
    assert np.asarray(target.meets(history.commitment.reshape(-1, 8), target.from_bits(bits)[None])).all()
    values = [int.from_bytes(words.astype(">u4").tobytes(), "little") for words in history.commitment.reshape(-1, 8)]
    # Winning hashes are uniform below the target.
    assert stats.kstest(np.array(values, float) / 2**256 * 300, "uniform").pvalue > 1e-6
    assert len(set(values)) == len(values)


def test_the_work_is_the_hashes_tried():
    """One miner, counted by hashlib: the first nonce that meets the target is the one the race reports."""
    scenario = ready(pj.Scenario(pj.nodes.from_shares([1]), pj.network.instant(1), pj.HashedPoW(work=200.0, chunk=8)))

    @jax.jit
    def race(key):
        views = genesis(key, scenario)
        return views, scenario.mechanism.race(
            key, views, scenario.nodes, scenario.election.listening(scenario.network, views)
        )

    for seed in range(4):
        key = jax.random.key(seed)
        views, claims = race(key)
        extra = int(draw.bits(key, scenario.nodes.address)[0])
        root = double_sha256((0).to_bytes(4, "big") + extra.to_bytes(4, "big"))
        bits = int(target.bits_from_difficulty(np.float32(200.0)))
        goal = (bits & 0x7FFFFF) * 256 ** ((bits >> 24) - 3)
        tip = np.asarray(views.tip[0]).astype(">u4").tobytes()
        nonce = 0
        while True:
            message = (2).to_bytes(4, "little") + tip + root + bytes(4) + bits.to_bytes(4, "little")
            proof = double_sha256(message + nonce.to_bytes(4, "little"))
            nonce += 1
            if int.from_bytes(proof, "little") <= goal:
                break
        assert claims.work[0] == nonce
        assert np.asarray(claims.commitment[0]).astype(">u4").tobytes() == proof


def double_sha256(message):
    return hashlib.sha256(hashlib.sha256(message).digest()).digest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"work": 0.5}, "work must be at least 1"),
        ({"work": 2.0**30}, "work must be at least 1 and at most"),
        ({"work": 10.0, "chunk": 12}, "chunk must be a power of two, got 12"),
        ({"work": 10.0, "chunk": 2}, "chunk must be at least 4"),
    ],
)
def test_bad_input_names_value_and_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        pj.HashedPoW(**options)
