"""Many seeds and long chains in bounded memory: seeds over all devices, heights in segments, from the host."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, lanes
from polejax._core.record import replace
from polejax._core.types import Array
from polejax._engine.block_arrivals import Kept
from polejax._engine.poisson import CACHED_CHAINS, as_history, blocks_in_flight, keep_chains, on_host, race_of
from polejax.consensus import chain
from polejax.consensus.history import History, from_chain
from polejax.consensus.round import Round, advance, genesis
from polejax.consensus.scenario import Scenario, check_one, ready
from polejax.consensus.simulate import whole_chain

Progress = Callable[[int, int], None]  # blocks done, blocks in all (over all seeds)

# Nodes x seeds x heights whose rounds are held at once: a quarter of a gigabyte, and more where blocks carry models.
_ROUNDS = 2**25


def simulate_many(
    keys: Array,
    scenario: Scenario,
    num_blocks: int,
    *,
    segment: int | None = None,
    chains: int | None = None,
    devices: list[Any] | None = None,
    progress: Progress | None = None,
    memoryless: bool = False,
) -> History:
    """Simulate one chain per key on all devices, any number of blocks, carrying only the unsettled suffix.

    A chain's blocks depend on its key alone: neither on the other keys, nor on `segment`, `chains` or `devices`.

    Args:
      keys: typed keys [S].
      scenario: as for `simulate`.
      num_blocks: heights H above genesis.
      segment: heights per compiled call; None: all up to 4,096, fewer where rounds are long.
      chains: chains that advance in lockstep on a device; None: one block of lanes that stays in the processor's cache
        (CPU), or as many as a quarter of the memory holds (GPU, TPU).
      devices: to split the seeds over; None: all local ones.
      progress: called with (blocks done, blocks in all) after every segment.
      memoryless: draw the finds of all nodes as one process, as `simulate_memoryless` does: the same law and other
        realisations, much faster for Proof of Work at constant power and difficulty; in one piece, without segments.

    Returns:
      `History` of NumPy arrays with leading axis S; [S, H] intervals and so on. Its `settled` marks whole heights.

    Raises:
      ValueError: no keys, a count below 1, or a scenario that is not memoryless if it is to be.
    """
    return start_many(
        keys,
        scenario,
        num_blocks,
        segment=segment,
        chains=chains,
        devices=devices,
        progress=progress,
        memoryless=memoryless,
    ).history()


def start_many(
    keys: Array,
    scenario: Scenario,
    num_blocks: int,
    *,
    segment: int | None = None,
    chains: int | None = None,
    devices: list[Any] | None = None,
    progress: Progress | None = None,
    memoryless: bool = False,
) -> "Running":
    """Begin what `simulate_many` does, and come back while the devices still compute.

    Chains of several segments are over when this returns: only those of one program run on in the background.
    """
    checks.key("keys", keys, ndim=1)
    check_one(scenario)
    num_seeds = checks.whole("number of keys", keys.shape[0], low=1)
    num_blocks = checks.whole("num_blocks", num_blocks, low=1)
    devices = devices or jax.local_devices()
    mechanism = scenario.mechanism
    cached = CACHED_CHAINS if memoryless else mechanism.profile.cached_lanes // scenario.nodes.count
    held = found_bytes(scenario, num_blocks) if memoryless else chain_bytes(scenario, num_blocks)
    keys, chains = laid_out(keys, chains, cached, held, devices)
    plan = _Plan(num_seeds, num_blocks, chains, tuple(devices), progress or (lambda done, total: None))
    if memoryless:
        play = _finds(num_blocks, rounded_up(blocks_in_flight(scenario)), chains, plan.devices)
        return Running(plan, play(keys, race_of(scenario)), np.asarray(mechanism.initial_difficulty))
    scenario = ready(scenario)
    if num_blocks <= checks.whole("segment", segment or mechanism.profile.heights_per_call, low=1):
        # One program: a block of chains writes and walks its rounds within the cache.
        return Running(plan, _whole(num_blocks, chains, plan.devices)(keys, scenario))
    bounded = _ROUNDS // (keys.size * scenario.nodes.count)
    history = _in_segments(plan, keys, scenario, segment or max(1, min(mechanism.profile.heights_per_call, bounded)))
    return Running(plan, history)


def height_bytes(scenario: Scenario) -> int:
    """Bytes of a chain's rounds and history at one height: 10 to 25 a node, without tips, as compilers told."""
    return (64 if scenario.mechanism.profile.hashes_tips else 32) * (scenario.nodes.count + 1)


def chain_bytes(scenario: Scenario, num_blocks: int) -> int:
    """Bytes that a chain holds on its device, with room: rounds, and what its nodes train on."""
    heights = min(num_blocks, scenario.mechanism.profile.heights_per_call)
    return height_bytes(scenario) * heights + scenario.nodes.count * scenario.mechanism.profile.bytes_per_node


def found_bytes(scenario: Scenario, num_blocks: int) -> int:
    """The same of one drawn find by find, or of its sums."""
    return 64 * num_blocks + 16 * scenario.nodes.count


def laid_out(
    keys: Array, chains: int | None, cached: int, held: int, devices: list[Any], together: int = 1
) -> tuple[Array, int]:
    """Keys for equal blocks of chains on all devices, the last one repeated, and how many chains make a block.

    A block has `chains` at most; None: see `lanes.in_lockstep`, a chain holding `held` bytes, `cached` of them staying
    in cache. It is a multiple of the number of chains that belong `together`.
    """
    share = -(-keys.shape[0] // len(devices))
    most = checks.whole("chains", chains or lanes.in_lockstep(share, cached, held, devices), low=1)
    if chains is None and devices[0].platform != "cpu" and most > 8 * lanes.REGISTER:  # the rest is little then
        together = math.lcm(together, lanes.REGISTER)
    turns = -(-share // max(together, most))
    chains = -(-share // turns)  # equal blocks, so that few chains are computed only to fill the last one
    chains = -(-chains // together) * together
    filled = turns * chains * len(devices)
    if filled > keys.shape[0]:  # looking keys up takes a millisecond
        keys = keys[np.minimum(np.arange(filled), keys.shape[0] - 1)]
    return keys, chains


@dataclasses.dataclass(frozen=True)
class Running:
    """Chains that are being simulated."""

    plan: "_Plan"
    computed: History | Kept
    work: np.ndarray | None = None  # of Proof of Work drawn find by find

    def wait(self) -> None:
        """Return when the devices have computed all of it."""
        jax.block_until_ready(self.computed)

    def history(self) -> History:
        """What `simulate_many` returns."""
        computed = self.computed
        if isinstance(computed, Kept):
            computed = as_history(on_host(computed), self.work, np)
        elif isinstance(computed.interval, np.ndarray):
            return computed
        history = self.plan.on_host(computed)
        self.plan.report(self.plan.num_blocks)
        return history


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How chains are laid out, and who is told of their progress."""

    num_seeds: int
    num_blocks: int
    chains: int
    devices: tuple[Any, ...]
    progress: Progress

    def report(self, blocks: int) -> None:
        self.progress(self.num_seeds * blocks, self.num_seeds * self.num_blocks)

    def on_host(self, history: History) -> History:
        """NumPy leaves of the seeds that were asked for."""
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: self.num_seeds], history)


def _in_segments(plan: _Plan, keys: Array, scenario: Scenario, segment: int) -> History:
    """Play segment after segment, carrying the views and the rounds that are not settled."""
    walker = _walk(plan.chains, plan.devices)

    def walk(rounds: Round, holders: Array) -> tuple[Array, History]:
        return walker(rounds, holders, scenario)

    views = _start(plan.chains, plan.devices)(keys, scenario)
    unsettled: list[Round] = []
    parts: list[History] = []
    for first in range(0, plan.num_blocks, segment):
        blocks = min(segment, plan.num_blocks - first)
        views, rounds = _play(blocks, plan.chains, plan.devices)(keys, scenario, views)
        unsettled.append(rounds)
        settled, unsettled = _settle(walk, unsettled, everything=first + blocks == plan.num_blocks)
        parts += [plan.on_host(part) for part in settled]
        jax.block_until_ready(views)
        plan.report(first + blocks)
    return concatenate(parts)


def _settle(walk: Any, unsettled: list[Round], everything: bool) -> tuple[list[History], list[Round]]:
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
    return replace(joined, published_by=np.sum([part.published_by for part in parts], axis=0))


def _sharded(function: Any, chains: int, devices: tuple[Any, ...], replicated: tuple[int, ...], num: int) -> Any:
    return lanes.sharded(lanes.each(function, chains, replicated, num), chains, devices, replicated, num)


@functools.cache
def _whole(num_blocks: int, chains: int, devices: tuple[Any, ...]) -> Any:
    play = functools.partial(whole_chain, num_blocks=num_blocks)
    return _sharded(play, chains, devices, (1,), 2)


def rounded_up(in_flight: float) -> float:
    """To a power of 2^(1/4), so that the scenarios of a sweep share a few compiled programs; none and many stay."""
    if not 0 < in_flight <= 2:
        return in_flight
    return 2.0 ** (math.ceil(4 * math.log2(max(in_flight, 2**-20))) / 4)


@functools.cache
def _finds(num_blocks: int, in_flight: float, chains: int, devices: tuple[Any, ...]) -> Any:
    play = functools.partial(keep_chains, num_blocks=num_blocks, in_flight=in_flight)
    return lanes.sharded(play, chains, devices, (1,), 2, lanes.wide(devices))


@functools.cache
def _start(chains: int, devices: tuple[Any, ...]) -> Any:
    return _sharded(genesis, chains, devices, (1,), 2)


@functools.cache
def _play(num_blocks: int, chains: int, devices: tuple[Any, ...]) -> Any:
    play = functools.partial(advance, num_blocks=num_blocks)
    return _sharded(play, chains, devices, (1,), 3)


@functools.cache
def _walk(chains: int, devices: tuple[Any, ...]) -> Any:
    def walk(rounds: Round, holders: Array, scenario: Scenario) -> tuple[Array, History]:
        holders, published_by, canonical = chain.settle(rounds, holders)
        return holders, from_chain(scenario, published_by, canonical, rounds)

    return _sharded(walk, chains, devices, (2,), 3)
