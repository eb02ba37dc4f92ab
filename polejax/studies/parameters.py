"""Parameters: the descriptions of scenarios as columns and coordinates, one value a scenario."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from polejax.studies.shards import BLOCKS, SUMS

Manifest = Mapping[str, Any]

_TAKEN = {"scenario", "seed", "height", "node", "metric", "unit", "value", "low", "high", "doubt", *BLOCKS, *SUMS}
"""Names of a study's dimensions, variables and columns, which no parameter may have."""


def flat(description: Any, path: str = "") -> dict[str, Any]:
    """A scenario's numbers, words and lists of numbers by path; what is large (data, banks) is left out."""
    if isinstance(description, dict):
        if "sha256" in description:
            return {}
        parts = (
            flat(part, f"{path}.{name}" if path else name)
            for name, part in description.items()
            if path or name != "type"
        )
        return {name: value for part in parts for name, value in part.items()}
    return {path: description} if path and not (isinstance(description, str) and len(description) > 100) else {}


def by_scenario(manifest: Manifest) -> list[dict[str, Any]]:
    """Each scenario's parameters by path: those of a grid as they were given, the others as it describes itself."""
    described = [flat(scenario) for scenario in manifest["scenarios"]]
    return [{**one, **given} for one, given in zip(described, manifest["parameters"], strict=True)]


def varying(manifest: Manifest) -> dict[str, np.ndarray]:
    """The parameters that tell scenarios apart, by short name: values [scenarios].

    Those of grids, if there are any; else all numbers and words that differ among the scenarios that have them.
    """
    found = by_scenario(manifest)
    swept = list(dict.fromkeys(path for given in manifest["parameters"] for path in given))
    paths = swept or list(dict.fromkeys(path for one in found for path in one))
    kept = {}
    for path in paths:
        values = [one.get(path) for one in found]
        known = [value for value in values if value is not None]
        if any(isinstance(value, list) for value in known) or all(value == known[0] for value in known):
            continue
        kept[path] = column(values)
    short = short_names(list(kept))
    return {short[path]: values for path, values in kept.items()}


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """A name for each path: its last word, if no other path ends in it and a study has no such name itself."""
    last = [path.rpartition(".")[2] for path in paths]
    names = {}
    for path, word in zip(paths, last, strict=True):
        name = word if last.count(word) == 1 and word not in _TAKEN else path
        names[path] = f"scenario.{name}" if name in _TAKEN else name
    return names


def column(values: Sequence[Any]) -> np.ndarray:
    """One parameter's values [scenarios]: numbers where all are (None: NaN), else words."""
    numbers = [float(v) if v in ("inf", "-inf") else np.nan if v is None else _shortest(v) for v in values]
    if all(isinstance(value, bool | int | float) for value in numbers):
        return np.asarray(numbers)
    return np.asarray(["" if value is None else str(value) for value in values])


def _shortest(value: Any) -> Any:
    """A number that float32 holds exactly, as it is written: 0.8, of which float32 holds 0.800000011920929."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    with np.errstate(over="ignore"):
        narrow = np.float32(value)
    return float(str(narrow)) if float(narrow) == value else value
