"""Coordinates: what stands on the axes of a study's data set, and beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from polejax.studies.parameters import Manifest, by_scenario, column, short_names

Coordinate = tuple[tuple[str, ...], np.ndarray]


class ScenarioAxes:
    """The axes along which scenarios lie: one, or one for each parameter of a grid.

    Attributes:
      names: of the dimensions.
      shape: number of scenarios along each.
    """

    def __init__(self, manifest: Manifest) -> None:
        grid = manifest["grid"]
        self._paths = short_names(list(grid)) if grid else {"scenario": "scenario"}
        self._values = {self._paths[path]: column(values) for path, values in grid.items()} if grid else {}
        self._labels = np.asarray(manifest["names"])
        self.names = tuple(self._paths.values())
        self.shape = tuple(map(len, self._values.values())) if grid else (len(self._labels),)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """An array [scenarios, ...] with the scenarios along these axes."""
        return values.reshape(*self.shape, *values.shape[1:])

    def along(self, values: np.ndarray) -> Coordinate:
        """The coordinate of a number or word [scenarios]; in a grid, of one that does not vary, no axis."""
        if self._values and (values == values[0]).all():
            return ((), values[0])
        return (self.names, self.spread(values))

    def own(self) -> dict[str, Coordinate]:
        """The names of scenarios, and in a grid the values of each parameter, by its name and by its path."""
        found = {"scenario": (self.names, self.spread(self._labels))}
        for path, name in self._paths.items() if self._values else ():
            found[name] = found[path] = ((name,), self._values[name])
        return found


def coordinates(manifest: Manifest, names: Sequence[str] | None = None) -> dict[str, Coordinate]:
    """All coordinates by name: seeds, heights, nodes, and the scenarios' parameters by path.

    Args:
      manifest: a study's, or what says as much: "names", "scenarios", "parameters", "grid" and "num_nodes", and
        "num_seeds" and "num_blocks".
      names: of those parameters that are wanted; None: all.
    """
    axes, most = ScenarioAxes(manifest), max(manifest["num_nodes"])
    found: dict[str, Coordinate] = {
        "seed": (("seed",), np.arange(manifest["num_seeds"])),
        "height": (("height",), np.arange(1, manifest["num_blocks"] + 1)),
        "node": (("node",), np.arange(most)),
        **axes.own(),
    }
    scenarios = by_scenario(manifest)
    for name in dict.fromkeys(name for scenario in scenarios for name in scenario):
        values = [scenario.get(name) for scenario in scenarios]
        if name in found or (names is not None and name not in names) or all(value is None for value in values):
            continue
        if any(isinstance(value, list) for value in values):
            if name.startswith("nodes."):
                by_node = axes.spread(_by_node(values, manifest["num_nodes"], most))
                found[name] = ((*axes.names, "node"), by_node)
        else:
            found[name] = axes.along(column(values))
    return found


def _by_node(values: list[Any], counts: Sequence[int], most: int) -> np.ndarray:
    array = np.full((len(values), most), np.nan)
    for row, value, count in zip(array, values, counts, strict=True):
        if isinstance(value, list) and np.shape(value) == (count,):
            row[:count] = column(value)
    return array
