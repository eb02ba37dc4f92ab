"""Banks: the recorded learning curves of many networks, from which `polejax.Replay` resamples."""

import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from polejax._core import checks, identity, netcdf, paths
from polejax._core.brief import sizes
from polejax._core.describe import as_text, describe, differences
from polejax._core.devices import provenance
from polejax._core.fingerprint import Unidentified
from polejax._core.folder import Folder
from polejax._core.record import axes, convert, replace, static
from polejax._core.sweep import single
from polejax._core.types import Array
from polejax.consensus.recorded import Recorded
from polejax.learning.program import program_of
from polejax.learning.recipe import Recipe


class Bank(Recorded):
    """Learning curves of independent networks, each behind its own Secure Mapping Layer; made by `learning_curves`.

    Evaluation k (from 0) is made after (k + 1) `evaluate_every` training steps.

    Attributes:
      validation: f32[B, K], fraction: accuracy of B curves at K evaluations, as the node itself measures it.
      test: f32[B, K], fraction: accuracy on the test data, as verifiers measure it.
      diverged: bool[B, K]: the network held a parameter that is not finite; bool[B]: the same at all K evaluations.
      evaluate_every: training steps between evaluations.
      trained: JSON: what of the recipe the curves depend on, and which program trained them (`trained_by`).
      holdout: f32[B, K], fraction: accuracy on samples that decide nothing; None: none held out.
      max_steps: training steps after which a node gives up (`Recipe.max_steps`); None: as many as the curves have.
        Where curves are shorter, what follows is unknown (`whole`), and `Replay` refuses the bank or marks its blocks.

    Raises:
      ValueError: accuracies that are no fractions, arrays whose shapes do not fit, or a number out of range.
    """

    validation: Array = axes(2)
    test: Array = axes(2)
    diverged: Array = axes(2)
    evaluate_every: int = static()
    trained: str = static()
    holdout: Array | None = axes(2, default=None)
    max_steps: int | None = static(default=None)

    def __post_init__(self) -> None:
        if any(checks.is_traced(leaf) for leaf in jax.tree.leaves(self)):
            return
        convert(
            self,
            validation=lambda value: _fractions("validation", value),
            test=lambda value: _fractions("test", value),
            holdout=lambda value: value if value is None else _fractions("holdout", value),
            diverged=lambda value: _flags(value, self.validation.shape),
            evaluate_every=lambda value: checks.whole("evaluate_every", value, low=1),
            trained=_described,
        )
        for name, array in self._arrays.items():
            if array.shape != self.validation.shape:
                raise ValueError(
                    f"{name} must have the shape of validation, {self.validation.shape}, got {array.shape}: "
                    "give one curve and evaluation for each"
                )
        if self.max_steps is not None:
            convert(self, max_steps=lambda value: checks.whole("max_steps", value, low=self.num_steps))

    def __repr__(self) -> str:
        """Its size: what it was trained on holds every label of the task."""
        shape = sizes(np.shape(self.validation), "curves", "evaluations").replace(" x ", " of ")
        return f"Bank({shape}, every {self.evaluate_every} steps)"

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

    @property
    def whole(self) -> bool:
        """Whether the curves go on until a node gives up, so that where they end the node's training ends, too."""
        return self.max_steps is None or self.num_steps + self.evaluate_every > self.max_steps

    def share_reaching(self, threshold: float) -> float:
        """Fraction of the curves whose validation accuracy reaches the threshold within the bank's steps."""
        threshold = checks.number("threshold", threshold, low=0.0, high=1.0)
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
        first, end = checks.whole("first", first), checks.whole("end", end)
        arrays = {name: array[..., first:end, :] for name, array in self._arrays.items()}
        return replace(self, **arrays)

    def until(self, num_evaluations: int) -> "Bank":
        """The curves up to and with evaluation `num_evaluations`, all of them if they have fewer."""
        num_evaluations = checks.whole("num_evaluations", num_evaluations, low=1)
        arrays = {name: array[..., :num_evaluations] for name, array in self._arrays.items()}
        return replace(self, **arrays)

    def of(self, recipe: Recipe) -> "Bank":
        """The bank as curves of a recipe: cut where its nodes give up, or known to end before they do."""
        return replace(self.until(recipe.max_steps // recipe.evaluate_every), max_steps=recipe.max_steps)

    @property
    def _arrays(self) -> dict[str, Array]:
        arrays = {"validation": self.validation, "test": self.test, "diverged": self.diverged}
        return arrays if self.holdout is None else {**arrays, "holdout": self.holdout}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bank, and what it was trained on and with, to one netCDF file; `load_bank` reads it.

        Raises:
          StudyError: the file cannot be written.
        """
        folder, name = os.path.split(os.path.abspath(paths.checked("path", path)))
        Folder(folder, "bank").write_file(os.path.join(folder, name), self.variables(), self.attributes())

    def variables(self) -> netcdf.Variables:
        """Its arrays as a netCDF file holds them."""
        curves = ("curve", "evaluation")
        return {name: (curves[: np.ndim(array)], np.asarray(array)) for name, array in self._arrays.items()}

    def attributes(self) -> dict[str, Any]:
        """What a netCDF file says of it besides."""
        numbers = {"evaluate_every": self.evaluate_every, "max_steps": self.max_steps or 0}
        return {**numbers, "trained": self.trained, **provenance()}

    @single("recipe")
    def check_matches(self, recipe: Recipe) -> None:
        """Raise a ValueError that names the first difference unless training by the recipe gives such curves."""
        checks.instance("recipe", recipe, Recipe, "polejax.Recipe(task)")
        told = json.loads(self.trained)
        trained = told if isinstance(told, dict) else {}
        program, recorded = trained.pop("program", None), trained.pop("versions", {})
        found = list(differences(trained, learning_of(recipe)))
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise ValueError(f"bank does not match the recipe: it has {found[0]}{more}: train another bank for it")
        if program is None or program != _program(recipe):
            others = identity.differing(recorded)
            because = f"it was trained with {others}" if others else "a function, a class or a constant differs"
            raise ValueError(
                f"bank does not match the recipe: another program under the same names, as {because}: "
                "train another bank, or load it without a mechanism"
            )


def join(parts: list[Bank]) -> Bank:
    """One bank of all parts' curves, of which there is at least one, as long as the shortest part's."""
    common = min(part.num_evaluations for part in parts)
    arrays = [part.until(common)._arrays for part in parts]
    return replace(parts[0], **{name: np.concatenate([part[name] for part in arrays]) for name in arrays[0]})


def read(variables: Mapping[str, Array], attributes: Mapping[str, Any]) -> Bank:
    """The bank that `Bank.variables` and `Bank.attributes` describe.

    Raises:
      KeyError: one of them is missing.
      ValueError: they are no bank's.
    """
    curves = (variables["validation"], variables["test"], variables["diverged"])
    every, most = (np.asarray(attributes[name]).item() for name in ("evaluate_every", "max_steps"))
    return Bank(*curves, every, str(attributes["trained"]), variables.get("holdout"), most or None)


def _fractions(name: str, value: Any) -> Array:
    """Accuracies f32[B, K] of at least one curve and evaluation."""
    array = checks.real(name, value, ndim=2)
    if not array.size:
        raise ValueError(
            f"{name} must hold a curve and an evaluation, got shape {array.shape}: give [curves, evaluations]"
        )
    outside = np.argwhere((array < 0.0) | (array > 1.0))
    if outside.size:
        place = tuple(int(index) for index in outside[0])
        raise ValueError(
            f"{name} must be fractions in [0, 1], got {array[place]:g} at index {place}: divide percent by 100"
        )
    return array


def _flags(value: Any, shape: tuple[int, ...]) -> Array:
    """Flags bool[B, K] from those, or from bool[B] for all K evaluations of a curve."""
    array = _array_of_flags(value)
    if array.dtype != bool:
        raise ValueError(f"diverged must be true or false for each curve, got {array.dtype}: compare the numbers")
    return np.repeat(array[:, None], shape[1], axis=1) if array.shape == shape[:1] else array


def _array_of_flags(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except Exception:  # rows of different lengths, a key, or whatever an object's own `__array__` raises
        raise ValueError(f"diverged must be true or false for each curve, got {checks.shown(value)}") from None


def _described(value: Any) -> str:
    """JSON of an object."""
    try:
        found = json.loads(value)
    except (TypeError, ValueError):
        found = None
    if not isinstance(value, str) or not isinstance(found, dict):
        raise ValueError(f"trained must be JSON of what was trained, got {checks.shown(value)}: '{{}}' if unknown")
    return value


def learning_of(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe its learning curves depend on, as JSON can hold it: all but how long they are."""
    idle = {"type", "max_steps"} if recipe.holdout is not None else {"type", "max_steps", "holdout"}
    return {field: part for field, part in describe(recipe).items() if field not in idle}


def trained_by(recipe: Recipe) -> str:
    """JSON of `learning_of`, of the training's program (None where none can be told) and of the versions at work."""
    versions = identity.tracing_versions()
    return as_text({**learning_of(recipe), "program": _program(recipe), "versions": versions})


def _program(recipe: Recipe) -> str | None:
    try:
        return program_of(recipe)
    except Unidentified:
        return None
