"""Shards: the pieces of a study that are simulated, written and, after a kill, repeated whole."""

import dataclasses
import io
import pickle
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from polejax._core.fingerprint import Traced, Unidentified
from polejax._core.keys import key_of
from polejax._core.record import Record, static
from polejax._core.switches import steady
from polejax._core.types import Array
from polejax._engine import runner
from polejax._engine.program import program_of
from polejax._engine.runner import Method
from polejax._engine.running import Running
from polejax.analysis.seed_tally import Tally
from polejax.consensus.history import History
from polejax.consensus.scenario import Scenario

Arrays = dict[str, np.ndarray]

IDENTITY = ("names", "scenarios", "num_blocks", "seed", "first_seeds", "records", "method")
"""What of a manifest must be the same for a study to go on in its folder."""

GROWING = ("num_seeds", "batches", "until", "bank_parts")
"""What of a manifest says how many seeds were asked for, and why; more may be."""


class Shard(Record):
    """Consecutive seeds of one scenario.

    Attributes:
      scenario: index into the study's scenarios.
      first: number of the first seed.
      count: of seeds.
      size: seeds that are simulated together; those beyond `count` are cut off, as another size would be another
        program to compile.
    """

    scenario: int = static()
    first: int = static()
    count: int = static()
    size: int = static()

    @property
    def name(self) -> str:
        """File name."""
        return f"scenario-{self.scenario:04d}-seed-{self.first:08d}.nc"

    @property
    def identity(self) -> dict[str, int]:
        """Attributes that its file carries."""
        return {"scenario": self.scenario, "first_seed": self.first, "num_seeds": self.count}


class Study(Record):
    """What a study computes, and nothing of where or how: picklable, so that executors can pass it on.

    Attributes:
      scenarios: all of them.
      num_blocks: heights H of each chain.
      seed: of the study's key.
      first_seeds: number of each scenario's first seed, which its shards count from.
      records: "blocks": every block; "chains": each seed's sums.
      methods: how chains are drawn, by scenario.
      programs: what each scenario computes (`polejax._engine.program`).
    """

    scenarios: tuple[Scenario, ...]
    num_blocks: int = static()
    seed: int = static()
    first_seeds: tuple[int, ...] = static()
    records: str = static()
    methods: tuple[Method, ...] = static()
    programs: tuple[str, ...] = static()

    def __reduce__(self) -> Any:
        """Pickle functions that JAX has wrapped, such as a model's `relu`, by name; plain pickle cannot."""
        buffer = io.BytesIO()
        _ByName(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(vars(self))
        return _unpickled, (buffer.getvalue(),)


class _ByName(pickle.Pickler):
    """A pickler that stores whatever can be imported by its name as that name."""

    def reducer_override(self, value: Any) -> Any:
        """The name of an importable object; `NotImplemented` of any other, which is pickled as usual."""
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


BLOCKS = (
    *("interval", "producer", "score", "difficulty", "settled", "published", "published_by", "fallback", "flawed"),
    *("useful", "computed", "censored", "claimed", "rejected", "diverged", "holdout", "task", "reward", "waiting"),
)
"""The variables of a shard that keeps blocks, those that only some scenarios have among them; see `variables`."""


@steady
def run_shard(study: Study, shard: Shard) -> tuple[Arrays, dict[str, float]]:
    """Simulate one shard on this process's devices; a pure function of its arguments.

    Args:
      study: the whole study.
      shard: one of its shards.

    Returns:
      Arrays by name, leading axis the shard's seeds (see `variables`), and {"compile_seconds", "run_seconds"}, the
      latter until the devices had computed all. Seed s of every scenario runs under the same key,
      `fold_in(key(study.seed), s)`: common random numbers.

    Raises:
      ValueError: this process has other code than the one that began the study.
    """
    index = shard.scenario
    if program_of(study.scenarios[index], study.methods[index]) != study.programs[index]:
        raise ValueError(
            f"scenarios[{index}] computes something else in this process than where the study was begun: "
            "give both the same code and the same versions of jax, flax and optax"
        )
    running = start_shard(study, shard)
    times = running.times(running.wait())
    return running.result(), times


def programs_of(scenarios: Sequence[Scenario], methods: Sequence[Method]) -> tuple[str, ...]:
    """What each scenario computes (`polejax._engine.program`).

    Raises:
      ValueError: a scenario calls functions on the host, whose results nobody can tell apart.
    """
    traced: Traced = {}
    programs = []
    for index, (scenario, method) in enumerate(zip(scenarios, methods, strict=True)):
        try:
            programs.append(program_of(scenario, method, traced))
        except Unidentified as error:
            raise ValueError(
                f"scenarios[{index}] {error}, so that stored results cannot be told from another function's: "
                "write it in JAX, or use polejax.simulate_many, which stores nothing"
            ) from None
    return tuple(programs)


def start_shard(study: Study, shard: Shard) -> Running[Arrays]:
    """Begin what `run_shard` does, and come back while the devices still compute."""
    keys = seed_keys(study.seed, study.first_seeds[shard.scenario] + shard.first, shard.size)
    scenario, method = study.scenarios[shard.scenario], study.methods[shard.scenario]

    def trimmed(arrays: Arrays) -> Arrays:
        return {name: array[: shard.count] for name, array in arrays.items()}

    if study.records == "chains":
        tallied = runner.start_tally(keys, scenario, study.num_blocks, method=method)
        return tallied.then(lambda seeds: trimmed(sums(seeds)))
    simulated = runner.start(keys, scenario, study.num_blocks, method=method)
    return simulated.then(lambda history: trimmed(variables(history)))


_folded = jax.jit(jax.vmap(jax.random.fold_in, in_axes=(None, 0)))


def seed_keys(seed: int, first: int, count: int) -> jax.Array:
    """Typed keys [count] of a study's chains `first`, `first + 1`, ..."""
    numbers = np.arange(first, first + count, dtype=np.uint32)
    keys: jax.Array = _folded(key_of(seed), numbers)
    return keys


def variables(history: History) -> Arrays:
    """The arrays of a history [S, H] that a study keeps, in dtypes as narrow as their range; hashes are left out."""
    index = np.int16 if history.num_nodes < 2**15 else np.int32
    arrays: dict[str, Array] = {
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
    for name in ("useful", "computed", "censored"):
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
    return {name: np.asarray(array) for name, array in arrays.items()}


def sums(seeds: Tally) -> Arrays:
    """Each seed's sums over its settled blocks, float64[S] or [S, N], from which every statistic can be had."""
    about_zero = seeds.about(0.0)
    return {name: getattr(about_zero, name).astype(np.float64, copy=False) for name in SUMS}
