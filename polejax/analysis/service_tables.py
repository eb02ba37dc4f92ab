"""The tables of a summary of service: all numbers, and latencies by confirmations and by fee class."""

from typing import TYPE_CHECKING

import numpy as np

from polejax._core.brief import sizes
from polejax._core.tables import Table
from polejax.analysis import doubts
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import entries_table, estimate_table

if TYPE_CHECKING:
    from polejax.analysis.service import ServiceSummary


def service_tables(found: "ServiceSummary") -> list[Table]:
    """What a `ServiceSummary` prints as."""
    rows = (
        ("transactions offered", "1 / s", found.offered),
        ("transactions confirmed", "1 / s", found.throughput),
        ("transactions per block / capacity", "share", found.fullness),
        ("blocks without a place left", "share", found.full_share),
        ("blocks that confirm nothing", "share", found.empty_share),
        ("backlog, mean over time", "transactions", found.backlog_mean),
        ("backlog, largest of a chain", "transactions", found.backlog_max),
        ("backlog, largest of all chains", "transactions", found.backlog_largest),
        ("fees", "coins / s", found.fees_per_second),
    )
    sample = f"{sizes((found.num_seeds,), 'seeds')}, {sizes((found.num_blocks,), 'blocks')}"
    latencies = {"mean (s)": found.latency_mean}
    for place, quantile in enumerate(found.quantiles):
        latencies[f"{100 * quantile:g}% (s)"] = _column(found.latency_quantile, place)
    latencies["not confirmed in time (share)"] = found.unconfirmed_share
    confirmations = [str(1 + k) for k in range(np.size(found.latency_mean.value))]
    told = [
        estimate_table(rows, found.confidence, sample, doubts.lines(found.replayed)),
        entries_table(latencies, found.confidence, "confirmations", confirmations, "latency by confirmations"),
    ]
    if np.size(found.latency_mean_by_class.value) > 1:
        by_class = {"mean latency (s), dearest first": found.latency_mean_by_class}
        told.append(entries_table(by_class, found.confidence, "fee class"))
    return told


def _column(estimate: Estimate, place: int) -> Estimate:
    """A column of an estimate of arrays [k, q]."""
    return Estimate(estimate.value[:, place], estimate.low[:, place], estimate.high[:, place])
