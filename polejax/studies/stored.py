"""Stored: a study's folder as it is read: its manifest and its shards, of which nothing is believed."""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from polejax._core import paths
from polejax._core.folder import Folder, StudyError
from polejax.analysis.seed_tally import Tally, tally
from polejax.consensus.claims import Learning
from polejax.consensus.history import History
from polejax.studies import batches
from polejax.studies.contents import Contents
from polejax.studies.shards import GROWING, IDENTITY, SUMS, Arrays, Shard

_NEEDED = (*IDENTITY, *GROWING, "num_nodes", "polejax", "grid", "parameters", "curves")


class Stored:
    """What is on the disk of a study.

    Attributes:
      folder: that holds it.
      manifest: what it says, by name.
      shards: all of them, on the disk or not.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.folder = Folder(paths.checked("path", path), "study", growing=GROWING)
        self.manifest = self.folder.manifest(_NEEDED)
        self.shards = batches.cut(batches.of_manifest(self.manifest))

    def has(self, shard: Shard) -> bool:
        """Whether a shard is on the disk."""
        return self.folder.has(shard.name)

    def shards_of(self, index: int, names: list[str] | None = None) -> Iterator[tuple[Shard, Arrays]]:
        """The shards of a scenario that are on the disk, with their arrays (None: all)."""
        for shard in self.shards:
            if shard.scenario == index and self.has(shard):
                yield shard, self.read(shard, names)

    def read(self, shard: Shard, names: list[str] | None = None) -> Arrays:
        """Arrays of a shard, all of whose values are possible where all of its arrays are read."""
        manifest = self.manifest
        expected = Contents(
            manifest["records"], shard.count, manifest["num_blocks"], manifest["num_nodes"][shard.scenario]
        )
        arrays, _ = self.folder.read(shard.name, shard.identity, names, expected.shape_of)
        fault = None if names is not None else next(expected.faults(arrays), None)
        if fault is not None:
            path = self.folder.part_path(shard.name)
            raise StudyError(f"{path} was not written by a study, {fault}: delete it and run again")
        return arrays

    def tallies(self, index: int, first: int = 0) -> list[Tally]:
        """Tallies of a scenario's shards that are on the disk and begin at seed `first` or later."""
        return [
            self.tally_of(index, self.read(shard))
            for shard in self.shards
            if shard.scenario == index and shard.first >= first and self.has(shard)
        ]

    def tally_of(self, index: int, arrays: Arrays) -> Tally:
        """Tally of one shard's arrays."""
        if self.manifest["records"] == "blocks":
            return tally(self.history_of(index, arrays))
        carries_models = bool((arrays["claims"] > 0).any())
        sums = {name: arrays[name] for name in SUMS}
        return Tally(**sums, centre=0.0, carries_models=carries_models, curves=self._curves(index))

    def history_of(self, index: int, arrays: Arrays) -> History:
        """History of one shard's arrays."""
        learning = None
        if "claimed" in arrays:
            curve = np.zeros((*arrays["claimed"].shape, 0), np.float32)
            learning = Learning(arrays["claimed"], arrays["rejected"], arrays["diverged"], curve, arrays.get("holdout"))
        fields: dict[str, Any] = {field.name: arrays.get(field.name) for field in dataclasses.fields(History)}
        flawed = arrays.get("flawed", np.zeros_like(arrays["settled"]))
        return History(**{**fields, "learning": learning, "flawed": flawed, "curves": self._curves(index)})

    def _curves(self, index: int) -> int | None:
        curves = self.manifest["curves"][index]
        return None if curves is None else int(curves)
