"""Cost: the work, arithmetic and energy behind a block, and how much of it the block can show for."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax import checks, estimate, learners
from polejax.election import FirstSeen
from polejax.estimate import Array, Estimate
from polejax.fairness import powers
from polejax.history import History
from polejax.record import record, static
from polejax.scenario import Scenario
from polejax.service import stack


@record
class Cost:
    """What canonical blocks cost, stale work included; float64 estimates."""

    work_per_block: Estimate  # work units (hashes, training steps) of all nodes
    work_per_second: Estimate  # work units per second of all nodes
    flops_per_block: Estimate | None  # floating-point operations; None: a work unit's are not known
    joules_per_block: Estimate | None  # None: no energy model
    watts: Estimate | None  # joules per second; None: no energy model
    winner_share: Estimate | None  # the canonical producers' own work / all work; None: not to be had (see below)
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

    All work is `History.useful` where a mechanism computes it, else total power x time: a node that hashes or trains
    until it hears a block is never idle (where power changes along the chain, this takes all nodes for working on the
    same height: exact but for the delays around each change). What the program computed beyond that, in idle lanes,
    costs nobody but us.

    Energy is joules per work unit x work, the same for every node; idling, networking and verification are left out.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      scenario: that it was simulated from.
      joules_per_unit: of one hash or training step; None: no energy model.
      flops_per_unit: of one work unit; None: a training step's (`flops_per_step`), if the mechanism trains.
      top: k of `top_share`.
      confidence: of the intervals, in (0, 1).

    Returns:
      `Cost`. `winner_share` holds for first-seen elections, honest nodes and fixed delays, where a producer began when
      its parent reached it; else it is None. `top_share` ranks nodes by the validation accuracy that they had when the
      height was decided; it needs `History.rounds` (`simulate(..., keep_rounds=True)`) of a mechanism with models.

    Raises:
      ValueError: no settled height, nodes that are not the history's, or a number out of range.

    Source: ours.
    """
    confidence = _checked(confidence, joules_per_unit, flops_per_unit)
    top = checks.whole("top", top, low=1, high=history.num_nodes)
    if scenario.nodes.count != history.num_nodes:
        raise ValueError(f"scenario must have the history's {history.num_nodes} nodes, got {scenario.nodes.count}")
    settled = np.atleast_2d(history.settled)
    some = settled.any(axis=1)
    if not some.any():
        raise ValueError("history must hold settled heights, got none: simulate more blocks")

    def total(values: Array) -> Array:
        return np.where(settled, values, 0.0)[some].sum(axis=1, dtype=np.float64)

    def ratio(parts: Array, wholes: Array) -> Estimate:
        return estimate.mean(parts, wholes, confidence) or estimate.unknown(0.0)

    interval = np.atleast_2d(history.interval).astype(np.float64)
    power = powers(scenario.nodes, history.num_blocks).sum(axis=1)
    all_work = total(np.atleast_2d(history.useful) if history.useful is not None else interval * power)
    blocks, seconds = settled[some].sum(axis=1) * 1.0, total(interval)
    flops = flops_per_step(scenario.mechanism) if flops_per_unit is None else float(flops_per_unit)
    work, pace = ratio(all_work, blocks), ratio(all_work, seconds)
    honest = isinstance(scenario.election, FirstSeen) and scenario.adversary is None
    known = honest and not hasattr(scenario.network, "at")  # when nodes began
    best = _best_work(history, scenario, top) if known else None
    return Cost(
        work_per_block=work,
        work_per_second=pace,
        flops_per_block=_scaled(work, flops),
        joules_per_block=_scaled(work, joules_per_unit),
        watts=_scaled(pace, joules_per_unit),
        winner_share=ratio(total(winner_work(history, scenario)), all_work) if known else None,
        top_share=None if best is None else stack([ratio(total(best[..., k]), all_work) for k in range(top)]),
        num_seeds=int(some.sum()),
        num_blocks=int(settled.sum()),
        confidence=confidence,
    )


def flops_per_step(mechanism: Any) -> int | None:
    """Floating-point operations of one training step of a mechanism that trains, else None.

    Forward and backward pass of the learner over one batch, as `learners.step_flops` counts them; mapping the data
    (once a round) and evaluations are left out.
    """
    if not hasattr(mechanism, "learner") or not hasattr(mechanism, "task"):
        return None
    sml, task = mechanism.sml, mechanism.task
    width = sml.width(task.num_features) if sml else task.num_features
    return learners.step_flops(mechanism.learner, width, mechanism.batch_size)


def winner_work(history: History, scenario: Scenario) -> Array:
    """Work of each canonical block's producer on it, float64 [S, H] work units.

    A producer began when its parent, the canonical block before, had reached it: its work is its power x (interval -
    delay from that block's producer). Exact for first-seen elections, honest nodes and fixed delays (ours).
    """
    producer = np.atleast_2d(history.producer)
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

    From when the node had heard of one height to when it had heard of, or published, the next. Exact as `winner_work`.

    Raises:
      ValueError: the history kept no rounds.
    """
    if history.rounds is None:
        raise ValueError("history must keep its rounds, got None: simulate(..., keep_rounds=True)")
    nodes = history.num_nodes
    delay, power = _delays(scenario, np.arange(nodes)), powers(scenario.nodes, history.num_blocks)
    source = np.asarray(history.rounds.source).reshape(-1, history.num_blocks, nodes)
    interval = np.asarray(history.rounds.blocks.interval, dtype=np.float64).reshape(source.shape)
    work = np.empty(source.shape)
    stamp, start = np.zeros((2, len(source), nodes))  # s, of the tip that each node follows: published, heard
    for height in range(history.num_blocks):
        chosen = source[:, height]
        published = stamp + interval[:, height]
        stamp = np.take_along_axis(published, chosen, axis=1)
        heard = stamp + delay[chosen, np.arange(nodes)]
        work[:, height] = (heard - start) * power[height]
        start = heard
    return work


def _best_work(history: History, scenario: Scenario, top: int) -> Array | None:
    """Work of the 1 .. k nodes with the best models, [S, H, k]; None where none are on record."""
    rounds = history.rounds
    if rounds is None or rounds.blocks.learning is None:
        return None
    work = node_work(history, scenario)
    claimed = np.asarray(rounds.blocks.learning.claimed).reshape(work.shape)
    best = np.argsort(-claimed, axis=2, kind="stable")[..., :top]
    return np.cumsum(np.take_along_axis(work, best, axis=2), axis=2)


def _scaled(found: Estimate, scale: float | None) -> Estimate | None:
    return None if scale is None else Estimate(found.value * scale, found.low * scale, found.high * scale)


def _delays(scenario: Scenario, sources: Array) -> Array:
    """Seconds from each of K sources to all nodes, float64 [K, N]: what nodes hear when it alone publishes at 0."""
    network = jax.tree.map(jnp.asarray, scenario.network)
    publish = np.where(np.arange(scenario.nodes.count) == np.asarray(sources)[:, None], 0.0, np.inf)
    return np.asarray(jax.vmap(lambda times: network.hear(times)[0])(jnp.asarray(publish, jnp.float32)), np.float64)


def _checked(confidence: float, joules: float | None, flops: float | None) -> float:
    checks.real("confidence", confidence, above=0.0, below=1.0, ndim=0)
    for name, value in (("joules_per_unit", joules), ("flops_per_unit", flops)):
        if value is not None:
            checks.real(name, value, low=0.0, ndim=0)
    return float(confidence)
