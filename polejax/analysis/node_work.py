"""Work of nodes, read back from histories: every node's at every height, and the canonical producers'."""

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.checked import checked
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Array
from polejax.analysis.power import powers
from polejax.consensus.elections import Election, FirstSeen
from polejax.consensus.history import History
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.round import next_times
from polejax.consensus.scenario import Scenario
from polejax.network.base import Network


@checked
@single("scenario")
@steady
def winner_work(history: History, scenario: Scenario) -> Array:
    """Work of each canonical block's producer on it, float64 [S, H] work units.

    Of first-seen elections the canonical chain tells it: a producer began when its parent, the canonical block before,
    had reached it, so its work is its power x (interval - delay from that block's producer). Under other rules it began
    when it closed the height before, which the records of all nodes tell (`node_work`) (ours).

    Raises:
      ValueError: an adversary or delays drawn anew for every block, of which nobody wrote down when nodes began; or
        another election than `FirstSeen` and a history without rounds.
    """
    producer = np.atleast_2d(history.producer)
    if not isinstance(scenario.election, FirstSeen):
        return np.take_along_axis(node_work(history, scenario), producer[..., None], axis=2)[..., 0]
    _check_told(scenario)
    parent = np.concatenate([producer[:, :1], producer[:, :-1]], axis=1)  # all know genesis: delay 0, as from oneself
    begun = np.zeros(producer.shape)
    sources = np.unique(parent)
    for first in range(0, len(sources), 256):
        some = sources[first : first + 256]
        delay = _delays(scenario, some)
        chosen = np.isin(parent, some)
        begun[chosen] = delay[np.searchsorted(some, parent[chosen]), producer[chosen]]
    power = powers(scenario.nodes, history.num_blocks)[np.arange(history.num_blocks), producer]
    return power * (np.atleast_2d(history.interval).astype(np.float64) - begun)


@checked
@single("scenario")
@steady
def node_work(history: History, scenario: Scenario) -> Array:
    """Work of every node at every height, float64 [S, H, N] work units, from the records `History.rounds`.

    From when the node had closed one height to when it published at the next, or closed that one without: under
    first-seen rules, when it had heard of a block. A node that has claimed and waits for others' claims does nothing.

    Raises:
      ValueError: as `winner_work`.
    """
    name = type(scenario.election).__name__
    if history.rounds is None:
        raise ValueError(f"history must keep its rounds under {name}, got None: simulate(..., keep_rounds=True)")
    _check_told(scenario)
    rounds = history.rounds
    source = np.asarray(rounds.source)
    published = source == np.arange(history.num_nodes) if rounds.published is None else rounds.published
    every = (-1, history.num_blocks, history.num_nodes)
    records = (jnp.asarray(np.reshape(part, every)) for part in (source, rounds.blocks.interval, published))
    played = jax.tree.map(jnp.asarray, (scenario.nodes, scenario.network, scenario.election))
    return np.asarray(_replayed(*records, *played), dtype=np.float64)


@jax.jit
def _replayed(
    source: Array, interval: Array, published: Array, nodes: AnyNodes, network: Network, election: Election
) -> Array:
    """Work f32[S, H, N] from the records of rounds [S, H, N], by the clock of `polejax.consensus.round`."""

    def step(clock: tuple[Array, ...], record: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        height, stamp, start = clock
        source, interval, published = record
        publish = jnp.where(published, stamp + interval, jnp.inf)
        close = election.closing(network.arrivals(publish)[0], start)
        work = (jnp.where(published, publish, close) - start) * nodes.at(height).power
        start, stamp = next_times(publish, close, source)
        return (height + 1, stamp, start), work

    def one(*records: Array) -> Array:
        zeros = jnp.zeros(source.shape[-1])
        clock: tuple[Array, ...] = (jnp.int32(1), zeros, zeros)
        return jax.lax.scan(step, clock, records)[1]

    return jax.vmap(one)(source, interval, published)


def _check_told(scenario: Scenario) -> None:
    """Raise a ValueError where nobody wrote down when nodes began."""
    if scenario.adversary is not None:
        name = type(scenario.adversary).__name__
        raise ValueError(f"scenario must have no adversary for each node's work, got {name}: leave it out")
    if not scenario.network.fixed:
        name = type(scenario.network).__name__
        raise ValueError(f"network must have fixed delays for each node's work, got {name}: use one that never changes")


def _delays(scenario: Scenario, sources: Array) -> Array:
    """Seconds from each of K sources to all nodes, float64 [K, N]: what nodes hear when it alone publishes at 0."""
    network = jax.tree.map(jnp.asarray, scenario.network)
    publish = np.where(np.arange(scenario.nodes.count) == np.asarray(sources)[:, None], 0.0, np.inf)
    return np.asarray(jax.vmap(lambda times: network.arrivals(times)[0])(jnp.asarray(publish, jnp.float32)), np.float64)
