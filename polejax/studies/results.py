"""Results: what a study found, read from its folder, whether finished or still under way."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from polejax._core import checks
from polejax.analysis.paired import Comparison, paired
from polejax.analysis.seed_tally import Tally, join
from polejax.analysis.summaries import Summary, summarise
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes, Scheduled
from polejax.studies import bank_parts, frames, table
from polejax.studies.coordinates import ScenarioAxes, coordinates
from polejax.studies.parameters import varying
from polejax.studies.precision import METRICS, Precision, of_manifest
from polejax.studies.shards import BLOCKS, SUMS, Arrays, Shard, dimensions
from polejax.studies.stored import Stored

if TYPE_CHECKING:
    from pandas import DataFrame

UNITS = {
    "interval": "s",
    "score": "1",
    "difficulty": "hashes (PoW) or accuracy (PoLe)",
    "useful": "work units",
    "computed": "work units",
    "claimed": "1",
}


class Results:
    """A study's results; every method reads what is on disk when it is called."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._stored = Stored(path)
        self._manifest = self._stored.manifest

    def __repr__(self) -> str:
        shards = len(self._stored.shards)
        done = shards - len(self.missing)
        return f"Results({self.path!r}: {len(self.names)} scenarios, {done} of {shards} shards)"

    @property
    def path(self) -> str:
        """The folder."""
        return self._stored.folder.path

    @property
    def names(self) -> list[str]:
        """The scenarios' names."""
        return list(self._manifest["names"])

    @property
    def records(self) -> str:
        """What was kept: "blocks" or "chains"."""
        return str(self._manifest["records"])

    @property
    def num_seeds(self) -> int:
        """Chains S of each scenario."""
        return int(self._manifest["num_seeds"])

    @property
    def num_blocks(self) -> int:
        """Heights H of each chain."""
        return int(self._manifest["num_blocks"])

    @property
    def missing(self) -> list[Shard]:
        """Shards that are not on disk yet."""
        return [shard for shard in self._stored.shards if not self._stored.has(shard)]

    @property
    def complete(self) -> bool:
        """Whether all shards are on disk."""
        return not self.missing

    @property
    def precision(self) -> Precision | None:
        """What half-widths `until` asked for, and what was reached; None: a number of seeds was asked for instead."""
        return of_manifest(self._manifest["until"])

    def shards(self, scenario: int | str, names: list[str] | None = None) -> Iterator[tuple[Shard, Arrays]]:
        """The shards of a scenario that are on disk, one at a time: the way through results larger than memory.

        Args:
          scenario: its index or name.
          names: of the variables wanted; None: all.

        Raises:
          ValueError: no such scenario.
          StudyError: a shard is damaged, of another study, or holds what no study can give.
        """
        return self._stored.shards_of(self._index(scenario), self._known(names))

    def history(self, scenario: int | str) -> History:
        """`History` [S, H] of a scenario's seeds that are on disk, in memory; hashes are not kept.

        Raises:
          ValueError: no such scenario, nothing of it on disk yet, or its blocks were not kept.
        """
        if self.records != "blocks":
            raise ValueError(f"{self.path} keeps no blocks: run a study with records='blocks'")
        index = self._index(scenario)
        parts = [self._stored.history_of(index, arrays) for _, arrays in self._stored.shards_of(index)]
        self._check_some(scenario, parts)
        history: History = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        return history

    def tally(self, scenario: int | str) -> Tally:
        """`Tally` of a scenario's seeds that are on disk, from one shard after the other."""
        parts = self._stored.tallies(self._index(scenario))
        self._check_some(scenario, parts)
        return join(parts)

    def summarise(
        self, scenario: int | str, nodes: Nodes | Scheduled | None = None, confidence: float = 0.95
    ) -> Summary:
        """`Summary` of a scenario's seeds that are on disk; see `polejax.summarise`."""
        confidence = checks.confidence(confidence)
        if nodes is not None and not isinstance(nodes, Nodes | Scheduled):  # before shards are read
            raise ValueError(f"nodes must be made by polejax.nodes, got {checks.shown(nodes)}: pass those simulated")
        return summarise(self.tally(scenario), nodes, confidence)

    def compare(self, first: int | str, second: int | str, confidence: float = 0.95) -> Comparison:
        """`Comparison` of two scenarios of a finished study, seed by seed; see `polejax.analysis.paired`."""
        confidence = checks.confidence(confidence)
        one, two = self._index(first, "first"), self._index(second, "second")
        return paired(self.tally(one), self.tally(two), confidence)

    def _check_some(self, scenario: int | str, parts: list[Any]) -> None:
        if not parts:
            raise ValueError(f"scenario {checks.shown(scenario)} has no shard in {self.path} yet: run the study on")

    def timings(self) -> dict[str, float]:
        """Seconds of all shards on disk together: {"compile_seconds", "run_seconds"}."""
        totals = {"compile_seconds": 0.0, "run_seconds": 0.0}
        for shard in self._stored.shards:
            if self._stored.has(shard):
                attributes = self._stored.folder.read(shard.name, shard.identity, [])[1]
                totals = {name: value + float(attributes[name]) for name, value in totals.items()}
        return totals

    def table(self, metrics: Sequence[str] | None = None, wide: bool = False, confidence: float = 0.95) -> "DataFrame":
        """`pandas.DataFrame` of estimates from the seeds that are on disk: a row for each number of each scenario.

        Columns: `scenario`, its name; the parameters that vary, as they were given; `metric`; `node`, if there are
        metrics by node; `unit`; `value`, `low` and `high`, the estimate and its interval; `doubt`, what must be said
        beside the number, such as that the interval leaves out a bank's own error or is longer than `until` asked for;
        "" if nothing. Of a grid there is no `scenario`, as its parameters tell all.

        Args:
          metrics: names of a `Summary`'s estimates; None: all that are one number.
          wide: one row for each scenario, and for each metric the columns `metric`, `metric_low` and `metric_high`.
          confidence: of the intervals, in (0, 1).

        Raises:
          ValueError: an unknown metric, or a scenario without a settled height on disk.
        """
        if metrics is not None:
            if not isinstance(metrics, list | tuple) or not metrics:
                raise ValueError(f"metrics must be a list of names, got {checks.shown(metrics)}: {', '.join(METRICS)}")
            metrics = [checks.one_of("metrics", name, METRICS) for name in metrics]
        wide = checks.flag("wide", wide)
        summaries = [self.summarise(name, confidence=confidence) for name in self.names]
        chosen = table.chosen_metrics(metrics, summaries)
        honest = self._honest(checks.confidence(confidence))
        frame = table.tidy(self.names, self.parameters, summaries, chosen, self.precision, honest)
        frame = table.widened(frame) if wide else frame
        return frame.drop(columns="scenario") if self._manifest["grid"] and self.parameters else frame

    def _honest(self, confidence: float) -> bank_parts.Honest | None:
        """What `bank_parts` of a study tells; None: it was not asked for."""
        count = self._manifest["bank_parts"]
        if count is None:
            return None
        split = Results(bank_parts.folder(self.path, self.num_seeds, count))
        pieces = [split.summarise(name, confidence=confidence) for name in split.names]
        return bank_parts.Honest(self._manifest, pieces, confidence)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """What tells the scenarios apart: values [scenarios], as they were given, by short name."""
        return varying(self._manifest)

    def to_xarray(self, names: list[str] | None = None) -> Any:
        """`xarray.Dataset` with dimensions scenario, seed, height and node.

        Of a `polejax.grid` each parameter is a dimension in place of `scenario`, with its values as they were given as
        coordinates: `.sel(threshold=0.8)`. Its name is the path's last word, unless that is not clear (`grid`).

        Coordinates carry the scenarios' parameters: their names on `scenario`, `height` from 1 on, every number and
        word of a scenario under its path ("mechanism.threshold") on scenario, and each node's on (scenario, node)
        ("nodes.power"); in a grid those that do not vary have no dimension. Numbers that were rounded to float32 are
        given as the shortest that round to them, so 0.8 and not 0.800000012. Seeds that are not on disk are NaN, or 0
        and not `settled`; so is what a scenario has not.

        Args:
          names: of the variables wanted; None: all. They are held in memory.
        """
        import xarray

        axes, units = ScenarioAxes(self._manifest), UNITS if self.records == "blocks" else {}
        data = {
            name: (
                (*axes.names, *dimensions(name, array.ndim - 1)),
                axes.spread(array),
                {"units": units[name]} if name in units else {},
            )
            for name, array in self._variables(names).items()
        }
        about = {name: self._manifest[name] for name in ("polejax", "num_seeds", "num_blocks", "seed")}
        return xarray.Dataset(data, coordinates(self._manifest), about)

    def to_pandas(self) -> "DataFrame":
        """`pandas.DataFrame` with one row per settled block: scenario, seed, height and the variables of blocks.

        Of a study that keeps chains: one row per chain, and its sums. Names of scenarios are categories, and so are
        words among the parameters that vary, which have a column each. Where a
        scenario has no such variable, numbers are NaN or missing.
        """
        return frames.rows(self._stored, self.parameters)

    def _known(self, names: list[str] | None) -> list[str] | None:
        """Names of variables, once they are ones that studies keep."""
        known = BLOCKS if self.records == "blocks" else SUMS
        if names is not None and not isinstance(names, list | tuple):
            raise ValueError(f"names must be a list of variables, got {checks.shown(names)}: see to_xarray().data_vars")
        return None if names is None else [checks.one_of("names", name, known) for name in names]

    def _index(self, scenario: int | str, argument: str = "scenario") -> int:
        if isinstance(scenario, str) and scenario in self.names:
            return self.names.index(scenario)
        if not isinstance(scenario, str):
            return checks.whole(argument, scenario, high=len(self.names) - 1)
        raise ValueError(
            f"{argument} must be an index below {len(self.names)} or one of {self.names}; got {checks.shown(scenario)}"
        )

    def _variables(self, names: list[str] | None) -> Arrays:
        """Arrays [scenario, seed, ...] of all scenarios, filled from the shards."""
        lengths = {"seed": self.num_seeds, "height": self.num_blocks, "node": max(self._manifest["num_nodes"])}
        filled: Arrays = {}
        names = self._known(names)
        for scenario in range(len(self.names)):
            for shard, arrays in self._stored.shards_of(scenario, names):
                for name, array in arrays.items():
                    if name not in filled:
                        shape = (len(self.names), *(lengths[dim] for dim in dimensions(name, array.ndim)))
                        empty = np.nan if array.dtype.kind == "f" else 0
                        filled[name] = np.full(shape, empty, array.dtype)
                    rows = slice(shard.first, shard.first + shard.count)
                    place: Any = (scenario, rows, *(slice(size) for size in array.shape[1:]))
                    filled[name][place] = array
        return filled


def open_study(path: str | os.PathLike[str]) -> Results:
    """Results of a finished or a partial study from its folder; raises StudyError where there is none."""
    return Results(path)
