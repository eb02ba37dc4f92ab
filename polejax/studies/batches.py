"""Batches: the seeds that a study was asked for together; more may be added, and what is on the disk stays as it is."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from polejax._core.folder import StudyError
from polejax.studies.shards import Shard


class Batch(NamedTuple):
    """Seeds of every scenario, from the end of the batch before on.

    Attributes:
      end: number of seeds up to the end of this batch.
      sizes: seeds of a shard, by scenario.
    """

    end: int
    sizes: tuple[int, ...]


def cut(batches: Sequence[Batch]) -> list[Shard]:
    """All shards of some batches, in an order that brings all scenarios forward together."""
    every, begin = [], 0
    for batch in batches:
        every += [
            Shard(index, first, min(size, batch.end - first), size)
            for index, size in enumerate(batch.sizes)
            for first in range(begin, batch.end, size)
        ]
        begin = batch.end
    return sorted(every, key=lambda shard: (shard.first, shard.scenario))


def as_entries(batches: Sequence[Batch]) -> dict[str, Any]:
    """What a manifest says of batches."""
    return {"num_seeds": batches[-1].end, "batches": [[batch.end, list(batch.sizes)] for batch in batches]}


def of_manifest(manifest: Mapping[str, Any]) -> tuple[Batch, ...]:
    """The batches that a study's manifest tells of; raises StudyError where they are impossible."""
    batches, counts = manifest["batches"], manifest["num_nodes"]
    try:
        found = tuple(Batch(int(end), tuple(map(int, sizes))) for end, sizes in batches)
        ends = [0, *(batch.end for batch in found)]
        right = (
            len(counts) == len(manifest["names"])
            and all(one < other for one, other in itertools.pairwise(ends))
            and all(len(batch.sizes) == len(counts) and min(batch.sizes) > 0 for batch in found)
            and ends[-1] == manifest["num_seeds"] > 0
        )
    except (TypeError, ValueError):
        right = False
    if not right:
        raise StudyError(
            f"study.json has batches {batches!s:.60}, num_seeds {manifest['num_seeds']} and num_nodes {counts}: "
            "restore it from a copy"
        )
    return found
