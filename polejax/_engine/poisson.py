"""Proof of Work find by find: the finds of all nodes are one Poisson process, so a block costs two random numbers.

Exponential work has no memory: whatever the nodes work on, somebody finds a block at the rate of all power over the
difficulty, and the finder is a node with a probability in proportion to its power. So draw the gap to the next find and
its finder, then let it build on the block that its finder follows: of the greatest height that it has heard of, the
first heard. Only the last few blocks can matter, as older ones are known to all. The law is that of `polejax.chain`,
where every node draws its own work at every height, forks and all; the numbers drawn are others (ours).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import record
from polejax._core.types import Array
from polejax._engine import block_arrivals
from polejax._engine.node_sampling import Alias, Bounds, finders
from polejax.consensus.difficulty import Fixed
from polejax.consensus.elections import FirstSeen
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.pow import PoW

CACHED_CHAINS = 256  # that a CPU core advances in lockstep: fewer keep its vectors idle, more leave its cache


def simulate_memoryless(key: Array, scenario: Scenario, num_blocks: int, *, in_flight: float | None = None) -> History:
    """Simulate one chain of Proof of Work at constant power and difficulty, two random numbers a block.

    Equal in law to `polejax.simulate`, with other realisations. Many chains are many times as fast together:
    `polejax.simulate_many(keys, scenario, num_blocks, memoryless=True)`.

    Args:
      key: typed key (`jax.random.key`). Finders are drawn in the order of addresses, so that relabelling nodes relabels
        the outcome; find e of the chain depends on the key and on e alone.
      scenario: `PoW` on a clique, regions or a matrix, first seen, fixed difficulty, no adversary, at most 65,536 nodes
        of known power. Work and delays may be swept with `jax.vmap`, if `in_flight` is given.
      num_blocks: heights H above genesis; static.
      in_flight: the most blocks that are found on average within the longest delay; static, as it decides how many of
        the last blocks a finder chooses among and how many finds there is room for. None: worked out
        (`blocks_in_flight`), which needs a scenario that is known when the function is traced. About 3 at most.

    Returns:
      `History` with canonical arrays [H], as of `polejax.simulate`. A chain that the room did not suffice for (once in
      10^11 blocks; or always, if more are in flight than promised) has no settled height, and counts in no statistic.

    Raises:
      ValueError: a scenario that is not memoryless, or a count, a key or an `in_flight` out of range.

    Source: superposition and marking of Poisson processes (Kingman 1993, Poisson Processes, chapters 2 and 5). The rest
    is ours.
    """
    checks.key("key", key)
    num_blocks = checks.whole("num_blocks", num_blocks, low=1)
    in_flight = blocks_in_flight(scenario) if in_flight is None else in_flight
    kept = keep_chains(key[None], race_of(scenario), num_blocks, in_flight)
    return as_history(jax.tree.map(lambda leaf: leaf[0], kept), jnp.asarray(scenario.mechanism.initial_difficulty), jnp)


@record
class Race:
    """What is left of a memoryless scenario: one race of all nodes for the next find."""

    finders: Alias | Bounds
    mean: Array  # f32[], seconds from find to find
    network: Any


def race_of(scenario: Scenario) -> Race:
    """The race of all nodes; raises ValueError unless the scenario is memoryless and its power is known."""
    check_memoryless(scenario)
    drawn = finders(scenario.nodes)
    # In the order of addresses, as a sum depends on its order in the last bit.
    power = np.asarray(scenario.nodes.power, np.float64)[np.argsort(scenario.nodes.address)].sum()
    return Race(drawn, scenario.mechanism.initial_difficulty * np.float32(1.0 / power), scenario.network)


def keep_chains(keys: Array, race: Race, num_blocks: int, in_flight: float) -> block_arrivals.Kept:
    """What is kept of one chain per key [L], in lockstep; see `simulate_memoryless`."""
    room = block_arrivals.room_for(in_flight, num_blocks)
    race = jax.tree.map(jnp.asarray, race)
    found = block_arrivals.draw_finds(keys, race.finders, race.mean, room)
    chosen = block_arrivals.choose(found, race.network, room)
    ending = block_arrivals.end(found, chosen, race.network, room)
    settled = jnp.where(as_promised(race, room) & chosen.sound, ending.settled, 0)
    return block_arrivals.keep(found, chosen, ending._replace(settled=settled), race.network.count, room)


def as_promised(race: Race, room: block_arrivals.Room) -> Array:
    """bool[]: no more blocks are in flight than there is room for."""
    return race.network.max_delay <= race.mean * (room.in_flight * (1.0 + 1e-5))


def as_history(kept: block_arrivals.Kept, work: Array, xp: Any) -> History:
    """The history of chains, any axes first, with the constants of Proof of Work; `xp` is NumPy or its JAX kin."""
    shape = kept.interval.shape
    return History(
        interval=kept.interval,
        producer=kept.producer,
        score=xp.broadcast_to(np.float32(1.0), shape),
        difficulty=xp.broadcast_to(work, shape),
        commitment=None,
        tip=None,
        settled=kept.settled,
        published=kept.published,
        published_by=kept.published_by.astype(np.int32),
        fallback=xp.broadcast_to(np.bool_(False), shape),
        useful=None,
        computed=None,
        learning=None,
    )


def on_host(kept: block_arrivals.Kept) -> block_arrivals.Kept:
    """The same as NumPy arrays; one thread a device copies what it holds, as new memory comes slowly to one thread."""
    parts = len(kept.interval.addressable_shards)
    if parts == 1:
        return jax.tree.map(np.asarray, kept)
    whole = jax.tree.map(lambda of: np.empty(of.shape, of.dtype), kept)

    def copy(part: int) -> None:
        for to, of in zip(whole, kept, strict=True):
            shard = of.addressable_shards[part]
            to[shard.index] = np.asarray(shard.data)

    with ThreadPoolExecutor(parts) as threads:
        list(threads.map(copy, range(parts)))
    return whole


def check_memoryless(scenario: Scenario) -> None:
    """Raise a ValueError that names the field and the remedy unless finds are a Poisson process with fixed delays."""

    def wrong(field: str, needed: str, found: Any) -> ValueError:
        return ValueError(
            f"{field} must be {needed} to be memoryless, got {type(found).__name__}: use polejax.simulate"
        )

    if not isinstance(scenario.mechanism, PoW):
        raise wrong("mechanism", "PoW", scenario.mechanism)
    if not isinstance(scenario.nodes, Nodes):
        raise wrong("nodes", "Nodes of constant power", scenario.nodes)
    if not scenario.network.fixed:
        raise wrong("network", "a clique, regions or a matrix with fixed delays", scenario.network)
    if not isinstance(scenario.election, FirstSeen):
        raise wrong("election", "FirstSeen", scenario.election)
    if not isinstance(scenario.difficulty, Fixed):
        raise wrong("difficulty", "fixed", scenario.difficulty)
    if scenario.adversary is not None:
        raise wrong("adversary", "None", scenario.adversary)
    if scenario.nodes.count > 2**16:
        raise ValueError(f"nodes must number at most 65,536, got {scenario.nodes.count}: use polejax.simulate")


def blocks_in_flight(scenario: Scenario) -> float:
    """Blocks that are found on average within the longest delay, the largest of a scenario with swept fields.

    Raises:
      ValueError: the scenario is not memoryless, or is known only inside a transformation.
    """
    check_memoryless(scenario)
    leaves = (scenario.mechanism.initial_difficulty, scenario.nodes.power, *jax.tree.leaves(scenario.network))
    if any(checks.is_traced(leaf) for leaf in leaves):
        raise ValueError(
            "in_flight must be given where work, power or delays are traced, got None: "
            "pass polejax.memoryless.blocks_in_flight of the scenario with the most"
        )
    rate = np.asarray(scenario.nodes.power, np.float64).sum(axis=-1).max() / np.min(
        scenario.mechanism.initial_difficulty
    )
    return float(rate * np.max(scenario.network.max_delay))
