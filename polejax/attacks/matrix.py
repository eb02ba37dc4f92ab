"""The matrix of attacks: every strategy that applies to a model, behind every Secure Mapping Layer that it is given."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polejax._core import checks, limits, paths, sweep
from polejax._core.brief import brief
from polejax._core.checked import checked
from polejax._core.keys import key_of
from polejax._core.progress import Callback, Meter
from polejax._core.record import replace
from polejax._core.switches import steady
from polejax.analysis.estimate import Estimate
from polejax.attacks import collusion, detection, forging, matrix_table, theft
from polejax.attacks.applicable import keyless_fits, not_tried
from polejax.attacks.detection import Honesty, Measures, Roc
from polejax.attacks.first_layer import check_kernel
from polejax.attacks.head_start import Run
from polejax.attacks.theft import Attempt, Encounter
from polejax.learning.recipe import Recipe
from polejax.learning.sml import SecureMappingLayer
from polejax.mechanisms.learning_curves import DEFAULT_STEPS
from polejax.mechanisms.pole import PoLe

STRATEGIES: dict[str, Callable[[Encounter], Attempt]] = {
    "thief": theft.thief,
    "re-basing thief": theft.rebasing_thief,
    "refitting thief": theft.refitting_thief,
    "distilling thief": theft.distilling_thief,
    "pre-trainer": theft.pre_trainer,
    "refitting pre-trainer": theft.refitting_pre_trainer,
    "regression (control)": theft.regression,
    "grinder of 64": forging.grinder,
    "guesser of 64": forging.guesser,
    "liar": forging.liar,
    "overfitter": forging.overfitter,
}
"""Those that train; the early key, which needs no training of its own, is measured beside them."""
NEED_IMAGES_ONLY = ("thief", "re-basing thief", "pre-trainer", "grinder of 64")
"""Strategies that carry a model over and need no more of the samples than their images behind one's own layer."""
NEED_SAMPLES = ("refitting thief", "distilling thief", "refitting pre-trainer")
"""Strategies that carry a model over and need the samples themselves."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one model behind one layer comes to.

    Attributes:
      honest: what honest nodes achieve.
      strict: the same, were verifiers to ask for the threshold itself on their own data.
      cost: fraction of test accuracy lost against no layer, same seeds.
      slowdown: training steps to a claim against no layer, same seeds.
      bare_finished: share of honest runs without a layer that make an accepted claim within their steps.
      measures: by strategy; those that do not apply are missing.
      rocs: by strategy.
      not_tried: by strategy that does not apply, why.
      collusion: advantage of a data node's friend, simulated, by rule; empty where it was not simulated.
    """

    honest: Honesty
    strict: Honesty
    cost: Estimate
    slowdown: Estimate
    bare_finished: float
    measures: Mapping[str, Measures]
    rocs: Mapping[str, Roc]
    not_tried: Mapping[str, str]
    collusion: Mapping[str, Estimate]


@dataclasses.dataclass(frozen=True, repr=False)
class Matrix:
    """What every strategy achieves against one model behind each layer; `print` shows it as a table.

    Attributes:
      title: the task, the model and the rules, in words.
      cells: `Cell` by the name of the layer; the first is without one.
      not_tried: by the name of a layer that does not fit the model, why.
      seeds: pairs of victim and cheat S of each cell.
      steps: training steps of every run at most.
    """

    title: str
    cells: Mapping[str, Cell]
    not_tried: Mapping[str, str]
    seeds: int
    steps: int

    def __repr__(self) -> str:
        return brief(self)

    def __str__(self) -> str:
        """A table for each layer: cost, detection, saved steps and advantage; what was not tried, and why."""
        return matrix_table.text(self)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each layer and strategy: all measures with the ends of their intervals, and what is a bound."""
        return matrix_table.rows(self)

    def write_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write `rows` as CSV; the path.

        Raises:
          ValueError: it is no path, or cannot be written to.
        """
        where = Path(paths.checked("path", path))
        try:
            return matrix_table.write(where, self.rows())
        except OSError as error:
            raise ValueError(f"path must be a file that can be written, got {where} ({paths.reason(error)})") from None


@checked
@steady
def run(
    recipe: PoLe | Recipe,
    *,
    layers: Mapping[str, SecureMappingLayer | None] | None = None,
    seeds: int = 16,
    steps: int | None = None,
    strategies: Sequence[str] | None = None,
    first_kernel: str | None = None,
    seed: int = 0,
    progress: Callback | None = None,
) -> Matrix:
    """Try every strategy against the Secure Mapping Layer that applies to a model of your own.

    Args:
      recipe: of any model; a `PoLe` brings its rules (threshold, margin), a `Recipe` gets the default ones.
      layers: by name; None in the mapping is no layer, which costs are measured against and which is always run. None:
        the recipe's own layer.
      seeds: pairs of victim and cheat S, at least 2. Runs of 64 seeds tell a share within some 12 points.
      steps: training steps of every run; None: 400, or the recipe's `max_steps` if that is less. Where that is too few
        for a claim, numbers are bounds and say so.
      strategies: names, of `polejax.attacks.matrix.STRATEGIES`; None: all.
      first_kernel: path of the kernel that reads the samples, as "Dense_0/kernel", which re-basing changes; None: it is
        looked for in what the model computes (`polejax.attacks.first_layer`).
      seed: of all random numbers.
      progress: called with `Progress` in attacks; its label is the layer.

    Returns:
      `Matrix`, which names what was not tried, and why.

    Raises:
      ValueError: a number out of range, a strategy or a kernel that there is not, or a layer's value that is none.
    """
    given = recipe if isinstance(recipe, PoLe) else _as_mechanism(recipe)
    sweep.check_single("recipe", given)
    count = checks.whole("seeds", seeds, low=2, high=2**31 - 1)
    every, most = given.recipe.evaluate_every, given.recipe.max_steps
    length = min(most, DEFAULT_STEPS) if steps is None else checks.whole("steps", steps, low=every, high=most)
    key = key_of(checks.whole("seed", seed, high=2**32 - 1))
    chosen = tuple(STRATEGIES) if strategies is None else tuple(strategies)
    if not chosen:
        raise ValueError(f"strategies must name at least one of {', '.join(STRATEGIES)}; got none")
    for name in chosen:
        checks.one_of("strategies", name, tuple(STRATEGIES))
    if first_kernel is not None:
        check_kernel(given.recipe.model, given.recipe.mapped_features, first_kernel)
    task = given.recipe.task
    taught = 4.0 * task.train_inputs.shape[0] * task.num_classes  # bytes of what each of the seeds learns at once
    limits.check_memory(f"seeds {count:,}", count * taught, "give fewer seeds")
    behind, refused = _mechanisms(given, layers)
    cells: dict[str, Cell] = {}
    plain: Run | None = None
    for name, mechanism in behind.items():
        meter = Meter(progress, len(chosen), "attacks", label=name)
        keyless = plain if keyless_fits(mechanism.recipe, first_kernel) else None
        honest, model, attempts = compute(mechanism, key, count, length // every, keyless, meter, chosen, first_kernel)
        if mechanism.recipe.sml is None:
            plain, bare = model, (mechanism, honest)
        attempts["early key"] = collusion.early_key(mechanism, model)
        reasons = not_tried(mechanism.recipe, first_kernel)
        left_out = {strategy: reasons[strategy] for strategy in chosen if strategy in reasons}
        cells[name] = measured(mechanism, honest, attempts, *bare, left_out)
    rules = given.rules
    title = (
        f"{task.name}, {type(given.recipe.model).__name__}, threshold {float(rules.threshold):g}: {count} pairs of "
        f"victim and cheat, {length:,} steps each at most"
    )
    return Matrix(title, cells, refused, count, length)


def _as_mechanism(recipe: Recipe) -> PoLe:
    """Proof of Learning by a recipe, with the default rules."""
    return PoLe(**_fields(recipe))


def _behind(mechanism: PoLe, layer: SecureMappingLayer | None) -> PoLe:
    """A mechanism with another layer, whose recipe has been checked again."""
    return replace(mechanism, recipe=Recipe(**{**_fields(mechanism.recipe), "sml": layer}))


def _fields(recipe: Recipe) -> dict[str, Any]:
    return {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}


def _mechanisms(
    given: PoLe, layers: Mapping[str, SecureMappingLayer | None] | None
) -> tuple[dict[str, PoLe], dict[str, str]]:
    """The mechanism behind each layer, no layer first, and why the other layers do not fit the model."""
    if layers is None:
        own = given.recipe.sml or SecureMappingLayer()
        layers = {"none": None, own.law: own}
    bare = [name for name, layer in layers.items() if layer is None] or ["none"]
    if bare[0] in layers and layers[bare[0]] is not None:
        raise ValueError('layers must not call a layer "none": that is the run without one')
    fit, refused = {bare[0]: _behind(given, None)}, {}
    for name, layer in layers.items():
        if layer is None:
            continue
        try:
            fit[name] = _behind(given, layer)
        except Exception as error:  # of any kind: it is the user's model that meets another number of features
            refused[name] = f"the model does not fit it ({type(error).__name__}: {paths.reason(error)})"
    return fit, refused


def compute(
    mechanism: PoLe,
    key: Any,
    seeds: int,
    evaluations: int,
    keyless: Run | None,
    meter: Meter,
    strategies: Sequence[str] | None = None,
    first_kernel: str | None = None,
) -> tuple[Run, Run, dict[str, Attempt]]:
    """Train the cheats' honest twins and the victims, and play every strategy (None: all there are) that applies."""
    meter.add(0)
    met = theft.encounter(key, mechanism, seeds, evaluations, keyless, first_kernel)
    left_out = not_tried(mechanism.recipe, first_kernel)
    attempts = {}
    for name in strategies or STRATEGIES:
        if name not in left_out:
            attempts[name] = STRATEGIES[name](met)
        meter.add(1)
    return met.honest, met.model, attempts


def measured(
    mechanism: PoLe,
    honest: Run,
    attempts: Mapping[str, Attempt],
    bare: PoLe,
    bare_honest: Run,
    left_out: Mapping[str, str],
    rules: Mapping[str, Estimate] | None = None,
) -> Cell:
    """What attempts come to, against honest runs behind the same layer and without one; `rules`: `Cell.collusion`."""
    measures = {name: detection.measure(mechanism, honest, tried) for name, tried in attempts.items()}
    strict = replace(mechanism, margin=np.float32(0.0))
    rocs = {name: detection.measure_roc(mechanism, honest, tried) for name, tried in attempts.items()}
    if "liar" in attempts:
        measures["liar, no margin"] = detection.measure(strict, honest, attempts["liar"])
    (here, _), (before, finished) = (
        detection.honest_steps(which, run) for which, run in ((mechanism, honest), (bare, bare_honest))
    )
    lost = np.asarray(bare_honest.test[:, -1], np.float64) - honest.test[:, -1]
    return Cell(
        detection.measure_honesty(mechanism, honest),
        detection.measure_honesty(strict, honest),
        detection.mean(lost),
        detection.ratio(here, before),
        float(np.mean(finished)),
        measures,
        rocs,
        left_out,
        rules or {},
    )
