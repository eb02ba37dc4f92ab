"""Segments: chains played by rounds on all devices, in one program or in segments of heights, in bounded memory."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import lanes
from polejax._core.lanes import Layout
from polejax._core.progress import Meter
from polejax._core.record import replace
from polejax._core.types import Array
from polejax.consensus import chain
from polejax.consensus.history import History, from_chain
from polejax.consensus.round import Round, advance, genesis
from polejax.consensus.scenario import Scenario
from polejax.consensus.simulate import whole_chain
from polejax.consensus.views import Views

_ROUNDS = 2**25
"""Nodes x seeds x heights whose rounds are held at once: a quarter of a gigabyte, more where blocks carry models."""


_LONG = 512
"""Heights per call below which a height takes so long that those beyond are played only where branches differ."""


def height_bytes(scenario: Scenario) -> int:
    """Bytes of a chain's rounds and history at one height: 10 to 25 a node, without tips, as compilers told."""
    return (64 if scenario.mechanism.profile.hashes_tips else 32) * (scenario.nodes.count + 1)


def chain_bytes(scenario: Scenario, num_blocks: int) -> int:
    """Bytes that a chain holds on its device, with room: rounds, and what its nodes train on."""
    heights = min(num_blocks, scenario.mechanism.profile.heights_per_call)
    return height_bytes(scenario) * heights + scenario.nodes.count * scenario.mechanism.profile.bytes_per_node


def play(
    layout: Layout, keys: Array, scenario: Scenario, num_blocks: int, beyond: int, segment: int | None, meter: Meter
) -> History:
    """Play one chain per key.

    Args:
      layout: of the chains.
      keys: typed keys, padded.
      scenario: that is `ready`.
      num_blocks: heights H above genesis.
      beyond: heights played after them, until branches have met (`chain.heights_beyond`).
      segment: heights per compiled call; None: as many as the mechanism's profile and the memory allow.
      meter: told of every segment but one that is all of the chain, over which nobody waits here.

    Returns:
      `History` whose leaves are [padded, H] on the devices if one program plays all heights, and else [count, H] in
      NumPy.
    """
    most = scenario.mechanism.profile.heights_per_call
    if num_blocks <= (segment or most) and (segment or most >= _LONG):
        # One program, heights beyond included: a block of chains writes and walks its rounds within the cache.
        history: History = _whole(num_blocks, beyond, layout.lanes, layout.devices)(keys, scenario)
        return history
    bounded = _ROUNDS // (keys.size * scenario.nodes.count)
    return _in_segments(layout, keys, scenario, (num_blocks, beyond), segment or max(1, min(most, bounded)), meter)


def _in_segments(
    layout: Layout, keys: Array, scenario: Scenario, heights: tuple[int, int], segment: int, meter: Meter
) -> History:
    """Play segment after segment, carrying the views and the rounds that are not settled; see `play` for `heights`."""
    num_blocks, beyond = heights
    place = layout.lanes, layout.devices
    walker = _walk(*place)

    def walk(rounds: Round, holders: Array) -> tuple[Array, History]:
        walked: tuple[Array, History] = walker(rounds, holders, scenario)
        return walked

    views = _start(*place)(keys, scenario)
    unsettled: list[Round] = []
    parts: list[History] = []
    for first in range(0, num_blocks, segment):
        blocks = min(segment, num_blocks - first)
        views, rounds = _advance(blocks, *place)(keys, scenario, views)
        unsettled.append(rounds)
        holders = None
        if first + blocks == num_blocks:
            holders = _play_on(lambda views: _advance(blocks, *place)(keys, scenario, views), views, rounds, beyond)  # noqa: B023
        settled, unsettled = _settle(walk, unsettled, holders)
        parts += [layout.cut(part) for part in settled]
        jax.block_until_ready(views)
        meter.add(layout.count * blocks)
    return concatenate(parts)


def _play_on(more: Callable[[Views], tuple[Views, Round]], views: Views, last: Round, beyond: int) -> Array:
    """Play on, a segment at a time, until all branches have met or `beyond` heights are played: holders i32[S, N].

    Those are of the last round's views, as `chain.settle` takes them. Heights in excess of `beyond` do not count, so
    that the result does not depend on the length of segments.
    """
    nodes = last.source.shape[-1]
    sources, flawed = last.source[:, :0], last.flawed[:, :0]
    holders: Array = np.broadcast_to(np.arange(nodes, dtype=np.int32), (last.source.shape[0], nodes))
    while sources.shape[1] < beyond:
        met = np.take_along_axis(np.asarray(last.source[:, -1]), np.asarray(holders), axis=1)
        if (met == met[:, :1]).all():
            break
        views, rounds = more(views)
        sources = jnp.concatenate([sources, rounds.source], axis=1)[:, :beyond]
        flawed = jnp.concatenate([flawed, rounds.flawed], axis=1)[:, :beyond]
        holders = jax.vmap(chain.holders_before)(sources, flawed)
    return jnp.asarray(holders)


def _settle(
    walk: Callable[[Round, Array], tuple[Array, History]], unsettled: list[Round], holders: Array | None
) -> tuple[list[History], list[Round]]:
    """Turn the oldest segments into history, as far as all nodes of all chains agree; at the end, everything.

    Args:
      walk: settles a segment's rounds.
      unsettled: segments, oldest first.
      holders: i32[S, N], as `chain.settle` takes them, at the end of the chains; None: more segments follow.
    """
    seeds, _, nodes = unsettled[0].source.shape
    agreed = 0 if holders is None else len(unsettled)
    if holders is None:
        holders = jnp.broadcast_to(jnp.arange(nodes, dtype=jnp.int32), (seeds, nodes))
    settled: list[History] = []
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
    joined: History = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *parts)
    return replace(joined, published_by=np.sum([part.published_by for part in parts], axis=0))


def _sharded(function: Any, chains: int, devices: tuple[Any, ...], replicated: tuple[int, ...], num: int) -> Any:
    return lanes.sharded(lanes.each(function, chains, replicated, num), chains, devices, replicated, num)


@functools.cache
def _whole(num_blocks: int, beyond: int, chains: int, devices: tuple[Any, ...]) -> Any:
    play = functools.partial(whole_chain, num_blocks=num_blocks, beyond=beyond)
    return _sharded(play, chains, devices, (1,), 2)


@functools.cache
def _start(chains: int, devices: tuple[Any, ...]) -> Any:
    return _sharded(genesis, chains, devices, (1,), 2)


@functools.cache
def _advance(num_blocks: int, chains: int, devices: tuple[Any, ...]) -> Any:
    return _sharded(functools.partial(advance, num_blocks=num_blocks), chains, devices, (1,), 3)


@functools.cache
def _walk(chains: int, devices: tuple[Any, ...]) -> Any:
    def walk(rounds: Round, holders: Array, scenario: Scenario) -> tuple[Array, History]:
        holders, published_by, canonical = chain.settle(rounds, holders)
        return holders, from_chain(scenario, published_by, canonical, rounds)

    return _sharded(walk, chains, devices, (2,), 3)
