"""The mempool: which transactions the blocks of any history confirm, and when.

Transactions wait in order of their fees, then of their arrival, and every block takes the first `capacity` of them, or
all there are. What is random about a first-in-first-out class is only how many arrive, so the simulation holds numbers
of transactions and no list of them: nothing can overflow, and 2,000 transactions a block cost what 20 do.

Forks. A canonical block's ancestors are canonical, so on its branch the mempool lacks exactly what canonical blocks
confirmed: a transaction in a stale block alone is back in the mempool of every node that leaves the stale branch. As
all nodes are taken to know every transaction from its arrival on (transactions spread at once; ours), what canonical
blocks confirm is a function of canonical intervals, whatever was published beside them (a test replays
every branch with its own mempool). Forks delay transactions by the work that stale blocks take from
the canonical chain, and that is in the intervals. A block holds what had arrived when it was published, and a
transaction is confirmed once then (ours: a user's node hears of it one network delay later).

Latency is measured on probes: transactions that are added at random times one at a time, and wait behind the others
without being in their way. Poisson arrivals see what probes see (Wolff 1982, "Poisson arrivals see time averages",
Operations Research 30); at a varying rate, what probes see weighted by the rate at their arrival (Mecke's formula).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, lanes, limits, sweep
from polejax._core.record import record
from polejax._core.switches import steady
from polejax._core.types import Array, Key
from polejax.analysis.seed_tally import check_history, check_intervals
from polejax.analysis.transactions import Load
from polejax.consensus.history import History


@record
class Service:
    """What a history does for its users: C fee classes, M probes an interval. `S` seeds may lead every axis.

    Interval h leads from block h - 1 to block h. Heights that are not settled neither receive nor confirm anything.

    Attributes:
      arrived: i32[H, C], transactions that arrived in the interval.
      confirmed: i32[H, C], transactions in the block.
      waited: f32[H, C], transactions x seconds spent waiting in the interval (given the numbers per stretch).
      probe_block: i32[H, M, C], index of the block that confirms the interval's probe; H: none does.
      probe_wait: f32[H, M], s from the probe's arrival to the next block, confirming or not.
      probe_rate: f32[H, M], transactions per second at the probe's arrival, of all classes.
      overflow: bool[], more transactions arrived than an i32 counts: none of these numbers is right.
    """

    arrived: Array
    confirmed: Array
    waited: Array
    probe_block: Array
    probe_wait: Array
    probe_rate: Array
    overflow: Array


@steady
def serve(
    key_or_keys: Key,
    history: History,
    load: Load,
    probes: int = 2,
    *,
    chains: int | None = None,
    devices: list[jax.Device] | None = None,
) -> Service:
    """Let transactions arrive and the canonical blocks of a history confirm them.

    Of one chain it is a pure function, to be jitted and vmapped. Many chains are split over all devices.

    Args:
      key_or_keys: typed key of one chain, or typed keys [S] of many; a longer history is served as a shorter one is, to
        begin with.
      history: leaves [H], or [S, H] for many keys; only `interval` and `settled` count. The mempool is empty at
        genesis.
      load: arrivals, fee classes and block capacity, the same for all chains; for one chain its array fields may be
        swept with `jax.vmap`.
      probes: M, random times per interval at which a waiting time is measured for every class; static. An interval
        costs M + 1 Poisson numbers for each class.
      chains: of many, chains in lockstep on a device; None: one on a CPU (a lane waits for the slowest), else as many
        as a quarter of the memory holds.
      devices: of many, what to split the chains over; None: all local ones.

    Returns:
      `Service`, leaves [H, ...]; of many chains NumPy arrays [S, H, ...], each chain's a function of its own key and
      intervals alone.

    Raises:
      ValueError: no typed key or keys, a history that has not one chain for every key, or no probes.

    Source: the queue of Bailey 1954 (J. Royal Statistical Society B 16), "On queueing processes with bulk service".
    """
    probes = checks.whole("probes", probes, low=1)
    many = isinstance(key_or_keys, jax.Array) and key_or_keys.ndim > 0
    check_history(history)
    if not isinstance(load, Load):
        raise ValueError(f"load must be a polejax.Load, got {checks.kind(load)}: give arrivals and capacity")
    if chains is not None:
        checks.whole("chains", chains, low=1)
    lanes.chosen(devices)
    sweep.check_single("load", load)
    if not checks.is_traced(history.interval) and not checks.is_traced(history.settled):
        check_intervals(history)
        _check_effort(history, load, probes)
    if many:
        keys = checks.key("key_or_keys", key_or_keys, ndim=1)
        return _serve_many(keys, history, load, probes, chains, devices)
    key = checks.key("key_or_keys", key_or_keys)
    interval, settled = jnp.asarray(history.interval), jnp.asarray(history.settled)
    if interval.ndim != 1:
        raise ValueError(
            f"history must be of one chain for a single key, got intervals of shape {interval.shape}: "
            "give one key per chain, see jax.random.split"
        )
    return _serve(key, interval, settled, jax.tree.map(jnp.asarray, load), probes)


def _check_effort(history: History, load: Load, probes: int) -> None:
    """Raise a ValueError if a service finds no room in memory, or to follow the arrivals' rate takes days."""
    interval = np.atleast_2d(np.where(history.settled, np.asarray(history.interval, np.float64), 0.0))
    limits.check_memory(f"probes {probes:,}", 4.0 * interval.size * (probes + load.num_classes), "take fewer probes")
    if any(checks.is_traced(leaf) for leaf in jax.tree.leaves(load)):
        return
    changes = float(np.max(load.arrivals.changes) * interval.sum(axis=-1).max())
    if changes > _MOST_CHANGES:
        raise ValueError(
            f"arrivals.sojourns must be long enough for {_MOST_CHANGES:g} changes of rate along a chain, got about "
            f"{changes:.3g}: use polejax.analysis.Poisson of the mean rate"
        )


def _serve_many(
    keys: Key, history: History, load: Load, probes: int, chains: int | None, devices: list[jax.Device] | None
) -> Service:
    if checks.is_traced(keys) or checks.is_traced(history.interval):
        raise ValueError("keys must not be traced when there are many: jax.vmap serve over single keys")
    interval, settled = np.asarray(history.interval), np.asarray(history.settled)
    if interval.ndim != 2 or interval.shape[0] != keys.shape[0] or not keys.shape[0]:
        raise ValueError(
            f"history must have one chain per key ({keys.shape[0]}), got intervals of shape {interval.shape}: [S, H]"
        )
    held = 64 * interval.shape[1] * (probes + 1) * len(load.shares)
    layout = lanes.lay_out(len(keys), devices, cached=1, held=held, lanes=chains)
    run = _serve_lanes(probes, layout.lanes, layout.devices)
    service: Service = run(*layout.pad((keys, interval, settled)), jax.tree.map(jnp.asarray, load))
    return layout.cut(service)


_MOST_CHANGES = 1e10
"""Changes of the rate along a chain, one after another: minutes to hours."""


@functools.cache
def _serve_lanes(probes: int, chains: int, devices: tuple[jax.Device, ...]) -> Any:
    block = lanes.each(functools.partial(_serve, probes=probes), chains, (3,), 4)
    return lanes.sharded(block, chains, devices, (3,), 4)


def _serve(key: Key, interval: Array, settled: Array, load: Load, probes: int) -> Service:
    heights = interval.shape[0]
    rate_key, place_key, count_key = jax.random.split(key, 3)
    stretches = cut(place_key, jnp.where(settled, interval, 0.0), probes)
    volume, rate = load.arrivals.follow(rate_key, stretches)
    expected = volume[:, :, None] * load.shares[None, None, :]
    counts = jax.random.poisson(count_key, expected, dtype=jnp.int32)
    arrived = counts.sum(axis=1)
    confirmed, waiting, room = fill_blocks(arrived, jnp.where(settled, load.capacity, 0))
    # What waits at the start of each stretch, i32[H, M + 1, C]: before a probe, for all stretches but the first.
    before = (waiting - arrived)[:, None, :] + jnp.cumsum(counts, axis=1) - counts
    waited = (stretches[:, :, None] * (before.astype(jnp.float32) + 0.5 * counts.astype(jnp.float32))).sum(axis=1)
    return Service(
        arrived=arrived,
        confirmed=confirmed,
        waited=waited,
        probe_block=_confirming(before[:, 1:], room),
        probe_wait=jnp.cumsum(stretches[:, :0:-1], axis=1)[:, ::-1],
        probe_rate=rate[:, :-1],
        overflow=volume.sum() + heights > 0.99 * 2**31,
    )


def cut(key: Key, interval: Array, probes: int) -> Array:
    """Cut every interval f32[H] at M random times, one in each M-th of it at the same uniform place: f32[H, M + 1]."""
    place = jax.random.uniform(key, (*interval.shape, 1))
    parts = [place, *[jnp.ones_like(place)] * (probes - 1), 1.0 - place]
    return interval[:, None] / probes * jnp.concatenate(parts, axis=1)


def fill_blocks(arrived: Array, capacity: Array) -> tuple[Array, Array, Array]:
    """Fill one block after another from the mempool, dearer classes first.

    Args:
      arrived: i32[H, C], transactions since the block before.
      capacity: i32[H], places in each block.

    Returns:
      i32[H, C] each: transactions confirmed; transactions that waited for the block, confirmed ones included; places
      for one more of the class and those before it, at most one more than waited.
    """

    def fill(backlog: Array, block: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array, Array]]:
        arrived, places = block
        waiting = backlog + arrived
        dearer = jnp.cumsum(waiting) - waiting
        open_places = jnp.maximum(places - dearer, 0)
        confirmed = jnp.minimum(waiting, open_places)
        return waiting - confirmed, (confirmed, waiting, jnp.minimum(open_places, waiting + 1))

    _, filled = jax.lax.scan(fill, jnp.zeros_like(arrived[0]), (arrived, capacity))
    return filled


def _confirming(ahead: Array, room: Array) -> Array:
    """Index i32[H, M, C] of the block that confirms a probe.

    It is the first whose `room` i32[H, C], with that of the blocks since the probe's arrival, exceeds the number
    `ahead` i32[H, M, C] of its class that came before it.
    """
    total = jnp.cumsum(room, axis=0)
    wanted = (total - room)[:, None, :] + ahead + 1

    def search(total: Array, wanted: Array) -> Array:
        return jnp.searchsorted(total, wanted.reshape(-1)).astype(jnp.int32).reshape(wanted.shape)

    return jax.vmap(search, in_axes=(1, 2), out_axes=2)(total, wanted)
