"""Shards: the pieces of a study that are simulated, written and, after a kill, repeated whole."""

import dataclasses
import io
import pickle
import sys
import time
from typing import Any

import jax
import numpy as np

from polejax._core import timing
from polejax._core.record import record, static
from polejax._engine import poisson_tally, runner
from polejax._engine.poisson_tally import start_totals
from polejax._engine.runner import start_many
from polejax.analysis.seed_tally import Tally, tally
from polejax.consensus.history import History

Arrays = dict[str, np.ndarray]

IDENTITY = ("names", "scenarios", "num_seeds", "num_blocks", "seed", "records", "memoryless")
"""What of a manifest must be the same for a study to go on in its folder."""


@record
class Shard:
    """Consecutive seeds of one scenario."""

    scenario: int = static()  # index into the study's scenarios
    first: int = static()  # seed
    count: int = static()

    @property
    def name(self) -> str:
        """File name."""
        return f"scenario-{self.scenario:04d}-seed-{self.first:08d}.nc"

    @property
    def identity(self) -> dict[str, int]:
        """Attributes that its file carries."""
        return {"scenario": self.scenario, "first_seed": self.first, "num_seeds": self.count}


@record
class Study:
    """What a study computes, and nothing of where or how: picklable, so that executors can pass it on."""

    scenarios: tuple[Any, ...]
    num_seeds: int = static()
    num_blocks: int = static()
    seed: int = static()
    records: str = static()  # "blocks": every block; "chains": each seed's sums
    sizes: tuple[int, ...] = static()  # seeds that are simulated together, by scenario
    memoryless: tuple[bool, ...] = static()  # whether drawn find by find, by scenario

    def __reduce__(self) -> Any:
        """Pickle functions that JAX has wrapped, such as a model's `relu`, by name; plain pickle cannot."""
        buffer = io.BytesIO()
        _ByName(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(vars(self))
        return _unpickled, (buffer.getvalue(),)


class _ByName(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        name, module = getattr(value, "__qualname__", None), sys.modules.get(getattr(value, "__module__", None) or "")
        return name if isinstance(name, str) and getattr(module, name, None) is value else NotImplemented


def _unpickled(content: bytes) -> Study:
    return Study(**pickle.loads(content))


def dimensions(name: str, ndim: int = 2) -> tuple[str, ...]:
    """Dimensions of a variable of a shard that has `ndim` axes."""
    if ndim == 1:
        return ("seed",)
    return ("seed", "node") if name in ("published_by", "wins") else ("seed", "height")


SUMS = tuple(field.name for field in dataclasses.fields(Tally) if not field.metadata.get("static"))
"""The variables of a shard that keeps chains and not blocks; `interval` and `square` sum seconds and their squares."""


def run_shard(study: Study, shard: Shard) -> tuple[Arrays, dict[str, float]]:
    """Simulate one shard on this process's devices; a pure function of its arguments.

    Args:
      study: the whole study.
      shard: one of its shards.

    Returns:
      Arrays by name, leading axis the shard's seeds (see `variables`), and {"compile_seconds", "run_seconds"}, the
      latter until the devices had computed all. Seed s of every scenario runs under the same key,
      `fold_in(key(study.seed), s)`: common random numbers.
    """
    running = start_shard(study, shard)
    times = running.times(running.wait())
    return running.arrays(), times


def start_shard(study: Study, shard: Shard) -> "Running":
    """Begin what `run_shard` does, and come back while the devices still compute."""
    # The last shard is simulated at full size and cut, as its own size would be another program to compile.
    keys = seed_keys(study.seed, shard.first, study.sizes[shard.scenario])
    with timing.compilation() as compiling:
        begin = time.perf_counter()
        scenario, by_finds = study.scenarios[shard.scenario], study.memoryless[shard.scenario]
        chains: runner.Running | poisson_tally.Running
        if by_finds and study.records == "chains":
            chains = start_totals(keys, scenario, study.num_blocks)
        else:
            chains = start_many(keys, scenario, study.num_blocks, memoryless=by_finds)
    return Running(chains, study.records, shard.count, begin, compiling.seconds)


@dataclasses.dataclass(frozen=True)
class Running:
    """A shard that is being simulated."""

    chains: runner.Running | poisson_tally.Running
    records: str
    count: int
    begun: float  # s, by `time.perf_counter`
    compile_seconds: float

    def wait(self) -> float:
        """Return when the devices have computed all of it: the time, s, by `time.perf_counter`."""
        self.chains.wait()
        return time.perf_counter()

    def times(self, ready: float, free: float = 0.0) -> dict[str, float]:
        """What `run_shard` says of a shard that was ready at a time, on devices busy with another until `free`, s."""
        run = ready - max(self.begun + self.compile_seconds, free)
        return {"compile_seconds": self.compile_seconds, "run_seconds": max(run, 0.0)}

    def arrays(self) -> Arrays:
        """The arrays that `run_shard` returns."""
        if isinstance(self.chains, poisson_tally.Running):
            kept = sums(self.chains.tally())
        else:
            history = self.chains.history()
            kept = variables(history) if self.records == "blocks" else sums(tally(history))
        return {name: array[: self.count] for name, array in kept.items()}


_folded = jax.jit(jax.vmap(jax.random.fold_in, in_axes=(None, 0)))


def seed_keys(seed: int, first: int, count: int) -> jax.Array:
    """Typed keys [count] of a study's chains `first`, `first + 1`, ..."""
    numbers = np.arange(first, first + count, dtype=np.uint32)
    return _folded(jax.random.key(seed), numbers)


def variables(history: History) -> Arrays:
    """The arrays of a history [S, H] that a study keeps, in dtypes as narrow as their range; hashes are left out."""
    index = np.int16 if history.num_nodes < 2**15 else np.int32
    arrays = {
        "interval": history.interval,
        "producer": history.producer.astype(index),
        "score": history.score,
        "difficulty": history.difficulty,
        "settled": history.settled,
        "published": history.published.astype(index),
        "published_by": history.published_by.astype(np.int64),
        "fallback": history.fallback,
    }
    if history.flawed is not None and np.any(history.flawed):  # a fault of the mechanism: most studies have none
        arrays["flawed"] = history.flawed
    for name in ("useful", "computed"):
        if getattr(history, name) is not None:
            arrays[name] = getattr(history, name)
    if history.learning is not None:
        arrays |= {
            "claimed": history.learning.claimed,
            "rejected": history.learning.rejected,
            "diverged": history.learning.diverged,
        }
        if history.learning.holdout is not None:
            arrays["holdout"] = history.learning.holdout
    if history.taken is not None:
        arrays |= {name: getattr(history.taken, name) for name in ("task", "reward", "waiting")}
    return arrays


def sums(seeds: Tally) -> Arrays:
    """Each seed's sums over its settled blocks, float64[S] or [S, N], from which every statistic can be had."""
    about_zero = seeds.about(0.0)
    return {name: getattr(about_zero, name).astype(np.float64, copy=False) for name in SUMS}
