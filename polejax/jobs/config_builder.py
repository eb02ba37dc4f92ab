"""Builds the scenarios that a config file describes; see `polejax.jobs.config` for what may be written."""

import dataclasses
import hashlib
import inspect
import math
import os
import types
from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from polejax._core import checks
from polejax._core.describe import as_text, describe
from polejax._core.keys import key_of
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.jobs.config_names import ALSO_WORDS, CONSTRUCTORS, FUNCTIONS, LISTS
from polejax.mechanisms.bank import Bank, learning_of
from polejax.mechanisms.learning_curves import checked_evaluations, recipe_of
from polejax.mechanisms.pole import PoLe
from polejax.studies.banks import learning_curves
from polejax.studies.grid import Grid, grid

_FLAX = {"parent", "name"}  # arguments of all Flax modules, and no one's here
_STAND_INS = 1_024  # curves of a stand-in for a bank, at most

_REFUSALS = (TypeError, AttributeError, LookupError, ArithmeticError, MemoryError, RuntimeError)
"""What a constructor may raise, besides ValueError, on a value that no Python user would pass."""


class Builder:
    """Builds what a file describes; each bank and task once.

    Args:
      out: folder of the study, in which banks are kept.
      train: whether to train banks; if not, they are stand-ins, with which everything else can be checked.
    """

    def __init__(self, out: str, train: bool = True) -> None:
        self._out = out
        self._trains = train
        self._built: dict[str, Any] = {}

    def scenarios(self, index: int, entry: dict[str, Any]) -> tuple[str, Scenario | Grid]:
        """Name of an entry, and its scenario, or every combination of its grid."""
        if not isinstance(entry, dict):
            raise ValueError(f"scenario {index} must be a table, got {entry!r}: write [[scenario]]")
        label = entry.get("name", str(index))
        if not isinstance(label, str):
            raise ValueError(f"scenario {index}: name must be a word in quotes, got {label!r}")
        fields = {field.name for field in dataclasses.fields(Scenario)}
        only(f"scenario {label!r}", entry, fields | {"name", "grid"})
        varied = entry.get("grid", {})
        if not isinstance(varied, dict):
            raise ValueError(f"scenario {label!r}: grid must be a table of lists, got {varied!r}")
        for path, values in varied.items():
            if not isinstance(values, list) or not values:
                raise ValueError(f"scenario {label!r}: grid {path!r} must be a list of values, got {values!r}")
            only(f"scenario {label!r}: grid", {path.split(".")[0]: values}, fields)
        tables = {field: table for field, table in entry.items() if field in fields}

        def build(**chosen: Any) -> Scenario:
            placed = tables
            for path, value in chosen.items():
                placed = _with(placed, path.split("."), value, f"grid {path!r}")
            return self.scenario(placed)

        try:
            if not varied:
                return label, build()
            return label, grid(build, {path: _labelled(values) for path, values in varied.items()})
        except ValueError as error:
            raise ValueError(f"scenario {label!r}: {' '.join(str(error).split())}") from None

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
        if field in FUNCTIONS:
            return FUNCTIONS[field][checks.one_of(field, table, tuple(FUNCTIONS[field]))]
        if field not in CONSTRUCTORS or (field in ALSO_WORDS and isinstance(table, str)):
            _check_plain(field, table)
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
            if not accepted:
                raise ValueError(f"{name} takes no argument, got {arguments!r}: write {name.rpartition('.')[2]} = {{}}")
            arguments = {next(iter(accepted)): arguments}
        given = {field: self._field(field, value, built_nodes) for field, value in arguments.items()}
        available = {"count": built_nodes.count, "nodes": built_nodes} if built_nodes is not None else {}
        if built_nodes is not None and "count" in given and given["count"] != built_nodes.count:
            raise ValueError(
                f"{name}: count must be that of the nodes, {built_nodes.count}, got {given['count']!r}: leave it out"
            )
        given = {**{field: value for field, value in available.items() if field in accepted}, **given}
        only(name, given, set(accepted) - _FLAX)
        for field, value in given.items():
            _check_kind(field, value, accepted[field].annotation)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # numbers beyond float32 are refused as infinite
                return constructor(**given)
        except _REFUSALS as error:
            raise ValueError(f"{name}: {error}") from error

    def _train(self, mechanism: PoLe, num_curves: int, num_steps: int | None = None, seed: int = 0) -> Bank:
        seed = checks.whole("seed", seed, high=2**32 - 1)
        recipe = recipe_of(mechanism)
        evaluations = checked_evaluations(recipe, num_steps)
        if not self._trains:
            curves = np.ones((min(_STAND_INS, checks.whole("num_curves", num_curves, low=1)), evaluations), np.float32)
            held_out = None if recipe.holdout is None else curves
            known = (np.zeros(len(curves), bool), recipe.evaluate_every, as_text(learning_of(recipe)))
            return Bank(curves, curves, *known, held_out, recipe.max_steps)
        key = key_of(seed)
        what = as_text([learning_of(recipe), seed])  # a bank grows in number and in length
        out = os.path.join(self._out, f"bank-{hashlib.sha256(what.encode()).hexdigest()[:8]}")
        return learning_curves(key, mechanism, num_curves, num_steps=num_steps, out=out)


def _labelled(values: list[Any]) -> list[Any] | dict[str, Any]:
    """Values of a grid, which are labelled by what is written in the file where some are lists or tables."""
    if all(isinstance(value, bool | int | float | str) for value in values):
        return values
    return {as_text(describe(value)): value for value in values}


def _check_plain(name: str, value: Any, inside: bool = False) -> None:
    """Raise a ValueError unless a value is a number, a word, true or false, or a list of those."""
    if isinstance(value, list):
        if inside and not value:
            raise ValueError(f"{name} must have numbers or words in every list, got an empty one")
        for part in value:
            _check_plain(name, part, inside=True)
    elif isinstance(value, dict):
        raise ValueError(f"{name} must be no table, got {value!r}: write the value alone")
    elif not isinstance(value, bool | int | float | str):
        raise ValueError(f"{name} must be no date or time, got {value}: write seconds")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} must be a number of 64 bits, as TOML has them, got one of {len(str(value))} digits")
    elif isinstance(value, float) and math.isnan(value):
        raise ValueError(f"{name} must be a number, got nan")


def _check_kind(name: str, value: Any, annotation: Any) -> None:
    """Raise a ValueError unless a value is what an argument's annotation says, where that is a plain type."""
    options = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    kinds = [kind for kind in options if kind is not type(None)]
    if kinds == [bool]:
        checks.flag(name, value)
    elif kinds == [int]:
        checks.whole(name, value, low=-(2**63))
    elif kinds == [float] and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"{name} must be a number, got {value!r}")
    elif kinds == [str] and not isinstance(value, str):
        raise ValueError(f"{name} must be a word in quotes, got {value!r}")


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
