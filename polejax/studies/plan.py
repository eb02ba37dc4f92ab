"""Plans: a study's arguments, checked before anything is simulated, and the manifest that tells of them."""

import importlib.metadata
from collections.abc import Sequence

import jax
import numpy as np

from polejax._core import checks, identity, lanes, limits
from polejax._core.describe import describe
from polejax._core.keys import GENERATOR
from polejax._engine import demand, poisson
from polejax._engine.runner import METHODS, Method
from polejax._engine.segments import height_bytes
from polejax.consensus.recorded import fewest_curves
from polejax.consensus.scenario import Scenario, check_one
from polejax.studies.batches import Batch, as_entries, cut
from polejax.studies.grid import Grid, Listed, listed
from polejax.studies.shards import Study, programs_of

_BYTES = 2**27  # of rounds that a shard may hold on CPUs
_BYTES_ELSEWHERE = 2**30
_SHARDS = 10**6  # files that a folder and its manifest hold
_SEGMENTS = 4_096  # a shard has at most this many of its mechanism's segments, so that a kill costs minutes at most
_SAME_SIZE = 16  # shards that a batch may have before another size, and so another program, is worth its compilation

RECORDS = ("blocks", "chains")


class Plan:
    """What a study computes, and how its seeds are cut into shards.

    Attributes:
      task: all that shards need.
      manifest: what a new folder's says.
    """

    def __init__(
        self,
        scenarios: Scenario | Sequence[Scenario | Grid],
        num_seeds: int,
        num_blocks: int,
        seed: int,
        names: Sequence[str] | None,
        records: str,
        seeds_per_shard: int | None,
        method: Method,
        first_seeds: tuple[int, ...] | None = None,
    ) -> None:
        found = listed(scenarios)
        for index, scenario in enumerate(found.scenarios):
            if not isinstance(scenario, Scenario):
                raise ValueError(f"scenarios[{index}] must be a polejax.Scenario, got {type(scenario).__name__}")
            check_one(scenario)
        if not found.scenarios:
            raise ValueError("scenarios must not be empty: give at least one")
        names = _names(found, names)
        num_seeds = limits.counted("num_seeds", num_seeds, 2**32, "keys fold in 32 bits")
        num_blocks = limits.counted("num_blocks", num_blocks, demand.MOST_BLOCKS, "heights are counted in 32 bits")
        self._per_shard = None if seeds_per_shard is None else checks.whole("seeds_per_shard", seeds_per_shard, low=1)
        drawn_by = methods(found.scenarios, checks.one_of("method", method, METHODS))
        seed = checks.whole("seed", seed, low=0, high=2**31 - 1)
        records = checks.one_of("records", records, RECORDS)
        stored: tuple[Scenario, ...] = jax.tree.map(np.asarray, found.scenarios)
        firsts = first_seeds or (0,) * len(stored)
        self.task = Study(stored, num_blocks, seed, firsts, records, drawn_by, ())
        first = self.batch((), num_seeds)  # before programs are traced, which takes longer
        programs = programs_of(found.scenarios, drawn_by)
        self.task = Study(stored, num_blocks, seed, firsts, records, drawn_by, programs)
        self.manifest = {
            "polejax": importlib.metadata.version("polejax"),
            "names": names,
            "versions": identity.tracing_versions(),
            "generator": GENERATOR,
            "scenarios": [describe(scenario) for scenario in found.scenarios],
            "programs": {f"scenarios[{index}]": program for index, program in enumerate(programs)},
            "num_blocks": num_blocks,
            "seed": seed,
            "first_seeds": list(firsts),
            "records": records,
            "method": list(drawn_by),
            "num_nodes": [scenario.nodes.count for scenario in found.scenarios],
            "curves": [fewest_curves(scenario) for scenario in found.scenarios],
            "grid": describe(found.grid),
            "parameters": describe(found.parameters),
            **as_entries([first]),
            "until": None,
            "bank_parts": None,
        }

    def batch(self, before: Sequence[Batch], end: int) -> Batch:
        """The seeds from those of earlier batches up to `end`, in shards that fit in memory; they are all checked."""
        scenarios, num_blocks = self.task.scenarios, self.task.num_blocks
        count = end - (before[-1].end if before else 0)
        sizes = []
        for index, (scenario, drawn) in enumerate(zip(scenarios, self.task.methods, strict=True)):
            size = before[-1].sizes[index] if before else 0
            if not size <= count <= _SAME_SIZE * size:  # else the program that there is will do
                size = self._size(scenario, count, drawn)
            sizes.append(size)
            draws = float(end) * num_blocks * (scenario.nodes.count if drawn == "rounds" else 1)
            limits.check_time(f"num_seeds {end:,} of {num_blocks:,} blocks", draws, "simulate fewer")
            demand.check_demand(scenario, size, num_blocks, drawn, self.task.records == "blocks")
        found = Batch(end, tuple(sizes))
        shards = sum(-(-count // size) for size in sizes) + len(cut(before))
        if shards > _SHARDS:
            raise ValueError(f"seeds must make at most {_SHARDS:,} shards, got {shards:,}: raise seeds_per_shard")
        return found

    def _size(self, scenario: Scenario, count: int, method: Method) -> int:
        """Seeds whose rounds fit in memory and take minutes at most, in shards of equal size."""
        if self._per_shard is not None:
            return min(self._per_shard, count)
        mechanism, num_blocks = scenario.mechanism, self.task.num_blocks
        blocks = self.task.records == "blocks"
        budget = _BYTES if lanes.on_cpu(jax.local_devices()) else _BYTES_ELSEWHERE
        per_height = (
            64 if method == "poisson" else 2 * height_bytes(scenario)
        )  # one shard is computed, one on its way to the disk
        heights = min(num_blocks, 2 * mechanism.profile.heights_per_call) + num_blocks // 8
        few = _SEGMENTS * mechanism.profile.heights_per_call // num_blocks
        by_height = blocks or method == "rounds"
        per_seed = per_height * heights if by_height else 64 * (16 + scenario.nodes.count)  # sums alone
        most = max(1, min(budget // per_seed, few, count))
        return -(-count // -(-count // most))


def methods(scenarios: Sequence[Scenario], method: Method) -> tuple[Method, ...]:
    """How each scenario's chains are drawn; raises ValueError where no scenario allows the method."""
    if method == "rounds":
        return tuple(method for _ in scenarios)
    refusals = [poisson.refusal(scenario) for scenario in scenarios]
    if all(refusals):
        raise ValueError(f'method must be "rounds" where no scenario allows "poisson"; scenarios[0]: {refusals[0]}')
    allowed: dict[bool, Method] = {True: "poisson", False: "rounds"}
    return tuple(allowed[refused is None] for refused in refusals)


def _names(found: Listed, names: Sequence[str] | None) -> list[str]:
    count = len(found.scenarios)
    chosen = list(found.names) if names is None else [str(name) for name in names]
    if len(chosen) != count or len(set(chosen)) != count:
        raise ValueError(f"names must be {count} different words, one per scenario; got {chosen}")
    return chosen
