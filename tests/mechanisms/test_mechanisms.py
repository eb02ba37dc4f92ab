"""One contract for all mechanisms: a new law of work joins the list and gets every check."""

import hashlib
import struct

import banks
import jax
import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj
from polejax.attacks.adversary import Leaked
from polejax.attacks.cheating import Cheated
from polejax.consensus.testing import mechanism as contract

COUNT, BLOCKS = 5, 24

FRIENDS = np.float32([0, 5, 0, 0, 1])


def replay(seed=0, **options):
    return pj.Replay(geometric_bank(seed, num_curves=64, num_evaluations=20), threshold=0.5, **options)


def stream(tasks, idle, **options):
    return pj.TaskStream(tasks, [0.01, 0.02], [1.0, 2.0], idle, **options)


EVERY = {
    "PoW": lambda: pj.PoW(work=100.0),
    "HashedPoW": lambda: pj.HashedPoW(work=100.0, chunk=16),
    "gamma": lambda: pj.mechanisms.gamma(100.0, 3.0),
    "weibull": lambda: pj.mechanisms.weibull(100.0, 3.0),
    "lognormal": lambda: pj.mechanisms.lognormal(100.0, 0.3),
    "PoLe": banks.small_pole,
    "Replay": replay,
    "stream of Replay": lambda: stream([replay(0), replay(1)], pj.PoW(50.0), order="reward"),
    "Leaked": lambda: Leaked(pj.PoW(100.0), FRIENDS),
    "Cheated": lambda: Cheated(replay(0), replay(1), FRIENDS > 0),
}


@pytest.fixture(scope="module", params=["PoW", "HashedPoW", "PoLe"])
def scenario(request):
    nodes = pj.nodes.Nodes(np.float32([5, 4, 3, 2, 1]) / 15, np.array([7, 300, 2, 2**31, 11]))
    return pj.Scenario(nodes, pj.network.clique(COUNT, 4.0), EVERY[request.param]())


@pytest.fixture(scope="module")
def histories(scenario):
    keys = jax.random.split(jax.random.key(2), 3)
    one = jax.jit(pj.simulate, static_argnums=2)(keys[1], scenario, BLOCKS)
    return one, pj.simulate_many(keys, scenario, BLOCKS, segment=12, devices=jax.devices()[:2])


@pytest.mark.parametrize("name", EVERY)
def test_every_mechanism_keeps_the_contract(name, monkeypatch):
    monkeypatch.setattr(contract, "_BLOCKS", BLOCKS)  # the chain of `histories`, of the same program
    pj.testing.check_mechanism(EVERY[name]())


def test_a_chain_depends_on_its_key_alone(histories):
    one, many = histories
    for part, whole in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        np.testing.assert_array_equal(part, whole[1])


def test_histories_hold_no_nan_and_conserve_blocks(scenario, histories):
    many = histories[1]
    for leaf in jax.tree.leaves(many):
        assert not np.issubdtype(leaf.dtype, np.floating) or np.isfinite(leaf).all()
    assert many.settled[:, :-6].all()
    assert (many.published >= 1).all()
    assert (many.interval > 0).all()
    np.testing.assert_array_equal((many.published * many.settled).sum(axis=1), many.published_by.sum(axis=1))
    assert (many.tip is not None) == scenario.mechanism.profile.hashes_tips


def test_useful_work_is_part_of_what_was_computed(histories):
    many = histories[1]
    if many.computed is None:
        return
    assert (many.useful > 0).all()
    assert (many.useful <= many.computed * 1.5).all()  # jitter lengthens a node's steps, not their number
    assert many.useful.sum() <= many.computed.sum()


def test_a_scenario_is_a_pytree_that_sweeps(scenario):
    leaves, treedef = jax.tree.flatten(scenario)
    again = jax.tree.unflatten(treedef, leaves)
    assert all(isinstance(leaf, np.ndarray) for leaf in leaves)
    assert jax.tree.structure(again) == treedef
    jax.tree.unflatten(treedef, [object()] * len(leaves))  # what vmap and jit do with their markers


def test_tips_chain_by_sha256(scenario, histories):
    many = histories[1]
    if many.tip is None:
        return
    for h in range(1, BLOCKS):
        message = struct.pack(">II", 0x506F4C01, h + 1)
        message += many.tip[0, h - 1].astype(">u4").tobytes()
        message += struct.pack(">I", scenario.nodes.address[many.producer[0, h]])
        message += many.commitment[0, h].astype(">u4").tobytes()
        message += struct.pack(">f", many.interval[0, h])
        assert hashlib.sha256(message).digest() == many.tip[0, h].astype(">u4").tobytes()
