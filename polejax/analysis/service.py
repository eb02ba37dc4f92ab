"""Statistics of service: throughput, backlog and confirmation latency, with intervals that resample whole seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import record, replace, static
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import doubts, estimate
from polejax.analysis.estimate import Estimate, stack
from polejax.analysis.mempool import Service
from polejax.analysis.seed_tally import check_settled
from polejax.analysis.service_tables import service_tables
from polejax.analysis.transactions import Load
from polejax.consensus.history import History


@record
class ServiceSummary(Tabled):
    """What users got from S chains between warm-up and cool-down; float64 estimates. C fee classes, dearest first.

    Attributes:
      offered: `Estimate` [], transactions per second that arrived.
      throughput: `Estimate` [], transactions per second that were confirmed.
      fullness: `Estimate` [], share, transactions per block / capacity; None: blocks have no limit.
      full_share: `Estimate` [], share of the blocks that have no place left; None: blocks have no limit.
      empty_share: `Estimate` [], share of the blocks that confirm nothing.
      backlog_mean: `Estimate` [], transactions waiting, average over time.
      backlog_max: `Estimate` [], transactions: each chain's largest backlog, mean over the chains; grows with their
        length.
      backlog_largest: transactions: the largest backlog of all chains.
      latency_mean: `Estimate` [k], s from arrival to 1 .. k confirmations, of the confirmed.
      latency_quantile: `Estimate` [k, q], s; inf where fewer than that share were confirmed in time.
      latency_mean_by_class: `Estimate` [C], s to the first confirmation, of the confirmed.
      unconfirmed_share: `Estimate` [k], share of the transactions that the history ends too early to confirm.
      fees_per_second: `Estimate` [], coins per second that blocks collect.
      quantiles: the q shares that `latency_quantile` is told for.
      num_seeds: chains with a height between warm-up and cool-down.
      num_blocks: heights of all seeds together, warm-up and cool-down left out.
      confidence: of the intervals, in (0, 1).
      replayed: what the intervals leave out, as the chains repeat recorded curves; None: they do not.
    """

    offered: Estimate[float]
    throughput: Estimate[float]
    fullness: Estimate[float] | None
    full_share: Estimate[float] | None
    empty_share: Estimate[float]
    backlog_mean: Estimate[float]
    backlog_max: Estimate[float]
    backlog_largest: float
    latency_mean: Estimate
    latency_quantile: Estimate
    latency_mean_by_class: Estimate
    unconfirmed_share: Estimate
    fees_per_second: Estimate[float]
    quantiles: tuple[float, ...] = static()
    num_seeds: int = static()
    num_blocks: int = static()
    confidence: float = static()
    replayed: str | None = static(default=None)

    def tables(self) -> list[Table]:
        """All numbers with their intervals, and latencies by confirmations and by fee class."""
        return service_tables(self)


def service(
    service: Service,
    history: History,
    load: Load,
    *,
    confirmations: int = 6,
    quantiles: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
    warm_up: int | None = None,
    cool_down: int | None = None,
    confidence: float = 0.95,
) -> ServiceSummary:
    """Estimate on the host, in float64, how users of a history were served.

    Args:
      service: of S chains, leaves [S, H, ...], or of one, [H, ...].
      history: that was served.
      load: that it was served with.
      confirmations: k; latencies are told for 1 .. k blocks on top of the arrival.
      quantiles: of latency, in (0, 1).
      warm_up: heights left out at the start, where the mempool fills; None: a quarter of the settled ones.
      cool_down: heights left out at the end, so that transactions before it can still be confirmed; None: an eighth.
      confidence: of the intervals, in (0, 1).

    Returns:
      `ServiceSummary`. Quantiles count transactions that were not confirmed in time as infinitely late; means leave
      them out, and are too small unless `unconfirmed_share` is near 0. Intervals of means are the jackknife's over
      seeds (see `polejax.analysis.Estimate`), of quantiles Woodruff's, by way of the share of transactions below the
      quantile.

    Raises:
      ValueError: a service that overflowed, shapes that do not match, no heights left, or a number out of range.

    Source: Woodruff 1952 (J. American Statistical Association 47); default warm-up and cool-down are ours.
    """
    confirmations = checks.whole("confirmations", confirmations, low=1)
    confidence = checks.confidence(confidence)
    checks.real("quantiles", quantiles, above=0.0, below=1.0, ndim=1)
    for name, count in (("warm_up", warm_up), ("cool_down", cool_down)):
        if count is not None:
            checks.whole(name, count)
    chains = _chains(service, history, load, warm_up, cool_down)
    found = _summary(chains, load, confirmations, np.asarray(quantiles, np.float64), confidence)
    return replace(found, replayed=doubts.replayed(history.curves, history.num_nodes))


@checked
def block_fees(service: Service, load: Load) -> Array:
    """Fees that each block collects, float64 [..., H] coins."""
    return np.asarray(service.confirmed).astype(np.float64) @ np.asarray(load.fees, dtype=np.float64)


class _Chains(NamedTuple):
    """A service and its history in float64 and int64, leading axes [S, H].

    Attributes:
      interval: s; 0 where not settled.
      settled: i64[S], heights.
      counted: bool[S, H], between warm-up and cool-down.
      arrived: [S, H, C].
      confirmed: [S, H, C].
      waited: [S, H].
      probe_block: [S, H, M, C].
      probe_wait: [S, H, M].
      probe_weight: [S, H, M, C], transactions that a probe stands for.
    """

    interval: Array
    settled: Array
    counted: Array
    arrived: Array
    confirmed: Array
    waited: Array
    probe_block: Array
    probe_wait: Array
    probe_weight: Array


def _chains(service: Service, history: History, load: Load, warm_up: int | None, cool_down: int | None) -> _Chains:
    for name, value, kind in (("service", service, Service), ("load", load, Load)):
        if not isinstance(value, kind):
            given = type(value).__name__
            raise ValueError(f"{name} must be a polejax.analysis.{kind.__name__}, got {given}: see polejax.serve")
    if np.any(service.overflow):
        raise ValueError("service overflowed its 32-bit counts: simulate fewer blocks on more seeds")
    check_settled(history)
    settled = np.atleast_2d(history.settled)
    interval = np.where(settled, np.atleast_2d(history.interval).astype(np.float64), 0.0)
    classes = load.num_classes
    if np.shape(service.arrived) != (*np.shape(history.settled), classes) or service.probe_wait.shape[:-1] != np.shape(
        history.settled
    ):
        raise ValueError(
            f"service must be of this history and load, got {np.shape(service.arrived)} for intervals "
            f"{np.shape(history.interval)} and {classes} fee classes"
        )
    arrived = np.asarray(service.arrived, dtype=np.int64).reshape(*settled.shape, -1)
    depth = settled.sum(axis=1)
    first = depth // 4 if warm_up is None else np.full_like(depth, checks.whole("warm_up", warm_up))
    last = depth - (depth // 8 if cool_down is None else checks.whole("cool_down", cool_down))
    height = np.arange(settled.shape[1])
    counted = (height >= first[:, None]) & (height < last[:, None])
    some = counted.any(axis=1)
    if not some.any():
        raise ValueError(
            f"warm_up and cool_down must leave settled heights, got {warm_up} and {cool_down} of {depth.max()}"
        )
    wait = np.asarray(service.probe_wait, dtype=np.float64).reshape(*settled.shape, -1)
    rate = np.asarray(service.probe_rate, dtype=np.float64).reshape(wait.shape)
    weight = (rate * (interval * counted)[:, :, None] / wait.shape[2])[..., None] * np.asarray(load.shares, np.float64)
    chains = _Chains(
        interval=interval,
        settled=depth,
        counted=counted,
        arrived=arrived,
        confirmed=np.asarray(service.confirmed, dtype=np.int64).reshape(arrived.shape),
        waited=np.asarray(service.waited, dtype=np.float64).reshape(arrived.shape).sum(axis=2),
        probe_block=np.asarray(service.probe_block, dtype=np.int64).reshape(*wait.shape, classes),
        probe_wait=wait,
        probe_weight=weight,
    )
    return _Chains(*(part[some] for part in chains))


def _summary(chains: _Chains, load: Load, confirmations: int, quantiles: Array, confidence: float) -> ServiceSummary:
    """What `service` returns."""
    time, blocks = _total(chains.interval, chains.counted), chains.counted.sum(axis=1, dtype=np.float64)
    in_block, largest = chains.confirmed.sum(axis=2), _largest_backlog(chains)
    limited = load.capacity < 2**31 - 1

    def rate(values: Array) -> Estimate:
        return _mean(_total(values, chains.counted), time, confidence)

    def share(which: Array) -> Estimate:
        return estimate.share(_total(which, chains.counted), blocks, confidence)

    latency = _latencies(chains, confirmations, quantiles, confidence)
    return ServiceSummary(
        offered=rate(chains.arrived.sum(axis=2)),
        throughput=rate(in_block),
        fullness=estimate.within(_mean(_total(in_block / load.capacity, chains.counted), blocks, confidence), high=1.0)
        if limited
        else None,
        full_share=share(in_block == load.capacity) if limited else None,
        empty_share=share(in_block == 0),
        backlog_mean=rate(chains.waited),
        backlog_max=_mean(largest, np.ones_like(largest), confidence),
        backlog_largest=float(largest.max()),
        latency_mean=latency.mean,
        latency_quantile=latency.quantile,
        latency_mean_by_class=latency.mean_by_class,
        unconfirmed_share=latency.unconfirmed,
        fees_per_second=rate(chains.confirmed.astype(np.float64) @ np.asarray(load.fees, np.float64)),
        quantiles=tuple(quantiles.tolist()),
        num_seeds=len(time),
        num_blocks=int(blocks.sum()),
        confidence=confidence,
    )


def _largest_backlog(chains: _Chains) -> Array:
    """Most transactions that waited just before a counted block, float64[S]."""
    in_block = chains.confirmed.sum(axis=2)
    backlog = np.cumsum(chains.arrived.sum(axis=2) - in_block, axis=1) + in_block
    return np.where(chains.counted, backlog, 0).max(axis=1).astype(np.float64)


class _Latencies(NamedTuple):
    mean: Estimate  # [k]
    mean_by_class: Estimate  # [C], of the first confirmation
    quantile: Estimate  # [k, q]
    unconfirmed: Estimate  # [k]


def _latencies(chains: _Chains, confirmations: int, quantiles: Array, confidence: float) -> _Latencies:
    """Latency to 1 .. k confirmations."""
    told = [_latency(chains, k, quantiles, confidence) for k in range(1, confirmations + 1)]
    mean, by_class, quantile, unconfirmed = zip(*told, strict=True)
    return _Latencies(stack(mean), by_class[0], stack(quantile), stack(unconfirmed))


def _latency(chains: _Chains, confirmations: int, quantiles: Array, confidence: float) -> _Latencies:
    """Latency to so many confirmations, from the probes; without the axis k."""
    final = chains.probe_block + confirmations - 1
    confirmed = final < chains.settled[:, None, None, None]
    end = np.cumsum(chains.interval, axis=1)  # s at which each block is published
    last = np.minimum(final, end.shape[1] - 1).reshape(len(end), -1)
    later = np.take_along_axis(end, last, axis=1).reshape(final.shape) - end[:, :, None, None]
    latency = chains.probe_wait[..., None] + later
    weight = chains.probe_weight
    some, every = weight * confirmed, weight.sum(axis=(1, 2))
    seconds, known = (some * latency).sum(axis=(1, 2)), some.sum(axis=(1, 2))  # [S, C]
    return _Latencies(
        mean=_mean(seconds.sum(axis=1), known.sum(axis=1), confidence),
        mean_by_class=stack([_mean(*pair, confidence) for pair in zip(seconds.T, known.T, strict=True)]),
        quantile=_quantiles(np.where(confirmed, latency, np.inf), weight, quantiles, confidence),
        unconfirmed=estimate.share(every.sum(axis=1) - known.sum(axis=1), every.sum(axis=1), confidence),
    )


def _quantiles(values: Array, weights: Array, quantiles: Array, confidence: float) -> Estimate:
    """Weighted quantiles [q] of values [S, ...]; infinite ones sort last."""
    chosen = weights > 0
    seed = np.broadcast_to(np.arange(len(values)).reshape(-1, *(1,) * (values.ndim - 1)), values.shape)[chosen]
    order = np.argsort(values[chosen], kind="stable")
    values, weights, seed = values[chosen][order], weights[chosen][order], seed[order]
    below = np.cumsum(weights)

    def at(share: Array) -> Array:
        return values[np.minimum(np.searchsorted(below, share * below[-1]), len(values) - 1)]

    ends = []
    total = np.bincount(seed, weights)
    for index in np.searchsorted(below, quantiles * below[-1]):
        under = np.bincount(seed[: index + 1], weights[: index + 1], minlength=len(total))
        ends.append(estimate.share(under[total > 0], total[total > 0], confidence))
    value = at(quantiles)
    if (total > 0).sum() < 2:
        return estimate.unknown(value)
    return Estimate(value, at(np.array([end.low for end in ends])), at(np.array([end.high for end in ends])))


def _total(values: Array, counted: Array) -> Array:
    """Sum over the counted heights, float64[S]."""
    return np.where(counted, values, 0).sum(axis=1, dtype=np.float64)


def _mean(sums: Array, counts: Array, confidence: float) -> Estimate:
    """Mean of what was summed; nothing counted (no transaction confirmed): infinite."""
    return estimate.mean(sums, counts, confidence, low=0.0) or estimate.unknown(np.inf)
