"""Theft: nodes that begin from a model they did not train behind their own Secure Mapping Layer.

Each strategy is a pure function of an `Encounter` and returns an `Attempt`: how good the model is that the cheat could
claim at once, and how it gets on when it is trained further. What an attempt is worth is measured in
`polejax.attacks.detection`.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import Record, static
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Array, Key, Tree
from polejax.attacks import head_start, rebasing
from polejax.attacks.first_layer import check_kernel, first_layer
from polejax.attacks.head_start import Identity, Run
from polejax.learning.measures import logits
from polejax.learning.recipe import Recipe
from polejax.mechanisms.pole import PoLe

__all__ = [
    "Attempt",
    "Encounter",
    "answering_flops",
    "attempt",
    "carry",
    "distilling_thief",
    "encounter",
    "pre_trainer",
    "rebasing_thief",
    "refitting_pre_trainer",
    "refitting_thief",
    "regression",
    "thief",
]

Change = Callable[[Recipe, Tree, Tree, Tree], Tree]
"""From a recipe, one model's params, the layer that it was trained behind and a new one, to params for the new one."""


class Encounter(Record):
    """A victim and a cheat on the same task, each with its own layer, and what both would have done honestly.

    Attributes:
      mechanism: what both take part in.
      victim: leading axis S.
      cheat: leading axis S.
      model: the victim's honest run: its `claimed` params (unfinished where it makes no claim) are there to be stolen,
        its `final` ones are those of a long run.
      honest: the cheat's own honest run, the same seeds' measure of what cheating saves.
      keyless: networks trained on the samples themselves, without a layer; None where they do not fit.
      evaluations: K of every run.
      first_kernel: path of the kernel that reads the samples, as "Dense_0/kernel"; None: it is looked for
        (`polejax.attacks.first_layer`).
    """

    mechanism: PoLe
    victim: Identity
    cheat: Identity
    model: Run
    honest: Run
    keyless: Run | None
    evaluations: int = static()
    first_kernel: str | None = static(default=None)

    @property
    def recipe(self) -> Recipe:
        """What both train by."""
        return self.mechanism.recipe


class Attempt(Record):
    """What a cheat achieves, leading axis S; curves as in `Run`, entry 0 before any training step of its own.

    Attributes:
      validation: f32[S, K + 1], fraction.
      test: f32[S, K + 1], fraction.
      cost: f32[], training steps' worth of arithmetic spent before.
      truthful: whether it claims only the validation accuracy that it has.
    """

    validation: Array
    test: Array
    cost: Array
    truthful: bool = static()


@checked
@single("mechanism")
@steady
def encounter(
    key: Key,
    mechanism: PoLe,
    num_seeds: int,
    num_evaluations: int,
    keyless: Run | None = None,
    first_kernel: str | None = None,
) -> Encounter:
    """Train victims and honest twins of the cheats.

    Args:
      key: typed key; the same key gives the same people and luck under every mechanism, so that costs are paired.
      mechanism: a `PoLe`.
      num_seeds: S.
      num_evaluations: K, the budget of every run, in evaluations.
      keyless: see `Encounter`; honest runs of the same model without a layer.
      first_kernel: see `Encounter`.

    Raises:
      ValueError: a count below 1, or an untyped key.
    """
    checks.key("key", key)
    num_seeds = checks.whole("num_seeds", num_seeds, low=1)
    num_evaluations = checks.whole("num_evaluations", num_evaluations, low=1)
    if first_kernel is not None:
        check_kernel(mechanism.recipe.model, mechanism.recipe.mapped_features, first_kernel)
    victim, cheat = (head_start.identities(key, num_seeds, role) for role in (0, 1))
    model, honest = (
        head_start.train_from(mechanism, who, head_start.fresh(mechanism.recipe, who), num_evaluations)
        for who in (victim, cheat)
    )
    return Encounter(mechanism, victim, cheat, model, honest, keyless, num_evaluations, first_kernel)


@checked
@steady
def thief(met: Encounter) -> Attempt:
    """Claim a broadcast model as one's own; then fine-tune it behind one's own layer."""
    return attempt(met, met.model.claimed)


@checked
@steady
def rebasing_thief(met: Encounter) -> Attempt:
    """Re-base the stolen first weights by the two layers alone, A' = W_j^+ W_i A, without any data; then fine-tune."""
    carried = carry(met, _rebase(met.first_kernel), met.model.claimed)
    layers = jax.eval_shape(lambda: head_start.layers(met.recipe, met.cheat))
    _, rows, columns = layers["sml"]["kernel"].shape
    # By elimination: factors of W, then as many right-hand sides as W has rows.
    flops = 8 / 3 * rows * columns * min(rows, columns) + 2 * rows * columns * _hidden(met)
    return attempt(met, carried, flops)


@checked
@steady
def refitting_thief(met: Encounter) -> Attempt:
    """Re-base the stolen first weights by least squares on the training samples, through any activation; fine-tune."""
    return attempt(met, carry(met, _refit(met.first_kernel), met.model.claimed), _regression_flops(met, keyed=True))


@checked
@steady
def distilling_thief(met: Encounter) -> Attempt:
    """Train one's own network, from its own start, on the stolen model's answers to the training samples."""
    targets = carry(met, _answers, met.model.claimed)
    flops = answering_flops(met.recipe, met.recipe.task.train_inputs.shape[0])
    return attempt(met, head_start.fresh(met.recipe, met.cheat), flops, targets=targets)


@checked
@steady
def pre_trainer(met: Encounter) -> Attempt:
    """Train on the task long before the tip is known, behind an old key's layer; then adapt to the new one."""
    return attempt(met, met.model.final)


@checked
@steady
def refitting_pre_trainer(met: Encounter) -> Attempt:
    """Train long before without any key, on the samples; then fit the first weights behind the new layer; then adapt.

    Where the model cannot read samples (a convolution over mapped patches), behind an old key instead.
    """
    if met.keyless is None:
        return attempt(met, carry(met, _refit(met.first_kernel), met.model.final), _regression_flops(met, keyed=True))
    return attempt(
        met, carry(met, _refit(met.first_kernel, keyed=False), met.keyless.final), _regression_flops(met, keyed=False)
    )


@checked
@steady
def regression(met: Encounter) -> Attempt:
    """The control of the refitting ones: regress the labels on one's own images, stealing nothing; then train on."""
    task, width = met.recipe.task, met.recipe.mapped_features
    params = carry(met, _regress, met.honest.claimed)
    return attempt(met, params, task.train_inputs.shape[0] * width * (width + 2 * task.num_classes))


@checked
@steady
def attempt(
    met: Encounter,
    start: Tree,
    flops: float = 0.0,
    *,
    targets: Array | None = None,
    mechanism: PoLe | None = None,
    cheat: Identity | None = None,
    truthful: bool = True,
) -> Attempt:
    """Train on from `start`, params [S], behind the cheat's own layers, after `flops` operations of preparation.

    Args:
      met: the `Encounter`.
      start: params with leading axis S.
      flops: operations before.
      targets: as in `head_start.train_from`.
      mechanism: another one to train by, of the same shapes; None: the encounter's.
      cheat: another identity; None: the encounter's.
      truthful: see `Attempt`.
    """
    checks.real("flops", flops, low=0.0, ndim=0)
    run = head_start.train_from(mechanism or met.mechanism, cheat or met.cheat, start, met.evaluations, targets=targets)
    return Attempt(run.validation, run.test, np.float32(flops / met.recipe.step_flops), truthful)


@checked
@single("recipe")
def answering_flops(recipe: Recipe, samples: int, layers: int = 1, models: int = 1) -> float:
    """Operations of mapping samples behind so many new layers, and of so many models' answers (a third of a step's)."""
    counted = (("samples", samples), ("layers", layers), ("models", models))
    samples, layers, models = (checks.whole(name, value) for name, value in counted)
    width = recipe.mapped_features if recipe.sml else 0
    return samples * (
        layers * 2 * recipe.task.num_features * width + models * recipe.step_flops / recipe.batch_size / 3
    )


@checked
@steady
def carry(met: Encounter, change: Change, params: Tree) -> Tree:
    """Apply a pure `change(recipe, params, old, new)` to each seed's params and the layers of victim and cheat."""
    old, new = (head_start.layers(met.recipe, who) for who in (met.victim, met.cheat))
    return _carry(change, met.recipe, params, old, new)


@functools.partial(jax.jit, static_argnums=0)
def _carry(change: Change, recipe: Recipe, params: Tree, old: Tree, new: Tree) -> Tree:
    return jax.vmap(functools.partial(change, recipe))(params, old, new)


@functools.cache  # one function for each kernel, so that JAX compiles it once
def _rebase(first_kernel: str | None) -> Change:
    return functools.partial(rebasing.rebase, first_kernel=first_kernel)


@functools.cache
def _refit(first_kernel: str | None, keyed: bool = True) -> Change:
    def refit(recipe: Recipe, params: Tree, old: Tree, new: Tree) -> Tree:
        return rebasing.refit(recipe, params, old if keyed else None, new, recipe.task.train_inputs, first_kernel)

    return refit


def _regress(recipe: Recipe, params: Tree, old: Tree, new: Tree) -> Tree:
    return rebasing.regress(recipe, params, new, recipe.task.train_inputs, recipe.task.train_labels)


def _answers(recipe: Recipe, params: Tree, old: Tree, new: Tree) -> Array:
    """Probabilities f32[M, C] that a model gives the training samples behind its own layer."""
    mapped = recipe.map_inputs(old, recipe.task.train_inputs)
    return jax.nn.softmax(logits(recipe.model, {"params": params}, mapped))


def _regression_flops(met: Encounter, keyed: bool) -> float:
    """Of `rebasing.refit`: the old layer's images and first weights, moments, and their solution."""
    inputs, width = met.recipe.task.train_inputs, met.recipe.mapped_features
    mapped = jax.ShapeDtypeStruct((inputs.shape[0], width), jnp.float32)
    rows, first = jax.eval_shape(first_layer(met.recipe.model, width, met.first_kernel).rows, mapped).shape
    old = 2 * inputs.size * width if keyed else 0
    flops: float = old + rows * first * (first + 4 * _hidden(met)) + first**3 / 3
    return flops


def _hidden(met: Encounter) -> int:
    """Units of the model's first layer."""
    first = first_layer(met.recipe.model, met.recipe.mapped_features, met.first_kernel)
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), met.model.claimed)
    return int(jax.eval_shape(first.matrix, params).shape[1])


def __dir__() -> list[str]:
    return __all__
