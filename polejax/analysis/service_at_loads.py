"""Service at equal loads: several chains side by side, each asked for the same shares of its own capacity."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from polejax._core import checks, lanes
from polejax._core.brief import sizes
from polejax._core.checked import checked
from polejax._core.switches import steady
from polejax._core.tables import Table, Tabled
from polejax._core.types import Key
from polejax.analysis.estimate import Estimate
from polejax.analysis.mempool import serve
from polejax.analysis.service import ServiceSummary, service
from polejax.analysis.summaries import Summary, summarise
from polejax.analysis.transactions import Load
from polejax.consensus.history import History
from polejax.theory.queues import mempool_warm_up

QUANTILE = 0.95
"""Of the latencies that are told."""
LEAST_HEIGHTS = 8
"""Fewest heights that a chain must have left between warm-up and cool-down."""


@dataclasses.dataclass(frozen=True, repr=False)
class ServiceAtLoads(Tabled):
    """How several chains serve transactions at the same loads; each load is a share of the chain's own capacity.

    Attributes:
      summaries: by label and load, `ServiceSummary` of one confirmation; its quantiles are 0.5 and 0.95. None where
        the chains are too short to forget that the mempool began empty.
      needed: by label and load, blocks a chain that a summary needs.
      intervals: by label, `Estimate` [], s, mean canonical interval.
      capacity: transactions per block.
    """

    summaries: Mapping[str, Mapping[float, ServiceSummary | None]]
    needed: Mapping[str, Mapping[float, int]]
    intervals: Mapping[str, Estimate]
    capacity: int

    @property
    def loads(self) -> tuple[float, ...]:
        """The loads, in the order asked for."""
        return tuple(next(iter(self.summaries.values())))

    def __repr__(self) -> str:
        """Its size."""
        labels = ", ".join(self.summaries)
        labels = labels if len(labels) <= 60 else f"{len(self.summaries):,} chains"
        return f"ServiceAtLoads({labels}; {sizes((len(self.loads),), 'loads')}, {self.capacity:,} transactions a block)"

    def tables(self) -> list[Table]:
        """A row for each statistic and load, a column for each label."""
        names = {label: f"{label} (one block in {seconds.value:.3g} s)" for label, seconds in self.intervals.items()}
        title = f"service at equal shares of each chain's own capacity, {self.capacity:,} transactions a block"
        rows = [(name, *(cells.get(label, "") for label in self.summaries)) for name, cells in self.rows().items()]
        header = ("load, statistic", *(names.get(label, label) for label in self.summaries))
        return [Table(header, rows, title, self.notes())]

    def notes(self) -> list[str]:
        """What must be said below the numbers: of whom the intervals leave out a bank's error."""
        found = {label: [one for one in by_load.values() if one] for label, by_load in self.summaries.items()}
        return [f"{label}: {told[0].replayed}" for label, told in found.items() if told and told[0].replayed]

    def rows(self) -> dict[str, dict[str, str]]:
        """Cells by the name of the row and the label, for tables."""
        cells: dict[str, dict[str, str]] = {}
        for load in self.loads:
            for label, by_load in self.summaries.items():
                for name, text in self._cells(label, load, by_load[load]).items():
                    cells.setdefault(name, {})[label] = text
        return cells

    def _cells(self, label: str, load: float, found: ServiceSummary | None) -> dict[str, str]:
        names = ["transactions confirmed (1 / s)", "confirmation latency, mean (s)", "confirmation latency, 95% (s)"]
        if found is None:
            texts = [f"needs {self.needed[label][load]:,} blocks a chain"] * 3
        else:
            texts = [str(found.throughput), latency_text(found), str(latency_quantile(found))]
        return {f"load {load:g}: {name}": text for name, text in zip(names, texts, strict=True)}


def latency_mean(found: ServiceSummary) -> Estimate:
    """Mean latency to the first confirmation, s, of the transactions that were confirmed."""
    return Estimate(*(part[0] for part in (found.latency_mean.value, found.latency_mean.low, found.latency_mean.high)))


def latency_quantile(found: ServiceSummary) -> Estimate:
    """Latency to the first confirmation within which 95% of the transactions are confirmed, s."""
    place = found.quantiles.index(QUANTILE)
    latency = found.latency_quantile
    return Estimate(*(part[0, place] for part in (latency.value, latency.low, latency.high)))


def latency_text(found: ServiceSummary) -> str:
    """The mean latency, with the doubt beside it where some transactions were never confirmed."""
    share = float(found.unconfirmed_share.value[0])
    return str(latency_mean(found)) + (f", of {1 - share:.1%} confirmed" if share > 0.001 else "")


@checked
@steady
def service_at_loads(
    key: Key,
    histories: Mapping[str, History],
    *,
    loads: Sequence[float] = (0.5, 0.9, 0.95),
    capacity: int = 1_000,
    confidence: float = 0.95,
    devices: list[jax.Device] | None = None,
) -> ServiceAtLoads:
    """Let Poisson transactions ask for the same shares of each chain's own capacity, and put the service side by side.

    A load of 0.9 means 0.9 * capacity transactions per mean canonical interval of that label's histories: of chains
    with shorter intervals more transactions a second. Stale blocks confirm nothing. The heights left out at the start
    grow with 1 / (1 - load)^2 (`polejax.theory.mempool_warm_up`); where they leave too few the summary is None.

    Args:
      key: typed key of the arrivals; the same at every load.
      histories: by label, leaves [S, H, ...].
      loads: shares of the capacity, in (0, 1), each once.
      capacity: transactions per block.
      confidence: of the intervals, in (0, 1).
      devices: what to split the chains over; None: all local ones.

    Returns:
      `ServiceAtLoads`. Intervals resample whole seeds at the load measured against the mean interval of the same
      chains.

    Raises:
      ValueError: no histories, loads that repeat or lie outside (0, 1), or a capacity that is not a whole number.
    """
    checks.key("key", key)
    lanes.chosen(devices)
    chosen = check_loads(loads)
    if not isinstance(histories, Mapping) or not histories:
        raise ValueError("histories must map labels to histories, got none: give at least one")
    capacity = checks.whole("capacity", capacity, low=1, high=2**31 - 2)
    summaries: dict[str, dict[float, ServiceSummary | None]] = {}
    needed, intervals = {}, {}
    for label, history in histories.items():
        if np.ndim(history.settled) != 2:
            raise ValueError(f"histories must hold seeds [S, H], got {label!r} of shape {np.shape(history.settled)}")
        summary = summarise(history, confidence=confidence)
        intervals[label] = summary.interval_mean
        needed[label] = {load: _blocks_needed(summary, load, capacity) for load in chosen}
        keys = jax.random.split(key, np.shape(history.settled)[0])
        summaries[label] = {}
        for load, blocks in needed[label].items():
            asked = Load.at(load, float(summary.interval_mean.value), capacity)
            if not _long_enough(history, blocks):
                summaries[label][load] = None
                continue
            summaries[label][load] = service(
                serve(keys, history, asked, devices=devices),
                history,
                asked,
                confirmations=1,
                quantiles=(0.5, QUANTILE),
                warm_up=_warm_up(summary, load, capacity),
                cool_down=_cool_down(summary, load, capacity),
                confidence=confidence,
            )
    return ServiceAtLoads(summaries, needed, intervals, capacity)


def check_loads(loads: Sequence[float]) -> tuple[float, ...]:
    """The loads as numbers; raises ValueError unless they are different numbers in (0, 1)."""
    checks.real("loads", loads, above=0.0, below=1.0, ndim=1)
    chosen = tuple(map(float, loads))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"loads must be different numbers in (0, 1), got {list(loads)}: list each once")
    return chosen


def _warm_up(summary: Summary, load: float, capacity: int) -> int:
    """Heights to leave out: by the upper end of the CV's interval where it is known."""
    cv = float(summary.interval_cv.high)
    return math.ceil(mempool_warm_up(load, cv if math.isfinite(cv) else float(summary.interval_cv.value), capacity))


def _cool_down(summary: Summary, load: float, capacity: int) -> int:
    """Heights to leave out at the end: within as many all but some 1e-4 of the transactions are confirmed."""
    return 8 + _warm_up(summary, load, capacity) // 4


def _blocks_needed(summary: Summary, load: float, capacity: int) -> int:
    return LEAST_HEIGHTS + _warm_up(summary, load, capacity) + _cool_down(summary, load, capacity)


def _long_enough(history: History, needed: int) -> bool:
    """Whether every chain has as many settled heights: short ones would be left out, and chains be selected so."""
    return int(np.atleast_2d(history.settled).sum(axis=1).min()) >= needed
