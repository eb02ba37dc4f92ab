"""Proof of Work as one Poisson process: the arrivals of all nodes' blocks, two random numbers a block.

Exponential work has no memory: whatever the nodes work on, the next block arrives at the rate of all power over the
difficulty, and its finder is a node with a probability in proportion to its power. So draw the gap to the next arrival
and its finder, then let the block extend the one that its finder follows: of the greatest height that it has heard of,
the first heard. Only the last few blocks can matter, as older ones are known to all (`block_arrivals`). The law is that
of the rounds, where every node draws its own work at every height, forks and all; the numbers drawn are others.

Finders are drawn in the order of addresses, so that relabelling nodes relabels the outcome; arrival e of a chain
depends on the chain's key and on e alone. A chain that the room did not suffice for (once in 10^11 blocks; or always,
if more blocks are in flight than promised) has no settled height, and counts in no statistic.

Source: superposition and marking of Poisson processes (Kingman 1993, Poisson Processes, chapters 2 and 5). The rest is
ours.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import Record
from polejax._core.types import Array
from polejax._engine import block_arrivals, canonical_arrivals
from polejax._engine.canonical_arrivals import Kept
from polejax._engine.node_sampling import Alias, Bounds, finders
from polejax.consensus import chain
from polejax.consensus.difficulty import Fixed
from polejax.consensus.elections import FirstSeen
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.pow import PoW
from polejax.network.base import Network

CACHED_CHAINS = 256  # chains that a CPU core advances in lockstep: fewer leave its vectors idle, more its cache


class Race(Record):
    """What is left of a scenario: one race of all nodes for the next block.

    Attributes:
      finders: how to draw who wins it.
      mean: f32[], seconds from arrival to arrival on average.
      network: of the scenario.
    """

    finders: Alias | Bounds
    mean: Array
    network: Network


def race_of(scenario: Scenario) -> Race:
    """The race of all nodes; raises ValueError unless `check_poisson` passes and the power is known."""
    check_poisson(scenario)
    drawn = finders(scenario.nodes)
    # In the order of addresses, as a sum depends on its order in the last bit.
    power = np.asarray(scenario.nodes.power, np.float64)[np.argsort(scenario.nodes.address)].sum()
    return Race(drawn, scenario.mechanism.initial_difficulty * np.float32(1.0 / power), scenario.network)


def play(keys: Array, race: Race, num_blocks: int, in_flight: float) -> Kept:
    """Simulate one chain per key [L], in lockstep.

    Args:
      keys: typed keys [L].
      race: `race_of` the scenario; its fields may be swept with `jax.vmap`.
      num_blocks: heights H above genesis; static.
      in_flight: the most blocks that arrive on average within the longest delay (`blocks_in_flight`), about 3 at most;
        static, as it decides how many of the last blocks a finder chooses among and how many arrivals there is room
        for.
    """
    room = room_of(in_flight, num_blocks)
    race = jax.tree.map(jnp.asarray, race)
    arrivals = block_arrivals.draw_arrivals(keys, race.finders, race.mean, room)
    chosen = block_arrivals.choose(arrivals, race.network, room)
    ending = canonical_arrivals.end(arrivals, chosen, race.network, room)
    counted = jnp.minimum(ending.settled, num_blocks)
    settled = jnp.where(as_promised(race, room) & chosen.sound, counted, 0)
    kept = canonical_arrivals.keep(arrivals, chosen, ending._replace(settled=settled), race.network.count, room)
    heights = {name: getattr(kept, name)[:, :num_blocks] for name in ("interval", "producer", "published", "settled")}
    return kept._replace(**heights)


def beyond(in_flight: float) -> int:
    """Heights played beyond the last that counts, until branches have met (`polejax.consensus.chain`)."""
    return chain.MOST_BEYOND if in_flight > 0 else 0


def room_of(in_flight: float, num_blocks: int) -> block_arrivals.Room:
    """Room for chains of `num_blocks` heights that count, and those beyond; see `block_arrivals.room_for`."""
    return block_arrivals.room_for(in_flight, num_blocks + beyond(in_flight))


def as_promised(race: Race, room: block_arrivals.Room) -> Array:
    """bool[]: no more blocks are in flight than there is room for."""
    return race.network.max_delay <= race.mean * (room.in_flight * (1.0 + 1e-5))


def as_history(kept: Kept, work: Array, xp: Any) -> History:
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


def on_host(kept: Kept) -> Kept:
    """The same as NumPy arrays; one thread a device copies what it holds, as new memory comes slowly to one thread."""
    parts = len(kept.interval.addressable_shards)
    if parts == 1:
        alone: Kept = jax.tree.map(np.asarray, kept)
        return alone
    whole: Kept = jax.tree.map(lambda of: np.empty(of.shape, of.dtype), kept)

    def copy(part: int) -> None:
        for to, of in zip(whole, kept, strict=True):
            shard = of.addressable_shards[part]
            to[shard.index] = np.asarray(shard.data)

    with ThreadPoolExecutor(parts) as threads:
        list(threads.map(copy, range(parts)))
    return whole


def check_poisson(scenario: Scenario) -> None:
    """Raise a ValueError that names the field and the remedy unless block arrivals are one Poisson process."""

    def wrong(field: str, needed: str, found: Any) -> ValueError:
        return ValueError(
            f'{field} must be {needed} for method="poisson", got {type(found).__name__}: use method="rounds"'
        )

    if type(scenario.mechanism) is not PoW:  # a subclass may have another law
        raise wrong("mechanism", "PoW", scenario.mechanism)
    if not isinstance(scenario.nodes, Nodes):
        raise wrong("nodes", "Nodes of constant power", scenario.nodes)
    if not scenario.network.fixed:
        raise wrong("network", "a clique, regions or a matrix with fixed delays", scenario.network)
    if type(scenario.election) is not FirstSeen:
        raise wrong("election", "FirstSeen", scenario.election)
    if type(scenario.difficulty) is not Fixed:
        raise wrong("difficulty", "fixed", scenario.difficulty)
    if scenario.adversary is not None:
        raise wrong("adversary", "None", scenario.adversary)
    if not checks.is_traced(scenario.nodes.power) and not checks.is_traced(scenario.mechanism.initial_difficulty):
        total = np.asarray(scenario.nodes.power, np.float64).sum(axis=-1)
        work = np.asarray(scenario.mechanism.initial_difficulty, np.float64)
        for mean in (work.min() / total.max(), work.max() / total.min()):
            if not 1e-12 <= mean <= 1e12:  # squares of intervals are summed up in float32
                raise ValueError(
                    'work / total power must be from 1e-12 to 1e12 s for method="poisson", got '
                    f'{mean:g}: choose another unit of time, or use method="rounds"'
                )
    if scenario.nodes.count > 2**16:
        raise ValueError(
            f'nodes must number at most 65,536 for method="poisson", got {scenario.nodes.count}: use method="rounds"'
        )


def blocks_in_flight(scenario: Scenario) -> float:
    """Blocks that arrive on average within the longest delay, the largest of a scenario with swept fields.

    Raises:
      ValueError: `check_poisson` does not pass, or the scenario is known only inside a transformation.
    """
    check_poisson(scenario)
    leaves = (scenario.mechanism.initial_difficulty, scenario.nodes.power, *jax.tree.leaves(scenario.network))
    if any(checks.is_traced(leaf) for leaf in leaves):
        raise ValueError(
            'work, power and delays must be known for method="poisson", got traced ones: call it outside of jax.jit'
        )
    rate = np.asarray(scenario.nodes.power, np.float64).sum(axis=-1).max() / np.min(
        scenario.mechanism.initial_difficulty
    )
    return float(rate * np.max(scenario.network.max_delay))


def rounded_up(in_flight: float) -> float:
    """To a power of 2^(1/4), so that the scenarios of a sweep share a few compiled programs; none and many stay."""
    if not 0 < in_flight <= 2:
        return in_flight
    return math.pow(2.0, math.ceil(4 * math.log2(max(in_flight, 2**-20))) / 4)


def refusal(scenario: Scenario) -> str | None:
    """Why a scenario cannot be simulated as one Poisson process; None: it can."""
    try:
        block_arrivals.room_for(blocks_in_flight(scenario), 1)
    except ValueError as error:
        return str(error)
    return None


def chain_bytes(scenario: Scenario, num_blocks: int) -> int:
    """Bytes that a chain, or its sums, hold on a device."""
    return 64 * num_blocks + 16 * scenario.nodes.count
