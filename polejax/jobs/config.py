"""Config files: a study written down in TOML, with scenarios by the names that Python users call.

    seeds = 1024                                  # chains of each scenario
    blocks = 1000                                 # heights of each chain
    out = "results/sweep"
    seed = 0                                      # optional, as are records, seeds_per_shard and method
    until = { stale_per_main = 0.002 }            # optional: seeds are added until 95% intervals are so short
    max_seeds = 65536                             # with until: the most
    bank_parts = 16                               # optional: intervals in tables hold the error of replayed banks

    [[scenario]]
    name = "pow"
    nodes = { from_shares = [30, 29, 12, 11, 8, 5, 3, 1, 1] }
    network = { clique = { seconds = 10.0 } }     # `count` is the nodes'
    mechanism = { PoW = { work = 600.0 } }
    difficulty = { window = { blocks = 10, target = 600.0 } }

    [[scenario]]
    name = "replay"
    nodes = { equal = 16 }
    network = { clique = { seconds = 10.0 } }

    [scenario.mechanism.Replay]
    threshold = 0.9
    bank = { learning_curves = { num_curves = 4096, mechanism = { PoLe = { task = { digits = {} } } } } }

    [scenario.grid]                               # every combination becomes a scenario of its own (polejax.grid)
    "network.seconds" = [1.0, 10.0, 60.0]
    "mechanism.threshold" = [0.85, 0.9]

    [[scenario]]                                  # tasks that data nodes post, Proof of Work when none waits
    name = "stream"
    nodes = { equal = 16 }
    network = { internet = { year = 2019 } }
    election = { BestInWindow = 30.0 }

    [scenario.mechanism.TaskStream]
    tasks = [{ weibull = { mean = 300.0, shape = 4.0 } }, { weibull = { mean = 900.0, shape = 4.0 } }]
    rates = [0.001, 0.001]
    rewards = [1.0, 3.0]
    idle = { PoW = { work = 600.0 } }

A field is `{ constructor = arguments }`: a table of named arguments, or one argument alone. Constructors are those of
Python, with their arguments:

    nodes       from_shares, equal, zipf, lognormal; changing along the chain: growth, lose, schedule (with `nodes`)
    network     clique, instant, gossip (a `graph`), internet, regions, from_matrix, relay (a `network`),
                random_delays (a `base` network, a `law`)
    graph       random_regular, erdos_renyi, scale_free, small_world, from_edges
    law         constant_delay, exponential_delay, lognormal_delay, uniform_delay, empirical_delay
    mechanism   PoW, HashedPoW, PoLe (a `task`, `model`, `sml`), Replay (a `bank`), gamma, weibull, lognormal,
                TaskStream (a list of mechanisms `tasks`, a mechanism `idle`)
    task        digits, synthetic, mnist, cifar10, npz
    model       MultilayerPerceptron, ConvolutionalNetwork
    sml         SecureMappingLayer
    bank        learning_curves (a `mechanism`; a `seed` in place of a key; kept in `out`), load_bank (a `path`)
    election    FirstSeen, BestInWindow, BestAtDeadline
    difficulty  fixed, bitcoin, window, asert, ema, homestead, byzantium, accuracy
    adversary   withholding, leak, early_key, Cheating (a `bank` of the cheats' curves), LiveTheft

Functions are words: `activation` is relu or tanh, `make_optimiser` momentum, sgd or adam, `change` (of `LiveTheft`)
rebase. In paths, `~` is the home folder.
"""

import collections
import dataclasses
import os
import tomllib
from typing import Any

from polejax._core import checks, paths
from polejax._core.progress import Callback
from polejax._core.switches import steady
from polejax._engine.runner import METHODS, Method
from polejax.consensus.scenario import Scenario
from polejax.jobs.config_builder import Builder, only
from polejax.jobs.processes import pool, seeds_per_shard
from polejax.studies.bank_parts import LEAST_PARTS
from polejax.studies.grid import Grid, listed, named
from polejax.studies.plan import RECORDS, Plan, methods
from polejax.studies.precision import check_target
from polejax.studies.results import Results
from polejax.studies.study import study

_TOP = {
    "seeds",
    "blocks",
    "out",
    "seed",
    "records",
    "seeds_per_shard",
    "method",
    "until",
    "max_seeds",
    "bank_parts",
    "scenario",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """A study as a config file describes it: the arguments of `polejax.study`."""

    scenarios: Grid | list[Scenario | Grid]
    names: list[str]
    num_seeds: int
    num_blocks: int
    out: str
    seed: int
    records: str
    seeds_per_shard: int | None
    method: Method
    until: dict[str, float] | None
    max_seeds: int | None
    bank_parts: int | None


def run(
    path: str | os.PathLike[str],
    *,
    until: dict[str, float] | None = None,
    max_seeds: int | None = None,
    processes: int = 1,
    executor: Any = None,
    progress: Callback | None = None,
) -> Results:
    """Run the study of a config file, or go on with it; see `polejax.study`.

    Args:
      path: of the file.
      until: in place of the file's.
      max_seeds: in place of the file's.
      processes: of this machine that share the shards; the results are the same bits whatever their number. A script
        that asks for several must guard its work by `if __name__ == "__main__"`.
      executor: as for a study, in place of processes.
      progress: as for a study.

    Raises:
      ValueError: as `read`, `polejax.study` and `polejax.jobs.processes.pool`; several processes and an executor.
    """
    if executor is not None and processes != 1:
        raise ValueError(f"processes must be 1 with an executor, got {processes}: pass one of the two")
    config = read(path, until, max_seeds)
    with pool(processes) as workers:
        if workers is not None and config.seeds_per_shard is None:
            config = dataclasses.replace(config, seeds_per_shard=_in_processes(config, processes))
        return _study(config, executor or workers, progress)


def _in_processes(config: Config, processes: int) -> int:
    """Seeds of a shard where several processes share the shards."""
    parts = (config.scenarios, config.num_seeds, config.num_blocks, config.seed, config.names, config.records)
    sizes = Plan(*parts, None, config.method).batch((), config.num_seeds).sizes
    return seeds_per_shard(sizes, config.num_seeds, processes)


def _study(config: Config, executor: Any, progress: Callback | None) -> Results:
    return study(
        config.scenarios,
        config.num_seeds,
        config.num_blocks,
        config.out,
        seed=config.seed,
        names=config.names,
        records=config.records,
        seeds_per_shard=config.seeds_per_shard,
        method=config.method,
        until=config.until,
        max_seeds=config.max_seeds,
        bank_parts=config.bank_parts,
        executor=executor,
        progress=progress,
    )


@steady
def read(path: str | os.PathLike[str], until: dict[str, float] | None = None, max_seeds: int | None = None) -> Config:
    """Read a config file and build its scenarios; a bank that it asks for is trained now.

    Everything is built with stand-ins for banks first, so that no mistake is found only after hours of training.

    Raises:
      ValueError: the file cannot be read, is no TOML, or asks for what there is not; it says where, and what there is.
    """
    raw = _parsed(paths.checked("config", path))
    only("config", raw, _TOP)
    for name in ("seeds", "blocks", "out", "scenario"):
        if name not in raw:
            raise ValueError(f"config {path} must have {name!r}: see `python -m pydoc polejax.jobs.config`")
    if not isinstance(raw["scenario"], list):
        raise ValueError("config: scenario must be a list of tables: write [[scenario]]")
    out = paths.checked("out", raw["out"])
    per_shard, seeds = raw.get("seeds_per_shard"), checks.whole("seeds", raw["seeds"], low=1, high=2**31 - 1)
    asked, most = until or raw.get("until"), max_seeds or raw.get("max_seeds")
    if asked is not None and not isinstance(asked, dict):
        raise ValueError(f"until must be a table of half-widths, got {asked!r}: write {{ interval_cv = 0.01 }}")
    check_target(asked, most, seeds)
    config = Config(
        [],
        [],
        seeds,
        checks.whole("blocks", raw["blocks"], low=1, high=2**31 - 1),
        out,
        checks.whole("seed", raw.get("seed", 0), high=2**31 - 1),
        checks.one_of("records", raw.get("records", "blocks"), RECORDS),
        None if per_shard is None else checks.whole("seeds_per_shard", per_shard, low=1),
        checks.one_of("method", raw.get("method", "rounds"), METHODS),
        asked,
        most,
        raw.get("bank_parts"),
    )
    tried, _ = _build(Builder(out, train=False), raw["scenario"])
    methods(listed(tried).scenarios, config.method)
    if config.bank_parts is not None:  # of stand-ins, which may be smaller than the banks
        checks.whole("bank_parts", config.bank_parts, low=LEAST_PARTS)
    found, names = _build(Builder(out), raw["scenario"])
    return dataclasses.replace(config, scenarios=found, names=names)


def _parsed(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8-sig")  # without the byte-order mark of some editors
        return tomllib.loads(text)
    except OSError as error:
        raise ValueError(f"config must be a file that can be read, got {path} ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config {path} is not TOML ({error})") from None


def _build(builder: Builder, entries: list[Any]) -> tuple[Grid | list[Scenario | Grid], list[str]]:
    """Scenarios and grids of all entries, a single grid as itself, and the scenarios' names, which must differ."""
    built = [builder.scenarios(index, entry) for index, entry in enumerate(entries)]
    names: list[str] = []
    for label, one in built:
        names += [f"{label}, {named(chosen)}" for chosen in one.chosen] if isinstance(one, Grid) else [label]
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"scenario {twice[0]!r} is there twice: give names that differ")
    if not names:
        raise ValueError("config must have a scenario: write [[scenario]]")
    found = [one for _, one in built]
    only_one = found[0]
    return (only_one if len(found) == 1 and isinstance(only_one, Grid) else found), names
