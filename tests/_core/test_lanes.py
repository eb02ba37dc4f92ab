"""Lanes: how many advance in lockstep is what a device's cache or memory holds, and no result depends on it."""

import types

import jax
import numpy as np
import pytest

import polejax as pj
from polejax._core import lanes
from polejax._engine import segments

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

GIGABYTE = 10**9


def gpu(gigabytes):
    return types.SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": gigabytes * GIGABYTE})


@pytest.mark.parametrize(
    ("needed", "held", "expected"),
    [
        (100, 1, 100),  # all
        (10**6, 1, 2**15),  # more gain nothing
        (10**6, 10**6, 3_968),  # whole registers of what a quarter of the memory holds
        (10**6, 10**8, 40),
        (10**6, 10**12, 1),  # a lane that does not fit is not refused: it may hold less than is reckoned
    ],
)
def test_a_gpu_takes_what_its_memory_holds(needed, held, expected):
    assert lanes.in_lockstep(needed, 16, held, [gpu(16)]) == expected


def test_a_core_takes_what_its_cache_holds():
    core = jax.devices("cpu")[:1]
    assert lanes.in_lockstep(100, 16, 1, core) == 16
    assert lanes.in_lockstep(9, 16, 1, core) == 9
    assert lanes.in_lockstep(100, 16, lanes.memory(core[0]) // 20, core) == 5


@pytest.mark.parametrize(
    ("seeds", "count", "chains"), [(4_096, 1, 2_048), (100, 2, 50), (4_400, 1, 1_536), (130, 1, 130)]
)
def test_blocks_of_chains_are_equal_and_few_are_repeated(seeds, count, chains):
    keys = jax.random.split(jax.random.key(0), seeds)
    held = 4 * GIGABYTE // 2_100  # a quarter of 16 gigabytes holds 2,100 chains
    layout = lanes.lay_out(seeds, [gpu(16)] * count, cached=1, held=held)
    filled = layout.pad(keys)
    assert layout.lanes == chains
    assert filled.shape[0] == layout.filled == layout.turns * chains * count
    np.testing.assert_array_equal(jax.random.key_data(filled[:seeds]), jax.random.key_data(keys))


def test_lanes_are_padded_and_cut():
    layout = lanes.lay_out(5, jax.devices()[:2], cached=2, held=1, even=False)
    assert (layout.lanes, layout.width, layout.turns, layout.filled) == (2, 4, 2, 8)
    padded = layout.pad({"rows": np.arange(10).reshape(5, 2)})
    np.testing.assert_array_equal(padded["rows"][:, 0], [0, 2, 4, 6, 8, 8, 8, 8])
    np.testing.assert_array_equal(layout.cut(padded)["rows"][:, 0], [0, 2, 4, 6, 8])
    assert lanes.lay_out(5, jax.devices()[:2], cached=2, held=1, together=4).lanes == 4
    with pytest.raises(ValueError, match="chains must be at least 1, got 0"):
        lanes.lay_out(5, None, cached=2, held=1, lanes=0)


def test_live_chains_are_reckoned_with_what_their_nodes_train_on():
    nodes, near = pj.nodes.equal(9), pj.network.clique(9, seconds=10.0)
    learning = pj.PoLe(pj.tasks.digits(), threshold=0.9)
    samples = 1_797 * 64 * 4  # bytes, behind each node's layer
    live = segments.chain_bytes(pj.Scenario(nodes, near, learning), 8)
    assert live > 9 * samples
    assert segments.chain_bytes(pj.Scenario(nodes, near, pj.PoW(600.0)), 8) < samples
    stream = pj.TaskStream([learning], [1.0], [1.0], pj.PoW(600.0))
    assert stream.profile.bytes_per_node == learning.profile.bytes_per_node > samples
