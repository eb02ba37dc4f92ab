"""Studies: many seeds of many scenarios, in shards on disk, so that nothing is lost and memory stays bounded."""

import collections
import concurrent.futures
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

from polejax._core import identity, limits, paths
from polejax._core.checked import checked
from polejax._core.devices import provenance
from polejax._core.folder import Folder, StudyError
from polejax._core.progress import Callback, Meter
from polejax._core.switches import steady
from polejax._engine.runner import Method
from polejax._engine.running import Running
from polejax.consensus.scenario import Scenario
from polejax.studies import bank_parts as parts
from polejax.studies import batches, executors
from polejax.studies.batches import Batch
from polejax.studies.contents import Contents
from polejax.studies.grid import Grid
from polejax.studies.plan import Plan
from polejax.studies.precision import Target, Watch, check_target
from polejax.studies.results import Results
from polejax.studies.shards import GROWING, IDENTITY, Arrays, Shard, Study, dimensions, start_shard

_IN_FLIGHT = 2  # shards begun and not yet on the disk

Outcome = Callable[[], tuple[Arrays, dict[str, float]]]  # what `run_shard` returns, once it is there


@checked
@steady
def study(
    scenarios: Scenario | Sequence[Scenario | Grid],
    num_seeds: int,
    num_blocks: int,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    records: str = "blocks",
    seeds_per_shard: int | None = None,
    method: Method = "rounds",
    until: Mapping[str, float] | None = None,
    max_seeds: int | None = None,
    bank_parts: int | None = None,
    executor: Any = None,
    progress: Callback | None = None,
) -> Results:
    """Simulate every scenario with the same seeds, on all devices, into a folder; go on where an earlier run stopped.

    Chain s of every scenario runs under the key `fold_in(key(seed), s)`: common random numbers, so that scenarios
    differ by what they are and not by chance. Scenarios that differ in array fields alone share one compiled program.
    Every shard is written whole and atomically; a study that is killed and started again has bit for bit the result of
    an uninterrupted one on the same machine. The same folder with more seeds keeps those that it has, and adds the
    others. Under `jax.distributed` each process simulates and writes its own share of the shards, on its own devices,
    and returns when that is done.

    With `until` seeds are added until all named intervals are short enough in every scenario. They are looked at after
    1, 2, 3, 4, 6, 8, 12, 16, ... times `num_seeds` seeds and at `max_seeds`, from the first seed on, and must be short
    enough twice in a row, as the first time is chance too often. So where a study stops depends on its arguments alone:
    not on devices, shards, an executor, an interruption, or seeds that the folder holds already. Of the intervals at
    the stop 93 to 97% hold the truth (ours; tests/studies/test_precision.py, experiments/stopping_coverage.py).

    Args:
      scenarios: one, several, or a `polejax.grid`; grids may stand among others.
      num_seeds: chains S of each scenario; with `until` those of the first look, at least 16.
      num_blocks: heights H of each chain.
      out: folder for `study.json` and the shards.
      seed: of the study's key.
      names: of the scenarios, all different; None: their numbers, and in grids their parameters.
      records: what to keep: "blocks", every canonical block (some 20 bytes each), or "chains", each chain's sums alone
        (some 200 bytes), from which `Results.summarise` gives the same estimates.
      seeds_per_shard: None: as fit in memory, and few enough that a shard takes minutes at most.
      method: "rounds"; or "poisson": draw block arrivals as one Poisson process in those scenarios that allow it (Proof
        of Work at constant power and difficulty; see `simulate_many`), which is many times as fast and has the same law
        and other realisations; the others are drawn by rounds.
      until: largest half-widths of 95% intervals by name of a `Summary`'s estimate, as {"stale_per_main": 0.002}; of an
        estimate by node, of every node's. Half-widths do not shrink below a bank's own error, which they leave out.
        None: `num_seeds` seeds.
      max_seeds: most seeds, with `until`; where they do not suffice, `Results.precision` says of what.
      bank_parts: G, at least 4: simulate the scenarios that replay banks twice, the second time with the seeds shared
        out over G parts of each bank, so that `Results.table` has intervals that hold the banks' own error, as
        `polejax.bank_estimate` has. None: tables say that they leave it out.
      executor: with the interface of `concurrent.futures`: shards run wherever it takes
        `polejax.studies.shards.run_shard` and its arguments; this process checks and writes what comes back. A
        `ProcessPoolExecutor` must not fork: give it `mp_context=multiprocessing.get_context("spawn")`. None: here.
      progress: called with `Progress` in blocks on disk, over all scenarios and seeds, after every shard; with `until`
        its total is of the seeds up to the next look.

    Returns:
      `Results`, which read from `out`.

    Raises:
      ValueError: no scenario, a count below 1, an unknown word, names that are not as many or not different, no
        scenario that allows method "poisson", an executor that forks, which would hang, a target that no scenario has,
        banks too small for their parts, or more than memory, disk or a year allow.
      StudyError: the folder is another study's, in use, damaged, edited, full or not to be written, or the executor or
        one of its workers failed; in one line, which says what is kept and how to go on.
    """
    out = paths.checked("out", out)
    if executor is not None:
        executors.check(executor)
    target = check_target(until, max_seeds, num_seeds)
    plan = Plan(scenarios, num_seeds, num_blocks, seed, names, records, seeds_per_shard, method)
    if bank_parts is not None:
        parts.split(plan.task.scenarios, bank_parts, num_seeds)  # told before hours of work, not after
    size = 4.0 * num_blocks if records == "blocks" else 64.0  # bytes of a chain, at least: intervals, or sums
    needed = size * num_seeds * len(plan.task.scenarios)
    limits.check_disk(f"num_seeds {num_seeds:,}", out, needed, "make room, or ask for less")
    place = Folder(out, "study", jax.process_index(), GROWING)
    with place.locked():
        filling = _Filling(plan, place, executor, progress)
        if target is None:
            filling.grow(num_seeds)
        else:
            _until(target, filling)
        if bank_parts is not None:
            _split(plan, place.path, filling.num_seeds, bank_parts, executor, progress)
            filling.note({"bank_parts": bank_parts})
    return Results(out)


def _split(plan: Plan, path: str, num_seeds: int, count: int, executor: Any, progress: Callback | None) -> None:
    """Simulate the parts of all banks, into a folder of their own in the study's."""
    task = plan.task
    pieces = parts.split(task.scenarios, count, num_seeds)
    firsts, each = parts.first_seeds(len(pieces), count, num_seeds), num_seeds // count
    split = Plan(pieces, each, task.num_blocks, task.seed, None, "chains", None, "rounds", firsts)
    place = Folder(parts.folder(path, num_seeds, count), "study", jax.process_index(), GROWING)
    with place.locked():
        _Filling(split, place, executor, progress).grow(each)


def _until(target: Target, filling: "_Filling") -> None:
    """Add seeds until the target is reached, and write down where that was."""
    watch = Watch(target, filling.place.path)

    def reached(num_seeds: int) -> bool:
        filling.grow(num_seeds, at_least=True)
        return watch.reached(num_seeds)

    target.stop(reached)
    filling.note({"until": watch.outcome()})


class _Filling:
    """A study's folder while it is filled, batch by batch."""

    def __init__(self, plan: Plan, place: Folder, executor: Any, progress: Callback | None) -> None:
        self.place = place
        self._plan, self._executor, self._progress = plan, executor, progress
        self._manifest = place.begin(plan.manifest, IDENTITY)
        identity.check_programs(place.path, "study", self._manifest, plan.manifest)
        self._batches = batches.of_manifest(self._manifest)

    @property
    def num_seeds(self) -> int:
        """Seeds that were asked for."""
        return self._batches[-1].end

    def grow(self, num_seeds: int, at_least: bool = False) -> None:
        """Simulate what is missing of the seeds that were asked for before, and of those up to `num_seeds`.

        More than these may be there only if `at_least`.
        """
        end = self._batches[-1].end
        if num_seeds < end and not at_least:
            raise StudyError(
                f"{self.place.path} holds another study; it has num_seeds: {end}, not {num_seeds}: read it with "
                "polejax.open_study, ask for as many or more, or choose another folder"
            )
        if num_seeds > end:
            grown = (*self._batches, self._plan.batch(self._batches, num_seeds))
            self.note({**batches.as_entries(grown), "until": None, "bank_parts": None})
            self._batches = grown
        self._fill(self._batches)

    def note(self, entries: dict[str, Any]) -> None:
        """Change entries of the manifest, if they differ."""
        changed = {**self._manifest, **entries}
        if changed != self._manifest:
            self.place.update(changed)
            self._manifest = changed

    def _fill(self, grown: Sequence[Batch]) -> None:
        every = batches.cut(grown)
        task, process, processes = self._plan.task, jax.process_index(), jax.process_count()
        for shard in every:
            if self.place.has(shard.name):  # damage is told before hours of work, not after
                self.place.read(shard.name, shard.identity, [], _contents(task, shard).shape_of)
        mine = [shard for shard in every[process::processes] if not self.place.has(shard.name)]
        _run(task, mine, self.place, self._executor, self._progress, every)


def _run(
    task: Study,
    mine: list[Shard],
    place: Folder,
    executor: Any,
    progress: Callback | None,
    every: list[Shard],
) -> None:
    total, missing = (sum(shard.count for shard in shards) * task.num_blocks for shards in (every, mine))
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
        kept = sum(place.has(shard.name) for shard in every)
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
