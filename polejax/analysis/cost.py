"""Cost: the work, arithmetic and energy behind a block, and how much of it the block can show for."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import record, static
from polejax._core.types import Array
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.fairness import powers
from polejax.analysis.service import stack
from polejax.consensus.elections import Election, FirstSeen
from polejax.consensus.history import History
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.round import next_times
from polejax.consensus.scenario import Scenario
from polejax.network.base import Network


@record
class Cost:
    """What canonical blocks cost, stale work included; float64 estimates."""

    work_per_block: Estimate  # work units (hashes, training steps) of all nodes
    work_per_second: Estimate  # work units per second of all nodes
    flops_per_block: Estimate | None  # floating-point operations; None: a work unit's are not known
    joules_per_block: Estimate | None  # None: no energy model
    watts: Estimate | None  # joules per second; None: no energy model
    winner_share: Estimate | None  # the canonical producers' own work / all work; None: nobody wrote it down
    top_share: Estimate | None  # [k], work of the 1 .. k best models / all work; None: rounds or models were not kept
    num_seeds: int = static()
    num_blocks: int = static()
    confidence: float = static()


def summarise_cost(
    history: History,
    scenario: Scenario,
    *,
    joules_per_unit: float | None = None,
    flops_per_unit: float | None = None,
    top: int = 3,
    confidence: float = 0.95,
) -> Cost:
    """Estimate on the host, in float64, what a history's settled blocks cost.

    All work is `History.useful` where a mechanism computes it. Else it is total power x time under first-seen rules, as
    a node that hashes or trains until it hears a block is never idle (where power changes along the chain, exact but
    for the delays around each change); under rules that let claimants wait, the sum of `node_work`. Energy is joules
    per work unit x work, the same for every node; idling, networking and verification are left out.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      scenario: that it was simulated from.
      joules_per_unit: of one hash or training step; None: no energy model.
      flops_per_unit: of one work unit; None: what the mechanism's profile says, as of a training step.
      top: k of `top_share`.
      confidence: of the intervals, in (0, 1).

    Returns:
      `Cost`. `winner_share` is None where `winner_work` cannot tell; `top_share`, of nodes ranked by the validation
      accuracy that they had when the height was decided, where `node_work` cannot or there are no models.

    Raises:
      ValueError: no settled height, nodes that are not the history's, a number out of range, or a history without
        rounds and `useful` under an election that lets nodes wait.

    Source: ours.
    """
    confidence = _checked(confidence, joules_per_unit, flops_per_unit)
    settled, some = _settled(history, scenario)
    spent = _spent(history, scenario, checks.whole("top", top, low=1, high=history.num_nodes))

    def total(values: Array) -> Array:
        return np.where(settled, values, 0.0)[some].sum(axis=1, dtype=np.float64)

    def ratio(parts: Array, wholes: Array) -> Estimate:
        return estimate.mean(parts, wholes, confidence) or estimate.unknown(0.0)

    work_done = total(spent.everyone)
    flops = scenario.mechanism.profile.flops_per_unit if flops_per_unit is None else flops_per_unit
    work = ratio(work_done, total(np.ones(settled.shape)))
    pace = ratio(work_done, total(np.atleast_2d(history.interval).astype(np.float64)))
    return Cost(
        work_per_block=work,
        work_per_second=pace,
        flops_per_block=_scaled(work, flops),
        joules_per_block=_scaled(work, joules_per_unit),
        watts=_scaled(pace, joules_per_unit),
        winner_share=None if spent.winner is None else ratio(total(spent.winner), work_done),
        top_share=None if spent.best is None else stack([ratio(total(one), work_done) for one in spent.best]),
        num_seeds=int(some.sum()),
        num_blocks=int(settled.sum()),
        confidence=confidence,
    )


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

    def step(clock: Any, record: tuple[Array, ...]) -> tuple[Any, Array]:
        height, stamp, start = clock
        source, interval, published = record
        publish = jnp.where(published, stamp + interval, jnp.inf)
        close = election.closing(network.arrivals(publish)[0], start)
        work = (jnp.where(published, publish, close) - start) * nodes.at(height).power
        start, stamp = next_times(publish, close, source)
        return (height + 1, stamp, start), work

    def one(*records: Array) -> Array:
        zeros = jnp.zeros(source.shape[-1])
        return jax.lax.scan(step, (jnp.int32(1), zeros, zeros), records)[1]

    return jax.vmap(one)(source, interval, published)


class _Spent(NamedTuple):
    """Work units, [S, H]."""

    everyone: Array
    winner: Array | None  # None: not to be had
    best: Array | None  # [k, S, H], of the 1 .. k nodes with the best models; None: not to be had


def _spent(history: History, scenario: Scenario, top: int) -> _Spent:
    first_seen = isinstance(scenario.election, FirstSeen)
    told = scenario.adversary is None and scenario.network.fixed
    kept = told and history.rounds is not None
    winner = winner_work(history, scenario) if told and (first_seen or kept) else None
    best = _best_work(history, scenario, top) if kept else None
    if history.useful is not None:
        return _Spent(np.atleast_2d(history.useful), winner, best)
    if not first_seen:  # says what is missing where it is
        return _Spent(node_work(history, scenario).sum(axis=2), winner, best)
    power = powers(scenario.nodes, history.num_blocks).sum(axis=1)
    return _Spent(np.atleast_2d(history.interval).astype(np.float64) * power, winner, best)


def _best_work(history: History, scenario: Scenario, top: int) -> Array | None:
    """Work of the 1 .. k nodes with the best models, [k, S, H]; None where none are on record."""
    if history.rounds is None or history.rounds.blocks.learning is None:
        return None
    work = node_work(history, scenario)
    claimed = np.asarray(history.rounds.blocks.learning.claimed).reshape(work.shape)
    best = np.argsort(-claimed, axis=2, kind="stable")[..., :top]
    return np.moveaxis(np.cumsum(np.take_along_axis(work, best, axis=2), axis=2), 2, 0)


def _check_told(scenario: Scenario) -> None:
    """Raise a ValueError where nobody wrote down when nodes began."""
    if scenario.adversary is not None:
        name = type(scenario.adversary).__name__
        raise ValueError(f"scenario must have no adversary for each node's work, got {name}: leave it out")
    if not scenario.network.fixed:
        name = type(scenario.network).__name__
        raise ValueError(f"network must have fixed delays for each node's work, got {name}: use one that never changes")


def _settled(history: History, scenario: Scenario) -> tuple[Array, Array]:
    """Settled heights bool[S, H], and which seeds have some, bool[S]."""
    if scenario.nodes.count != history.num_nodes:
        raise ValueError(f"scenario must have the history's {history.num_nodes} nodes, got {scenario.nodes.count}")
    settled = np.atleast_2d(history.settled)
    if not settled.any():
        raise ValueError("history must hold settled heights, got none: simulate more blocks")
    return settled, np.asarray(settled.any(axis=1))


def _scaled(found: Estimate, scale: float | None) -> Estimate | None:
    return None if scale is None else Estimate(found.value * scale, found.low * scale, found.high * scale)


def _delays(scenario: Scenario, sources: Array) -> Array:
    """Seconds from each of K sources to all nodes, float64 [K, N]: what nodes hear when it alone publishes at 0."""
    network = jax.tree.map(jnp.asarray, scenario.network)
    publish = np.where(np.arange(scenario.nodes.count) == np.asarray(sources)[:, None], 0.0, np.inf)
    return np.asarray(jax.vmap(lambda times: network.arrivals(times)[0])(jnp.asarray(publish, jnp.float32)), np.float64)


def _checked(confidence: float, joules: float | None, flops: float | None) -> float:
    checks.real("confidence", confidence, above=0.0, below=1.0, ndim=0)
    for name, value in (("joules_per_unit", joules), ("flops_per_unit", flops)):
        if value is not None:
            checks.real(name, value, low=0.0, ndim=0)
    return float(confidence)
