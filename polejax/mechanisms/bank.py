"""Banks: the recorded learning curves of many networks, from which `polejax.Replay` resamples."""

import json
import os
from typing import Any

import numpy as np

from polejax._core import checks, netcdf
from polejax._core.describe import describe, differences
from polejax._core.devices import provenance
from polejax._core.folder import Folder
from polejax._core.record import Record, replace, static
from polejax._core.types import Array
from polejax.learning.recipe import Recipe


class Bank(Record):
    """Learning curves of independent networks, each behind its own Secure Mapping Layer; made by `learning_curves`.

    Evaluation k (from 0) is made after (k + 1) `evaluate_every` training steps.

    Attributes:
      validation: f32[B, K], fraction: accuracy of B curves at K evaluations, as the node itself measures it.
      test: f32[B, K], fraction: accuracy on the test data, as verifiers measure it.
      diverged: bool[B]: the network held a parameter that is not finite at the end.
      evaluate_every: training steps between evaluations.
      trained: JSON: what of the recipe the curves depend on (`learning_of`).
      holdout: f32[B, K], fraction: accuracy on samples that decide nothing; None: none held out.
    """

    validation: Array
    test: Array
    diverged: Array
    evaluate_every: int = static()
    trained: str = static()
    holdout: Array | None = None

    def __repr__(self) -> str:
        """Its size: what it was trained on holds every label of the task."""
        return (
            f"Bank({self.num_curves:,} curves of {self.num_evaluations} evaluations, every {self.evaluate_every} steps)"
        )

    @property
    def num_curves(self) -> int:
        """Number of curves B."""
        return self.validation.shape[-2]

    @property
    def num_evaluations(self) -> int:
        """Number of evaluations K of a curve."""
        return self.validation.shape[-1]

    @property
    def num_steps(self) -> int:
        """Training steps of a curve."""
        return self.num_evaluations * self.evaluate_every

    def share_reaching(self, threshold: float) -> float:
        """Fraction of the curves whose validation accuracy reaches the threshold within the bank's steps."""
        return float((np.asarray(self.validation).max(axis=-1) >= np.float32(threshold)).mean())

    def split(self, parts: int) -> "list[Bank]":
        """As many banks of equally many curves each, which have none in common; curves left over are dropped.

        Raises:
          ValueError: parts below 1 or above the number of curves.
        """
        size = self.num_curves // checks.whole("parts", parts, low=1, high=self.num_curves)
        return [self.cut(part * size, (part + 1) * size) for part in range(parts)]

    def cut(self, first: int, end: int) -> "Bank":
        """The curves from number `first` to before `end`."""
        arrays = {name: getattr(self, name)[first:end] for name in self._arrays}
        return replace(self, **arrays)

    @property
    def _arrays(self) -> dict[str, Array]:
        arrays = {"validation": self.validation, "test": self.test, "diverged": self.diverged}
        return arrays if self.holdout is None else {**arrays, "holdout": self.holdout}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bank, and what it was trained on and with, to one netCDF file; `load_bank` reads it.

        Raises:
          StudyError: the file cannot be written.
        """
        folder, name = os.path.split(os.path.abspath(path))
        Folder(folder, "bank").write_file(os.path.join(folder, name), self.variables(), self.attributes())

    def variables(self) -> netcdf.Variables:
        """Its arrays as a netCDF file holds them."""
        curves = ("curve", "evaluation")
        return {name: (curves[: np.ndim(array)], np.asarray(array)) for name, array in self._arrays.items()}

    def attributes(self) -> dict[str, Any]:
        """What a netCDF file says of it besides."""
        return {"evaluate_every": self.evaluate_every, "trained": self.trained, **provenance()}

    def check_matches(self, recipe: Recipe) -> None:
        """Raise a ValueError that names the first difference unless training by the recipe gives such curves."""
        found = list(differences(json.loads(self.trained), learning_of(recipe)))
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise ValueError(f"bank does not match the recipe: it has {found[0]}{more}: train another bank for it")


def join(parts: list[Bank]) -> Bank:
    """One bank of all parts' curves, of which there is at least one."""
    arrays = {name: np.concatenate([part._arrays[name] for part in parts]) for name in parts[0]._arrays}
    return replace(parts[0], **arrays)


def learning_of(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe its learning curves depend on, as JSON can hold it: all but how long they are."""
    idle = {"type", "max_steps"} if recipe.holdout is not None else {"type", "max_steps", "holdout"}
    return {field: part for field, part in describe(recipe).items() if field not in idle}
