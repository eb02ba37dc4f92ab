"""Many seeds and long chains in bounded memory: seeds over all devices, heights in segments, from the host."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax import chain, checks, lanes
from polejax.checks import Array
from polejax.history import History, from_chain
from polejax.scenario import Scenario, ready
from polejax.simulate import check_key

Progress = Callable[[int, int], None]  # blocks done, blocks in all (over all seeds)


def simulate_many(
    keys: Array,
    scenario: Scenario,
    num_blocks: int,
    *,
    segment: int | None = None,
    chains: int | None = None,
    devices: list[Any] | None = None,
    progress: Progress | None = None,
) -> History:
    """Simulate one chain per key on all devices, any number of blocks, carrying only the unsettled suffix.

    A chain's blocks depend on its key alone: neither on the other keys, nor on `segment`, `chains` or `devices`.

    Args:
      keys: typed keys [S].
      scenario: as for `simulate`.
      num_blocks: heights H above genesis.
      segment: heights per compiled call; None: all up to 4,096, fewer where rounds are long.
      chains: chains that advance in lockstep on a device; None: one block of lanes that stays in the processor's cache
        (CPU), or all of a device's chains (GPU, TPU).
      devices: to split the seeds over; None: all local ones.
      progress: called with (blocks done, blocks in all) after every segment.

    Returns:
      `History` of NumPy arrays with leading axis S; [S, H] intervals and so on. Its `settled` marks whole heights.

    Raises:
      ValueError: no keys, or a count below 1.
    """
    check_key(keys, ndim=1)
    num_seeds = checks.whole("number of keys", keys.shape[0], low=1)
    num_blocks = checks.whole("num_blocks", num_blocks, low=1)
    devices = devices or jax.local_devices()
    mechanism = scenario.mechanism
    segment = min(num_blocks, checks.whole("segment", segment or mechanism.segment, low=1))
    nodes = mechanism.cached_lanes if devices[0].platform == "cpu" else num_seeds * scenario.nodes.count
    chains = checks.whole("chains", chains or max(1, nodes // scenario.nodes.count), low=1)
    chains = min(chains, -(-num_seeds // len(devices)))
    padded = -(-num_seeds // (chains * len(devices))) * chains * len(devices)
    keys = keys[np.minimum(np.arange(padded), num_seeds - 1)]
    scenario = ready(scenario)
    start, walk = _start(chains, tuple(devices)), _walk(chains, tuple(devices))
    views = start(keys, scenario)
    unsettled: list[chain.Round] = []
    parts: list[History] = []
    for first in range(0, num_blocks, segment):
        blocks = min(segment, num_blocks - first)
        views, rounds = _play(blocks, chains, tuple(devices))(keys, scenario, views)
        unsettled.append(rounds)
        done = first + blocks == num_blocks
        settled, unsettled = _settle(walk, unsettled, everything=done)
        parts += [jax.tree.map(lambda leaf: np.asarray(leaf)[:num_seeds], part) for part in settled]
        if progress is not None:
            progress(num_seeds * (first + blocks), num_seeds * num_blocks)
    return concatenate(parts)


def _settle(walk: Any, unsettled: list[chain.Round], everything: bool) -> tuple[list[History], list[chain.Round]]:
    """Turn the oldest segments into history, as far as all nodes of all chains agree (or everything, at the end)."""
    seeds, _, nodes = unsettled[0].source.shape
    holders = jnp.broadcast_to(jnp.arange(nodes, dtype=jnp.int32), (seeds, nodes))
    settled: list[History] = []
    agreed = len(unsettled) if everything else 0
    for index in reversed(range(len(unsettled))):
        if index == 0 and agreed == 0:
            break
        holders, history = walk(unsettled[index], holders)
        if index < agreed:
            settled.insert(0, history)
        elif bool((holders == holders[:, :1]).all()):
            agreed = index
    return settled, unsettled[agreed:]


def concatenate(parts: list[History]) -> History:
    """One history from those of consecutive segments, [S, H] NumPy leaves; blocks by node are summed."""
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *parts)
    total = np.sum([part.published_by for part in parts], axis=0, dtype=np.int64)
    object.__setattr__(joined, "published_by", total)
    return joined


def _sharded(function: Any, chains: int, devices: tuple[Any, ...], replicated: tuple[int, ...], num: int) -> Any:
    return lanes.sharded(lanes.each(function, chains, replicated, num), chains, devices, replicated, num)


@functools.cache
def _start(chains: int, devices: tuple[Any, ...]) -> Any:
    return _sharded(chain.genesis, chains, devices, (1,), 2)


@functools.cache
def _play(num_blocks: int, chains: int, devices: tuple[Any, ...]) -> Any:
    play = functools.partial(chain.advance, num_blocks=num_blocks)
    return _sharded(play, chains, devices, (1,), 3)


@functools.cache
def _walk(chains: int, devices: tuple[Any, ...]) -> Any:
    def walk(rounds: chain.Round, holders: Array) -> tuple[Array, History]:
        holders, canonical = chain.settle(rounds, holders)
        return holders, from_chain(canonical, rounds)

    return _sharded(walk, chains, devices, (), 2)
