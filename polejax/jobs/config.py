"""Config files: a study written down in TOML, with scenarios by the names that Python users call.

    seeds = 1024                                  # chains of each scenario
    blocks = 1000                                 # heights of each chain
    out = "results/sweep"
    seed = 0                                      # optional, as are records, seeds_per_shard and method

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

    [scenario.grid]                               # every combination becomes a scenario of its own
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
    mechanism   PoW, HashedPoW, PoLe (a `task`, `learner`, `sml`), Replay (a `bank`), gamma, weibull, lognormal,
                TaskStream (a list of mechanisms `tasks`, a mechanism `idle`)
    task        digits, synthetic, mnist, cifar10, npz
    learner     MultilayerPerceptron, ConvolutionalNetwork
    sml         SecureMappingLayer
    bank        learning_curves (a `mechanism`; a `seed` in place of a key; kept in `out`), load_bank (a `path`)
    election    FirstSeen, BestInWindow, BestAtDeadline
    difficulty  fixed, bitcoin, window, asert, ema, homestead, byzantium, accuracy
    adversary   withholding, leak, Cheating (a `bank` of the cheats' curves)
"""

import dataclasses
import hashlib
import inspect
import itertools
import os
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import jax

from polejax import network
from polejax._core import checks
from polejax._core.describe import as_text, describe
from polejax._core.progress import Callback
from polejax._engine.runner import METHODS, Method
from polejax.attacks import adversary
from polejax.attacks.cheating import Cheating
from polejax.consensus import difficulty, nodes
from polejax.consensus.elections import BestAtDeadline, BestInWindow, FirstSeen
from polejax.consensus.scenario import Scenario
from polejax.learning import datasets, models, tasks
from polejax.learning.sml import SecureMappingLayer
from polejax.mechanisms import parametric
from polejax.mechanisms.bank import learning_of
from polejax.mechanisms.hashed_pow import HashedPoW
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.pow import PoW
from polejax.mechanisms.replay import Replay
from polejax.mechanisms.task_stream import TaskStream
from polejax.studies.banks import learning_curves, load_bank
from polejax.studies.results import Results
from polejax.studies.study import study

_NETWORKS = (
    network.clique,
    network.instant,
    network.gossip,
    network.internet,
    network.regions,
    network.from_matrix,
    network.relay,
    network.random_delays,
)
_MECHANISMS = (PoW, HashedPoW, PoLe, Replay, parametric.gamma, parametric.weibull, parametric.lognormal, TaskStream)
_CONSTRUCTORS: dict[str, tuple[Callable[..., Any], ...]] = {
    "nodes": (
        nodes.from_shares,
        nodes.equal,
        nodes.zipf,
        nodes.lognormal,
        nodes.growth,
        nodes.lose,
        nodes.schedule,
    ),
    "network": _NETWORKS,
    "base": _NETWORKS,
    "law": (
        network.constant_delay,
        network.exponential_delay,
        network.lognormal_delay,
        network.uniform_delay,
        network.empirical_delay,
    ),
    "graph": (
        network.random_regular,
        network.erdos_renyi,
        network.scale_free,
        network.small_world,
        network.from_edges,
    ),
    "mechanism": _MECHANISMS,
    "idle": _MECHANISMS,
    "election": (FirstSeen, BestInWindow, BestAtDeadline),
    "difficulty": (
        difficulty.fixed,
        difficulty.bitcoin,
        difficulty.window,
        difficulty.asert,
        difficulty.ema,
        difficulty.homestead,
        difficulty.byzantium,
        difficulty.accuracy,
    ),
    "adversary": (adversary.withholding, adversary.leak, Cheating),
    "task": (tasks.digits, tasks.synthetic, datasets.mnist, datasets.cifar10, datasets.npz),
    "learner": (models.MultilayerPerceptron, models.ConvolutionalNetwork),
    "sml": (SecureMappingLayer,),
    "bank": (learning_curves, load_bank),
}
"""What may be named in a file, by the field or argument that it makes."""

_LISTS = {"tasks": "mechanism"}
"""Arguments that are lists, by the field that their entries are like."""

_TOP = {"seeds", "blocks", "out", "seed", "records", "seeds_per_shard", "method", "scenario"}


@dataclasses.dataclass(frozen=True)
class Config:
    """A study as a config file describes it: the arguments of `polejax.study`."""

    scenarios: list[Scenario]
    names: list[str]
    num_seeds: int
    num_blocks: int
    out: str
    seed: int
    records: str
    seeds_per_shard: int | None
    method: Method


def run(path: str | os.PathLike[str], *, executor: Any = None, progress: Callback | None = None) -> Results:
    """Run the study of a config file, or go on with it; see `polejax.study`."""
    config = read(path)
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
        executor=executor,
        progress=progress,
    )


def read(path: str | os.PathLike[str]) -> Config:
    """Read a config file and build its scenarios; a bank that it asks for is trained now.

    Raises:
      ValueError: the file cannot be read, is no TOML, or asks for what there is not; it says where, and what there is.
    """
    try:
        with open(path, "rb") as file:
            raw = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"config must be a file that can be read, got {path} ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"config {path} is not TOML ({error})") from None
    _only("config", raw, _TOP)
    for name in ("seeds", "blocks", "out", "scenario"):
        if name not in raw:
            raise ValueError(f"config {path} must have {name!r}: see `polejax.config`")
    if not isinstance(raw["scenario"], list):
        raise ValueError("config: scenario must be a list of tables: write [[scenario]]")
    if not isinstance(raw["out"], str):
        raise ValueError(f"config: out must be a folder in quotes, got {raw['out']!r}")
    build = _Builder(raw["out"])
    found = [pair for index, entry in enumerate(raw["scenario"]) for pair in build.scenarios(index, entry)]
    return Config(
        [scenario for _, scenario in found],
        [name for name, _ in found],
        checks.whole("seeds", raw["seeds"], low=1),
        checks.whole("blocks", raw["blocks"], low=1),
        raw["out"],
        checks.whole("seed", raw.get("seed", 0)),
        str(raw.get("records", "blocks")),
        raw.get("seeds_per_shard"),
        checks.one_of("method", raw.get("method", "rounds"), METHODS),
    )


class _Builder:
    """Builds what a file describes; each bank and task once."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._built: dict[str, Any] = {}

    def scenarios(self, index: int, entry: dict[str, Any]) -> Iterator[tuple[str, Scenario]]:
        """Names and scenarios of an entry: one, or every combination of its grid."""
        label = str(entry.get("name", index))
        fields = {field.name for field in dataclasses.fields(Scenario)}
        _only(f"scenario {label!r}", entry, fields | {"name", "grid"})
        grid = entry.get("grid", {})
        for path, values in grid.items():
            if not isinstance(values, list) or not values:
                raise ValueError(f"scenario {label!r}: grid {path!r} must be a list of values, got {values!r}")
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            name = ", ".join([label, *(f"{path}={value}" for path, value in chosen.items())])
            tables = {field: table for field, table in entry.items() if field in fields}
            for path, value in chosen.items():
                tables = _with(tables, path.split("."), value, f"scenario {label!r}: grid {path!r}")
            try:
                yield name, self._scenario(tables)
            except ValueError as error:
                raise ValueError(f"scenario {name!r}: {error}") from None

    def _scenario(self, tables: dict[str, Any]) -> Scenario:
        for field in ("nodes", "network", "mechanism"):
            if field not in tables:
                names = ", ".join(maker.__name__ for maker in _CONSTRUCTORS[field])
                raise ValueError(f"{field} is missing: give one of {names}")
        built_nodes = self._field("nodes", tables["nodes"], None)
        others = {field: self._field(field, table, built_nodes) for field, table in tables.items() if field != "nodes"}
        return Scenario(built_nodes, **others)

    def _field(self, field: str, table: Any, built_nodes: Any) -> Any:
        """What `{ constructor = arguments }` makes; of an argument that takes plain values, the value itself."""
        if field in _LISTS:
            if not isinstance(table, list):
                raise ValueError(
                    f"{field} must be a list of {{ constructor = arguments }}, got {table!r}: add brackets"
                )
            return [self._field(_LISTS[field], entry, None) for entry in table]
        if field not in _CONSTRUCTORS or (built_nodes is not None and not isinstance(table, dict)):
            return table
        known = {maker.__name__: maker for maker in _CONSTRUCTORS[field]}
        if not isinstance(table, dict) or len(table) != 1:
            raise ValueError(f"{field} must be {{ constructor = arguments }}, got {table!r}: try {', '.join(known)}")
        ((name, arguments),) = table.items()
        if name not in known:
            raise ValueError(f"{field} has no constructor {name!r}: try {', '.join(known)}")
        text = as_text(describe([field, name, arguments]))  # TOML knows inf and nan, JSON does not
        if field in ("task", "bank") and text in self._built:
            return self._built[text]
        made = self._call(f"{field}.{name}", known[name], arguments, built_nodes)
        if field in ("task", "bank"):
            self._built[text] = made
        return made

    def _call(self, name: str, constructor: Callable[..., Any], arguments: Any, built_nodes: Any) -> Any:
        if constructor is learning_curves:
            constructor = self._train
        accepted = inspect.signature(constructor).parameters
        if not isinstance(arguments, dict):
            arguments = {next(iter(accepted)): arguments}
        given = {field: self._field(field, value, built_nodes) for field, value in arguments.items()}
        available = {"count": built_nodes.count, "nodes": built_nodes} if built_nodes is not None else {}
        given = {**{field: value for field, value in available.items() if field in accepted}, **given}
        _only(name, given, set(accepted))
        try:
            return constructor(**given)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None

    def _train(self, mechanism: PoLe, num_curves: int, num_evaluations: int | None = None, seed: int = 0) -> Any:
        key = jax.random.key(checks.whole("seed", seed))
        what = as_text([learning_of(mechanism), seed, num_evaluations])
        out = os.path.join(self._out, f"bank-{hashlib.sha256(what.encode()).hexdigest()[:8]}")
        return learning_curves(key, mechanism, num_curves, num_evaluations=num_evaluations, out=out)


def _only(where: str, table: dict[str, Any], known: set[str]) -> None:
    """Raise a ValueError unless all of a table's names are known."""
    for name in table:
        if name not in known:
            raise ValueError(f"{where} has no {name!r}: it takes {', '.join(sorted(known))}")


def _with(table: dict[str, Any], path: list[str], value: Any, where: str) -> dict[str, Any]:
    """A copy of nested `{ field = { constructor = { argument = ... } } }` with the argument at a path replaced."""
    field, *rest = path
    if not rest:
        return {**table, field: value}
    inner = table.get(field)
    if not isinstance(inner, dict) or len(inner) != 1:
        raise ValueError(f"{where} must lead to an argument: no {field!r} with one constructor")
    ((name, arguments),) = inner.items()
    if not isinstance(arguments, dict):
        raise ValueError(f"{where} must lead to a named argument: write {field} = {{ {name} = {{ ... }} }}")
    return {**table, field: {name: _with(arguments, rest, value, where)}}
