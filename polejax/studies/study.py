"""Studies: many seeds of many scenarios, in shards on disk, so that nothing is lost and memory stays bounded."""

import collections
import concurrent.futures
import functools
import importlib.metadata
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from polejax._core import checks, identity, lanes, limits, paths
from polejax._core.checked import checked
from polejax._core.describe import describe
from polejax._core.devices import provenance
from polejax._core.folder import Folder, StudyError
from polejax._core.keys import GENERATOR
from polejax._core.progress import Callback, Meter
from polejax._core.record import replace
from polejax._core.switches import steady
from polejax._engine import demand, poisson
from polejax._engine.runner import METHODS, Method
from polejax._engine.running import Running
from polejax._engine.segments import height_bytes
from polejax.consensus.scenario import Scenario, check_one
from polejax.studies import executors
from polejax.studies.contents import Contents
from polejax.studies.results import Results, sizes_of
from polejax.studies.shards import IDENTITY, Arrays, Shard, Study, cut, dimensions, programs_of, start_shard

_BYTES = 2**27  # of rounds that a shard may hold on CPUs
_BYTES_ELSEWHERE = 2**30
_IN_FLIGHT = 2  # shards begun and not yet on the disk
_SHARDS = 10**6  # files that a folder and its manifest hold
_SEGMENTS = 4_096  # a shard has at most this many of its mechanism's segments, so that a kill costs minutes at most

RECORDS = ("blocks", "chains")

Outcome = Callable[[], tuple[Arrays, dict[str, float]]]  # what `run_shard` returns, once it is there


@checked
@steady
def study(
    scenarios: Scenario | Sequence[Scenario],
    num_seeds: int,
    num_blocks: int,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    records: str = "blocks",
    seeds_per_shard: int | None = None,
    method: Method = "rounds",
    executor: Any = None,
    progress: Callback | None = None,
) -> Results:
    """Simulate every scenario with the same seeds, on all devices, into a folder; go on where an earlier run stopped.

    Chain s of every scenario runs under the key `fold_in(key(seed), s)`: common random numbers, so that scenarios
    differ by what they are and not by chance. Scenarios that differ in array fields alone share one compiled program.
    Every shard is written whole and atomically; a study that is killed and started again has bit for bit the result of
    an uninterrupted one on the same machine. Under `jax.distributed` each process simulates and writes
    its own share of the shards, on its own devices, and returns when that is done.

    Args:
      scenarios: one or several.
      num_seeds: chains S of each scenario.
      num_blocks: heights H of each chain.
      out: folder for `study.json` and the shards.
      seed: of the study's key.
      names: of the scenarios, all different; None: their numbers.
      records: what to keep: "blocks", every canonical block (some 20 bytes each), or "chains", each chain's sums alone
        (some 200 bytes), from which `Results.summarise` gives the same estimates.
      seeds_per_shard: None: as fit in memory, and few enough that a shard takes minutes at most.
      method: "rounds"; or "poisson": draw block arrivals as one Poisson process in those scenarios that allow it (Proof
        of Work at constant power and difficulty; see `simulate_many`), which is many times as fast and has the same law
        and other realisations; the others are drawn by rounds.
      executor: with the interface of `concurrent.futures`: shards run wherever it takes
        `polejax.studies.shards.run_shard` and its arguments; this process checks and writes what comes back. A
        `ProcessPoolExecutor` must not fork: give it `mp_context=multiprocessing.get_context("spawn")`. None: here.
      progress: called with `Progress` in blocks on disk, over all scenarios and seeds, after every shard.

    Returns:
      `Results`, which read from `out`.

    Raises:
      ValueError: no scenario, a count below 1, an unknown word, names that are not as many or not different, no
        scenario that allows method "poisson", more than memory, disk or a year allow, or an executor that forks.
      StudyError: the folder is another study's, in use, damaged, edited, full or not to be written, or the executor or
        one of its workers failed; in one line, which says what is kept and how to go on.
    """
    out = paths.checked("out", out)
    if executor is not None:
        executors.check(executor)
    task, manifest = _plan(scenarios, num_seeds, num_blocks, seed, names, records, seeds_per_shard, method)
    size = 4.0 * num_blocks if records == "blocks" else 64.0  # bytes of a chain, at least: intervals, or sums
    limits.check_disk(
        f"num_seeds {num_seeds:,}", out, size * num_seeds * len(task.scenarios), "make room, or ask for less"
    )
    process, processes = jax.process_index(), jax.process_count()
    place = Folder(out, "study", process)
    with place.locked():
        before = place.begin(manifest, IDENTITY)
        identity.check_programs(place.path, "study", before, manifest)
        task = replace(task, sizes=sizes_of(before))
        every = cut(task.sizes, task.num_seeds)
        for shard in every:
            if place.has(shard.name):  # damage is told before hours of work, not after
                place.read(shard.name, shard.identity, [], _contents(task, shard).shape_of)
        mine = [shard for shard in every[process::processes] if not place.has(shard.name)]
        _run(task, mine, place, executor, progress, sum(shard.count for shard in every) * num_blocks)
    return Results(out)


def _plan(
    scenarios: Scenario | Sequence[Scenario],
    num_seeds: int,
    num_blocks: int,
    seed: int,
    names: Sequence[str] | None,
    records: str,
    seeds_per_shard: int | None,
    method: str,
) -> tuple[Study, dict[str, Any]]:
    """Check the arguments; what to compute, and the manifest that tells of it."""
    listed = (scenarios,) if isinstance(scenarios, Scenario) else tuple(scenarios)
    for index, scenario in enumerate(listed):
        if not isinstance(scenario, Scenario):
            raise ValueError(f"scenarios[{index}] must be a polejax.Scenario, got {type(scenario).__name__}")
        check_one(scenario)
    if not listed:
        raise ValueError("scenarios must not be empty: give at least one")
    names = [str(index) for index in range(len(listed))] if names is None else [str(name) for name in names]
    if len(names) != len(listed) or len(set(names)) != len(names):
        raise ValueError(f"names must be {len(listed)} different words, one per scenario; got {names}")
    num_seeds = limits.counted("num_seeds", num_seeds, 2**32, "keys fold in 32 bits")
    num_blocks = limits.counted("num_blocks", num_blocks, demand.MOST_BLOCKS, "heights are counted in 32 bits")
    if seeds_per_shard is not None:
        seeds_per_shard = min(num_seeds, checks.whole("seeds_per_shard", seeds_per_shard, low=1))
    drawn_by = methods(listed, checks.one_of("method", method, METHODS))
    sizes = tuple(
        seeds_per_shard or _seeds_per_shard(scenario, num_seeds, num_blocks, drawn, records == "blocks")
        for scenario, drawn in zip(listed, drawn_by, strict=True)
    )
    shards = sum(-(-num_seeds // size) for size in sizes)
    if shards > _SHARDS:
        raise ValueError(f"seeds must make at most {_SHARDS:,} shards, got {shards:,}: raise seeds_per_shard")
    for scenario, size, drawn in zip(listed, sizes, drawn_by, strict=True):
        draws = float(num_seeds) * num_blocks * (scenario.nodes.count if drawn == "rounds" else 1)
        limits.check_time(f"num_seeds {num_seeds:,} of {num_blocks:,} blocks", draws, "simulate fewer")
        demand.check_demand(scenario, min(size, num_seeds), num_blocks, drawn, records == "blocks")
    seed = checks.whole("seed", seed, low=0, high=2**31 - 1)
    records = checks.one_of("records", records, RECORDS)
    programs = programs_of(listed, drawn_by)
    task = Study(jax.tree.map(np.asarray, listed), num_seeds, num_blocks, seed, records, sizes, drawn_by, programs)
    manifest = {
        "polejax": importlib.metadata.version("polejax"),
        "names": names,
        "versions": identity.tracing_versions(),
        "generator": GENERATOR,
        "scenarios": [describe(scenario) for scenario in listed],
        "programs": {f"scenarios[{index}]": program for index, program in enumerate(programs)},
        "num_seeds": task.num_seeds,
        "num_blocks": task.num_blocks,
        "seed": task.seed,
        "records": records,
        "method": list(drawn_by),
        "num_nodes": [scenario.nodes.count for scenario in listed],
        "sizes": list(sizes),
    }
    return task, manifest


def methods(scenarios: tuple[Scenario, ...], method: Method) -> tuple[Method, ...]:
    """How each scenario's chains are drawn; raises ValueError where no scenario allows the method."""
    if method == "rounds":
        return tuple(method for _ in scenarios)
    refusals = [poisson.refusal(scenario) for scenario in scenarios]
    if all(refusals):
        raise ValueError(f'method must be "rounds" where no scenario allows "poisson"; scenarios[0]: {refusals[0]}')
    allowed: dict[bool, Method] = {True: "poisson", False: "rounds"}
    return tuple(allowed[refused is None] for refused in refusals)


def _seeds_per_shard(scenario: Scenario, num_seeds: int, num_blocks: int, method: Method, blocks: bool) -> int:
    """Seeds whose rounds fit in memory and take minutes at most, in shards of equal size."""
    mechanism, count = scenario.mechanism, scenario.nodes.count
    budget = _BYTES if lanes.on_cpu(jax.local_devices()) else _BYTES_ELSEWHERE
    per_height = (
        64 if method == "poisson" else 2 * height_bytes(scenario)
    )  # one shard is computed, one on its way to the disk
    heights = min(num_blocks, 2 * mechanism.profile.heights_per_call) + num_blocks // 8
    few = _SEGMENTS * mechanism.profile.heights_per_call // num_blocks
    per_seed = per_height * heights if blocks or method == "rounds" else 64 * (16 + count)  # sums alone
    most = max(1, min(budget // per_seed, few, num_seeds))
    return -(-num_seeds // -(-num_seeds // most))


def _run(
    task: Study,
    mine: list[Shard],
    place: Folder,
    executor: Any,
    progress: Callback | None,
    total: int,
) -> None:
    missing = sum(shard.count for shard in mine) * task.num_blocks
    meter = Meter(progress, total, "blocks", before=total - missing)
    about = provenance()
    flight: collections.deque[tuple[Shard, concurrent.futures.Future[None]]] = collections.deque()

    def write(shard: Shard, outcome: Outcome) -> None:
        arrays, times = outcome()
        fault = next(_contents(task, shard).faults(arrays), None)
        if fault is not None:
            raise StudyError(f"{shard} of {place.path} is not written, {_blame(shard, fault, executor)}")
        variables = {name: (dimensions(name, array.ndim), array) for name, array in arrays.items()}
        place.write(shard.name, variables, {**shard.identity, **about, **times})

    def land() -> None:
        shard, written = flight.popleft()
        written.result()
        meter.add(shard.count * task.num_blocks)

    # The next shard is simulated while one is copied, summed up and written.
    writer = concurrent.futures.ThreadPoolExecutor(1)
    try:
        for shard, outcome in _simulated(task, mine, executor):
            flight.append((shard, writer.submit(write, shard, outcome)))
            while len(flight) >= _IN_FLIGHT:
                land()
        while flight:
            land()
    except executors.WorkerError as error:
        kept = sum(place.has(shard.name) for shard in cut(task.sizes, task.num_seeds))
        raise StudyError(f"{place.path} has {kept} finished shards; {error}") from error
    finally:
        writer.shutdown(cancel_futures=True)


def _contents(task: Study, shard: Shard) -> Contents:
    return Contents(task.records, shard.count, task.num_blocks, task.scenarios[shard.scenario].nodes.count)


def _blame(shard: Shard, fault: str, executor: Any) -> str:
    """What is wrong with a shard's arrays, whose fault that is and what to do."""
    if executor is not None:
        return f"as executor gave arrays of which {fault}: let it call run_shard with what it is given, and run again"
    return f"as {fault}: check scenarios[{shard.scenario}] for numbers at the edge of what float32 holds"


def _simulated(task: Study, shards: list[Shard], executor: Any) -> Iterator[tuple[Shard, Outcome]]:
    """Shards, begun one by one, or as they are ready, with what waits for what came of them."""
    if executor is None:
        free = 0.0

        def outcome(running: Running[Arrays]) -> tuple[Arrays, dict[str, float]]:
            nonlocal free
            ready = running.wait()
            times = running.times(ready, free)
            free = ready
            return running.result(), times

        for shard in shards:
            yield shard, functools.partial(outcome, start_shard(task, shard))
        return
    for shard, future in executors.simulated(task, shards, executor):
        yield shard, functools.partial(executors.result, future, shard)
