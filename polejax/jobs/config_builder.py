"""Builds the scenarios that a config file describes; see `polejax.jobs.config` for what may be written."""

import dataclasses
import hashlib
import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax

from polejax._core import checks
from polejax._core.describe import as_text, describe
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.jobs.config_names import CONSTRUCTORS, LISTS
from polejax.mechanisms.bank import Bank, learning_of
from polejax.mechanisms.pole import PoLe
from polejax.studies.banks import learning_curves


class Builder:
    """Builds what a file describes; each bank and task once."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._built: dict[str, Any] = {}

    def scenarios(self, index: int, entry: dict[str, Any]) -> Iterator[tuple[str, Scenario]]:
        """Names and scenarios of an entry: one, or every combination of its grid."""
        label = str(entry.get("name", index))
        fields = {field.name for field in dataclasses.fields(Scenario)}
        only(f"scenario {label!r}", entry, fields | {"name", "grid"})
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
                yield name, self.scenario(tables)
            except ValueError as error:
                raise ValueError(f"scenario {name!r}: {error}") from None

    def scenario(self, tables: dict[str, Any]) -> Scenario:
        """The scenario that tables describe, by field."""
        for field in ("nodes", "network", "mechanism"):
            if field not in tables:
                names = ", ".join(maker.__name__ for maker in CONSTRUCTORS[field])
                raise ValueError(f"{field} is missing: give one of {names}")
        built_nodes = self._field("nodes", tables["nodes"], None)
        others = {field: self._field(field, table, built_nodes) for field, table in tables.items() if field != "nodes"}
        return Scenario(built_nodes, **others)

    def _field(self, field: str, table: Any, built_nodes: AnyNodes | None) -> Any:
        """What `{ constructor = arguments }` makes; of an argument that takes plain values, the value itself."""
        if field in LISTS:
            if not isinstance(table, list):
                raise ValueError(
                    f"{field} must be a list of {{ constructor = arguments }}, got {table!r}: add brackets"
                )
            return [self._field(LISTS[field], entry, None) for entry in table]
        if field not in CONSTRUCTORS or (built_nodes is not None and not isinstance(table, dict)):
            return table
        known = {maker.__name__: maker for maker in CONSTRUCTORS[field]}
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

    def _call(self, name: str, constructor: Callable[..., Any], arguments: Any, built_nodes: AnyNodes | None) -> Any:
        if constructor is learning_curves:
            constructor = self._train
        accepted = inspect.signature(constructor).parameters
        if not isinstance(arguments, dict):
            arguments = {next(iter(accepted)): arguments}
        given = {field: self._field(field, value, built_nodes) for field, value in arguments.items()}
        available = {"count": built_nodes.count, "nodes": built_nodes} if built_nodes is not None else {}
        given = {**{field: value for field, value in available.items() if field in accepted}, **given}
        only(name, given, set(accepted))
        try:
            return constructor(**given)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None

    def _train(self, mechanism: PoLe, num_curves: int, num_steps: int | None = None, seed: int = 0) -> Bank:
        key = jax.random.key(checks.whole("seed", seed))
        what = as_text([learning_of(mechanism.recipe), seed])  # a bank grows in number and in length
        out = os.path.join(self._out, f"bank-{hashlib.sha256(what.encode()).hexdigest()[:8]}")
        return learning_curves(key, mechanism, num_curves, num_steps=num_steps, out=out)


def only(where: str, table: dict[str, Any], known: set[str]) -> None:
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
