"""Grids: a scenario for every combination of some parameters' values, which are remembered as they were given."""

import dataclasses
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from polejax._core import checks
from polejax._core.record import Record, replace
from polejax.consensus import difficulty
from polejax.consensus.difficulty import Asert, MovingAverage
from polejax.consensus.scenario import Scenario
from polejax.network.clique import Clique, clique

MOST = 65_536
"""Scenarios of a grid."""

Label = bool | int | float | str
"""What a coordinate may be."""

_CHECKED: dict[type, Callable[[Any], Any]] = {
    Clique: lambda it: clique(it.num_nodes, it.seconds),
    Asert: lambda it: difficulty.asert(it.target, it.half_life),
    MovingAverage: lambda it: difficulty.ema(it.target, it.blocks),
}
"""Classes that check nothing when they are built, and the constructors that do."""


class Grid(Sequence[Scenario]):
    """Scenarios for every combination of parameters' values, the last parameter's changing fastest; made by `grid`.

    Attributes:
      parameters: the values of each parameter by its name: numbers and words as they were given, not as float32.
    """

    def __init__(self, scenarios: Sequence[Scenario], parameters: Mapping[str, Sequence[Label]]) -> None:
        self._scenarios = tuple(scenarios)
        self.parameters = {name: tuple(values) for name, values in parameters.items()}

    def __len__(self) -> int:
        return len(self._scenarios)

    def __getitem__(self, index: Any) -> Any:
        return self._scenarios[index]

    def __repr__(self) -> str:
        sizes = " x ".join(f"{len(values)} {name}" for name, values in self.parameters.items())
        return f"Grid({len(self):,} scenarios: {sizes})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each parameter."""
        return tuple(map(len, self.parameters.values()))

    @property
    def chosen(self) -> Iterator[dict[str, Label]]:
        """Each scenario's values by parameter."""
        for values in itertools.product(*self.parameters.values()):
            yield dict(zip(self.parameters, values, strict=True))


def grid(
    scenario: Scenario | Callable[..., Scenario], parameters: Mapping[str, Sequence[Any] | Mapping[str, Any]]
) -> Grid:
    """Vary parameters of a scenario: every combination of their values, for `polejax.study` as it is.

    Args:
      scenario: with the values of all that does not vary; or a function that makes a scenario from the parameters,
        which are then its named arguments: `lambda nodes, seconds: ...`.
      parameters: by name their values, all different. Names are paths to fields, as `polejax.Scenario` and its parts
        have them: "mechanism.threshold", "network.seconds", "mechanism.bank". Values are numbers or words; other
        values have labels: {"mechanism": {"PoW": polejax.PoW(600.0), "PoLe": replay}}.

    Returns:
      `Grid`, a sequence of scenarios. In `Results.to_xarray` each parameter is a dimension, whose coordinates are the
      values as they are given here, and in `Results.table` a column. Its name is the path's last word, "threshold",
      or the whole path where two end alike or a study's own dimensions and variables have that name.

    Raises:
      ValueError: no such field, a value that the field's part refuses, values given twice, a part that checks its
        numbers in its constructor only (pass a function), or more than 65,536 scenarios.
    """
    if not isinstance(parameters, Mapping) or not parameters:
        raise ValueError(f"parameters must map names to values, got {checks.shown(parameters)}: name at least one")
    options = {checks.text("parameters", name): _options(name, values) for name, values in parameters.items()}
    count = math.prod(map(len, options.values()))
    if count > MOST:
        raise ValueError(f"parameters must make at most {MOST:,} scenarios, got {count:,}: vary fewer")
    if not isinstance(scenario, Scenario):
        checks.function("scenario", scenario)
    found = []
    for labels in itertools.product(*options.values()):
        values = {name: options[name][label] for name, label in zip(options, labels, strict=True)}
        try:
            found.append(put(scenario, values) if isinstance(scenario, Scenario) else _made(scenario, values))
        except ValueError as error:
            at = ", ".join(f"{name}={label}" for name, label in zip(options, labels, strict=True))
            raise ValueError(f"parameters {at}: {error}") from None
    return Grid(found, {name: tuple(values) for name, values in options.items()})


def _made(build: Callable[..., Scenario], values: Mapping[str, Any]) -> Scenario:
    try:
        inspect.signature(build).bind(**values)
    except TypeError as error:
        raise ValueError(f"scenario must be a function of the parameters by their names ({error})") from None
    return checks.instance("scenario", build(**values), Scenario, "lambda work: polejax.Scenario(...)")


def _options(name: str, values: Any) -> dict[Label, Any]:
    """Values by label; the label of a number or word is itself."""
    if isinstance(values, Mapping):
        found: dict[Label, Any] = {
            checks.text(f"parameters[{name!r}]", label): value for label, value in values.items()
        }
    else:
        if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
            raise ValueError(f"parameters[{name!r}] must be a list of values, got {checks.shown(values)}: add brackets")
        found = {}
        for value in values:
            label = value.item() if isinstance(value, np.generic) else value
            if not isinstance(label, Label) or label != label:
                raise ValueError(
                    f"parameters[{name!r}] must be numbers or words, got {checks.shown(value)}: give others a label, "
                    "{'label': value}"
                )
            if label in found:
                raise ValueError(f"parameters[{name!r}] must be all different, got {checks.shown(label)} twice")
            found[label] = value
    if not found:
        raise ValueError(f"parameters[{name!r}] must not be empty: give at least one value")
    return found


def put(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """The scenario with the values at the paths in place; every part that changes, and the whole, is checked again."""
    fields = {field.name: vars(scenario)[field.name] for field in dataclasses.fields(scenario)}
    nodes_first = sorted(values.items(), key=lambda item: item[0].count("."))  # whole parts before what is in them
    for path, value in nodes_first:
        field, *rest = path.split(".")
        if field not in fields:
            raise ValueError(f"{path} must begin with a field of Scenario: {', '.join(fields)}")
        fields[field] = _put(fields[field], rest, value, path) if rest else value
    return Scenario(**fields)


def _put(part: Any, path: list[str], value: Any, whole: str) -> Any:
    """A record with the value at a path in place."""
    if not dataclasses.is_dataclass(part) or isinstance(part, type):
        raise ValueError(f"{whole} must lead to a field, but {checks.shown(part)} has none")
    field, *rest = path
    names = [one.name for one in dataclasses.fields(part)]
    for inner in part.inlined if isinstance(part, Record) else ():
        if field not in names and field in vars(vars(part)[inner]):
            return replace(part, **{inner: _put(vars(part)[inner], path, value, whole)})
    if field not in names:
        known = [
            name for inner in (part.inlined if isinstance(part, Record) else ()) for name in vars(vars(part)[inner])
        ]
        listed = ", ".join([*names, *known])
        raise ValueError(f"{whole} must name a field: {type(part).__name__} has {listed}; or pass a function")
    old = vars(part)[field]
    new = _put(old, rest, value, whole) if rest else _like(old, value, whole)
    return _rebuilt(part, field, new, whole)


def _like(old: Any, value: Any, path: str) -> Any:
    """A value for a field that holds `old`: a number keeps the type of its array, whatever NumPy gives the new one."""
    if isinstance(old, bool | str) or old is None or dataclasses.is_dataclass(old):
        return value
    if isinstance(old, int):
        return checks.whole(path, value, low=-(2**63))
    if isinstance(old, float) or np.ndim(old) == 0:
        kind = np.asarray(old).dtype
        if kind.kind in "iu":
            return np.asarray(checks.whole(path, value, low=-(2**63)), kind)
        return checks.real(path, value, ndim=0, infinite=True)
    return value


def _rebuilt(part: Any, field: str, value: Any, path: str) -> Any:
    kind: Any = type(part)
    if kind in _CHECKED:
        return _CHECKED[kind](replace(part, **{field: value}))
    given = inspect.signature(kind).parameters
    fields = [one.name for one in dataclasses.fields(part)]
    if set(fields) <= set(given):
        if "__post_init__" not in dir(kind) and kind.__module__.startswith("polejax."):
            raise ValueError(
                f"{path}: {kind.__name__} is checked by its constructor only: pass a function that calls it"
            )
        return dataclasses.replace(part, **{field: value})
    if isinstance(vars(part)[field], Record) and isinstance(value, type(vars(part)[field])):
        return replace(part, **{field: value})  # a bank or a recipe, which checks itself
    raise ValueError(f"{path}: {kind.__name__} is checked by its constructor only: pass a function that calls it")


class Listed(NamedTuple):
    """What a study is given, one after the other.

    Attributes:
      scenarios: all of them.
      names: a default for each.
      parameters: each one's values as they were given, by path; {} of a scenario that is in no grid.
      grid: the values of each parameter, if all scenarios are one grid; else None.
    """

    scenarios: tuple[Scenario, ...]
    names: tuple[str, ...]
    parameters: tuple[dict[str, Label], ...]
    grid: dict[str, tuple[Label, ...]] | None


def listed(scenarios: Scenario | Sequence[Scenario | Grid]) -> Listed:
    """Take apart the scenarios and grids that a study is given."""
    if isinstance(scenarios, Grid):
        chosen = tuple(scenarios.chosen)
        return Listed(tuple(scenarios), tuple(map(named, chosen)), chosen, scenarios.parameters)
    parts: Sequence[Any] = (scenarios,) if isinstance(scenarios, Scenario) else tuple(scenarios)
    found: list[tuple[Scenario, str, dict[str, Label]]] = []
    for index, part in enumerate(parts):
        if isinstance(part, Grid):
            found += [(one, f"{index}, {named(chosen)}", chosen) for one, chosen in zip(part, part.chosen, strict=True)]
        else:
            found.append((part, str(index), {}))
    made, names, parameters = (
        tuple(one for one, _, _ in found),
        tuple(name for _, name, _ in found),
        tuple(chosen for _, _, chosen in found),
    )
    return Listed(made, names, parameters, None)


def named(chosen: Mapping[str, Label]) -> str:
    """The name of a scenario of a grid: "mechanism.threshold=0.8, network.seconds=10.0"."""
    return ", ".join(f"{path}={value}" for path, value in chosen.items())
