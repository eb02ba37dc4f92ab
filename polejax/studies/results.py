"""Results: what a study found, read from its folder, whether finished or still under way."""

import dataclasses
import functools
import os
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from polejax._core import checks, paths
from polejax._core.folder import Folder, StudyError
from polejax.analysis.paired import Comparison, paired
from polejax.analysis.seed_tally import Tally, join, tally
from polejax.analysis.summaries import Summary, summarise
from polejax.consensus.claims import Learning
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes, Scheduled
from polejax.studies.contents import Contents
from polejax.studies.parameters import column, flat
from polejax.studies.shards import BLOCKS, IDENTITY, SUMS, Arrays, Shard, cut, dimensions

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
        self._folder = Folder(paths.checked("path", path), "study")
        self._manifest = self._folder.manifest((*IDENTITY, "num_nodes", "sizes", "polejax"))
        self._shards = cut(sizes_of(self._manifest), self.num_seeds)

    def __repr__(self) -> str:
        done = len(self._shards) - len(self.missing)
        return f"Results({self.path!r}: {len(self.names)} scenarios, {done} of {len(self._shards)} shards)"

    @property
    def path(self) -> str:
        """The folder."""
        return self._folder.path

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
        return [shard for shard in self._shards if not self._folder.has(shard.name)]

    @property
    def complete(self) -> bool:
        """Whether all shards are on disk."""
        return not self.missing

    def shards(self, scenario: int | str, names: list[str] | None = None) -> Iterator[tuple[Shard, Arrays]]:
        """The shards of a scenario that are on disk, one at a time: the way through results larger than memory.

        Args:
          scenario: its index or name.
          names: of the variables wanted; None: all.

        Raises:
          ValueError: no such scenario.
          StudyError: a shard is damaged, of another study, or holds what no study can give.
        """
        return self._shards_of(self._index(scenario), self._known(names))

    def _shards_of(self, index: int, names: list[str] | None = None) -> Iterator[tuple[Shard, Arrays]]:
        for shard in self._shards:
            if shard.scenario == index and self._folder.has(shard.name):
                yield shard, self._read(shard, names)

    def _read(self, shard: Shard, names: list[str] | None) -> Arrays:
        """Arrays of a shard, all of whose values are possible where all of its arrays are read."""
        expected = Contents(self.records, shard.count, self.num_blocks, self._manifest["num_nodes"][shard.scenario])
        arrays, _ = self._folder.read(shard.name, shard.identity, names, expected.shape_of)
        fault = None if names is not None else next(expected.faults(arrays), None)
        if fault is not None:
            path = self._folder.part_path(shard.name)
            raise StudyError(f"{path} was not written by a study, {fault}: delete it and run again")
        return arrays

    def history(self, scenario: int | str) -> History:
        """`History` [S, H] of a scenario's seeds that are on disk, in memory; hashes are not kept.

        Raises:
          ValueError: no such scenario, nothing of it on disk yet, or its blocks were not kept.
        """
        if self.records != "blocks":
            raise ValueError(f"{self.path} keeps no blocks: run a study with records='blocks'")
        parts = [_as_history(arrays) for _, arrays in self.shards(scenario)]
        self._check_some(scenario, parts)
        history: History = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        return history

    def tally(self, scenario: int | str) -> Tally:
        """`Tally` of a scenario's seeds that are on disk, from one shard after the other."""
        parts = [
            tally(_as_history(arrays)) if self.records == "blocks" else self._as_tally(arrays)
            for _, arrays in self.shards(scenario)
        ]
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

    def _as_tally(self, arrays: Arrays) -> Tally:
        carries_models = bool((arrays["claims"] > 0).any())
        return Tally(**{name: arrays[name] for name in SUMS}, centre=0.0, carries_models=carries_models)

    def timings(self) -> dict[str, float]:
        """Seconds of all shards on disk together: {"compile_seconds", "run_seconds"}."""
        totals = {"compile_seconds": 0.0, "run_seconds": 0.0}
        for shard in self._shards:
            if self._folder.has(shard.name):
                attributes = self._folder.read(shard.name, shard.identity, [])[1]
                totals = {name: value + float(attributes[name]) for name, value in totals.items()}
        return totals

    def to_xarray(self, names: list[str] | None = None) -> Any:
        """`xarray.Dataset` with dimensions scenario, seed, height and node.

        Coordinates carry the scenarios' parameters: their names on `scenario`, `height` from 1 on, every number and
        word of a scenario under its path ("mechanism.threshold") on scenario, and each node's on (scenario, node)
        ("nodes.power"). Seeds that are not on disk are NaN, or 0 and not `settled`; so is what a scenario has not.

        Args:
          names: of the variables wanted; None: all. They are held in memory.
        """
        import xarray

        variables = self._variables(names)
        units = UNITS if self.records == "blocks" else {}
        data = {
            name: (
                ("scenario", *dimensions(name, array.ndim - 1)),
                array,
                {"units": units[name]} if name in units else {},
            )
            for name, array in variables.items()
        }
        about = {name: self._manifest[name] for name in ("polejax", "num_seeds", "num_blocks", "seed")}
        return xarray.Dataset(data, self._coordinates(), about)

    def to_pandas(self) -> Any:
        """`pandas.DataFrame` with one row per settled block: scenario, seed, height and the variables of blocks.

        Of a study that keeps chains: one row per chain, and its sums.
        """
        import pandas

        frames = []
        for scenario, name in enumerate(self.names):
            for shard, arrays in self.shards(scenario):
                rows, place = np.arange(shard.count), {}
                if self.records == "blocks":
                    rows, heights = np.nonzero(arrays.pop("settled"))
                    place = {"height": heights + 1}
                columns = {
                    key: array[rows, heights] if array.ndim == 2 else array
                    for key, array in arrays.items()
                    if "node" not in dimensions(key, array.ndim)
                }
                frames.append(pandas.DataFrame({"scenario": name, "seed": rows + shard.first, **place, **columns}))
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()

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

    @functools.cached_property
    def _num_nodes(self) -> int:
        return int(max(self._manifest["num_nodes"]))

    def _variables(self, names: list[str] | None) -> Arrays:
        """Arrays [scenario, seed, ...] of all scenarios, filled from the shards."""
        lengths = {"seed": self.num_seeds, "height": self.num_blocks, "node": self._num_nodes}
        filled: Arrays = {}
        names = self._known(names)
        for scenario in range(len(self.names)):
            for shard, arrays in self._shards_of(scenario, names):
                for name, array in arrays.items():
                    if name not in filled:
                        shape = (len(self.names), *(lengths[dim] for dim in dimensions(name, array.ndim)))
                        empty = np.nan if array.dtype.kind == "f" else 0
                        filled[name] = np.full(shape, empty, array.dtype)
                    rows = slice(shard.first, shard.first + shard.count)
                    place: Any = (scenario, rows, *(slice(size) for size in array.shape[1:]))
                    filled[name][place] = array
        return filled

    def _coordinates(self) -> dict[str, Any]:
        scenarios = [flat(scenario) for scenario in self._manifest["scenarios"]]
        coordinates: dict[str, Any] = {
            "scenario": self.names,
            "seed": np.arange(self.num_seeds),
            "height": np.arange(1, self.num_blocks + 1),
            "node": np.arange(self._num_nodes),
        }
        for name in dict.fromkeys(name for scenario in scenarios for name in scenario):
            values = [scenario.get(name) for scenario in scenarios]
            if all(value is None for value in values):
                continue
            if any(isinstance(value, list) for value in values):
                if name.startswith("nodes."):
                    coordinates[name] = (("scenario", "node"), self._by_node(values))
            else:
                coordinates[name] = ("scenario", column(values))
        return coordinates

    def _by_node(self, values: list[Any]) -> np.ndarray:
        array = np.full((len(values), self._num_nodes), np.nan)
        for row, value, count in zip(array, values, self._manifest["num_nodes"], strict=True):
            if isinstance(value, list) and np.shape(value) == (count,):
                row[:count] = value
        return array


def sizes_of(manifest: dict[str, Any]) -> tuple[int, ...]:
    """Seeds of a shard, by scenario, as a study's manifest says; raises StudyError where they are impossible."""
    sizes, counts = manifest["sizes"], manifest["num_nodes"]
    if not len(sizes) == len(counts) == len(manifest["names"]) or min(sizes) < 1:
        raise StudyError(f"study.json has sizes {sizes} and num_nodes {counts}: restore it from a copy")
    return tuple(sizes)


def open_study(path: str | os.PathLike[str]) -> Results:
    """Results of a finished or a partial study from its folder; raises StudyError where there is none."""
    return Results(path)


def _as_history(arrays: Arrays) -> History:
    learning = None
    if "claimed" in arrays:
        curve = np.zeros((*arrays["claimed"].shape, 0), np.float32)
        learning = Learning(arrays["claimed"], arrays["rejected"], arrays["diverged"], curve, arrays.get("holdout"))
    fields: dict[str, Any] = {field.name: arrays.get(field.name) for field in dataclasses.fields(History)}
    flawed = arrays.get("flawed", np.zeros_like(arrays["settled"]))
    return History(**{**fields, "learning": learning, "flawed": flawed})
