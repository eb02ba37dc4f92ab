"""Theft: nodes that begin from a model they did not train behind their own Secure Mapping Layer.

Each strategy is a pure function of an `Encounter` and returns an `Attempt`: how good the model is that the cheat could
claim at once, and how it gets on when it is trained further. What an attempt is worth is measured in
`polejax.attacks.detection`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.record import record, static
from polejax._core.types import Array
from polejax.attacks import head_start, rebasing
from polejax.attacks.head_start import Identity, Run
from polejax.learning import models
from polejax.mechanisms.pole import PoLe


@record
class Encounter:
    """A victim and a cheat on the same task, each with its own layer, and what both would have done honestly."""

    mechanism: PoLe
    victim: Identity  # [S]
    cheat: Identity  # [S]
    model: Run  # the victim's honest run: its `claimed` params (unfinished where it makes no claim) are there to be
    # stolen, its `final` ones are those of a long run
    honest: Run  # the cheat's own honest run, the same seeds' measure of what cheating saves
    keyless: Run | None  # networks trained on the samples themselves, without a layer; None where they do not fit
    evaluations: int = static()  # K of every run


@record
class Attempt:
    """What a cheat achieves, leading axis S; curves as in `Run`, entry 0 before any training step of its own."""

    validation: Array  # f32[S, K + 1], fraction
    test: Array  # f32[S, K + 1], fraction
    cost: Array  # f32[], training steps' worth of arithmetic spent before
    truthful: bool = static()  # whether it claims only the validation accuracy that it has


def encounter(
    key: Array, mechanism: PoLe, num_seeds: int, num_evaluations: int, keyless: Run | None = None
) -> Encounter:
    """Train victims and honest twins of the cheats.

    Args:
      key: typed key; the same key gives the same people and luck under every mechanism, so that costs are paired.
      mechanism: a `PoLe`.
      num_seeds: S.
      num_evaluations: K, the budget of every run, in evaluations.
      keyless: see `Encounter`; honest runs of the same learner without a layer.

    Raises:
      ValueError: a count below 1, or a key that is none.
    """
    victim, cheat = (head_start.identities(key, num_seeds, role) for role in (0, 1))
    model, honest = (
        head_start.train_from(mechanism, who, head_start.fresh(mechanism, who), num_evaluations)
        for who in (victim, cheat)
    )
    return Encounter(mechanism, victim, cheat, model, honest, keyless, num_evaluations)


def thief(met: Encounter) -> Attempt:
    """Claim a broadcast model as one's own; then fine-tune it behind one's own layer."""
    return attempt(met, met.model.claimed)


def rebasing_thief(met: Encounter) -> Attempt:
    """Re-base the stolen first weights by the two layers alone, A' = W_j^+ W_i A, without any data; then fine-tune."""
    carried = carry(met, rebasing.rebase, met.model.claimed)
    layers = jax.eval_shape(lambda: head_start.layers(met.mechanism, met.cheat))
    _, rows, columns = layers["sml"]["kernel"].shape
    # By elimination: factors of W, then as many right-hand sides as W has rows.
    flops = 8 / 3 * rows * columns * min(rows, columns) + 2 * rows * columns * _hidden(met)
    return attempt(met, carried, flops)


def refitting_thief(met: Encounter) -> Attempt:
    """Re-base the stolen first weights by least squares on the training samples, through any activation; fine-tune."""
    return attempt(met, carry(met, _refit, met.model.claimed), _regression_flops(met, keyed=True))


def distilling_thief(met: Encounter) -> Attempt:
    """Train one's own network, from its own start, on the stolen model's answers to the training samples."""
    mechanism = met.mechanism
    targets = carry(met, _answers, met.model.claimed)
    flops = answering_flops(mechanism, mechanism.task.train_inputs.shape[0])
    return attempt(met, head_start.fresh(mechanism, met.cheat), flops, targets=targets)


def pre_trainer(met: Encounter) -> Attempt:
    """Train on the task long before the tip is known, behind an old key's layer; then adapt to the new one."""
    return attempt(met, met.model.final)


def refitting_pre_trainer(met: Encounter) -> Attempt:
    """Train long before without any key, on the samples; then fit the first weights behind the new layer; then adapt.

    Where the learner cannot read samples (a convolution over mapped patches), behind an old key instead.
    """
    if met.keyless is None:
        return attempt(met, carry(met, _refit, met.model.final), _regression_flops(met, keyed=True))
    return attempt(met, carry(met, _refit_keyless, met.keyless.final), _regression_flops(met, keyed=False))


def regression(met: Encounter) -> Attempt:
    """The control of the refitting ones: regress the labels on one's own images, stealing nothing; then train on."""
    mechanism = met.mechanism
    params = carry(met, _regress, met.honest.claimed)
    samples, width = mechanism.task.train_inputs.shape[0], mechanism.mapped_features
    return attempt(met, params, samples * width * (width + 2 * mechanism.task.num_classes))


def attempt(
    met: Encounter,
    start: Any,
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
    run = head_start.train_from(mechanism or met.mechanism, cheat or met.cheat, start, met.evaluations, targets=targets)
    return Attempt(run.validation, run.test, np.float32(flops / step_flops(met.mechanism)), truthful)


def step_flops(mechanism: PoLe) -> int:
    """Floating-point operations of one training step, layer not included, as samples are mapped once."""
    return models.step_flops(mechanism.learner, mechanism.mapped_features, mechanism.batch_size)


def answering_flops(mechanism: PoLe, samples: int, layers: int = 1, models: int = 1) -> float:
    """Operations of mapping samples behind so many new layers, and of so many models' answers (a third of a step's)."""
    features = mechanism.task.num_features
    width = mechanism.sml.width(features) if mechanism.sml else 0
    return samples * (layers * 2 * features * width + models * step_flops(mechanism) / mechanism.batch_size / 3)


def carry(met: Encounter, change: Callable[..., Any], params: Any) -> Any:
    """Apply a pure `change(mechanism, params, old, new)` to each seed's params and the layers of victim and cheat."""
    old, new = (head_start.layers(met.mechanism, who) for who in (met.victim, met.cheat))
    return _carry(change, met.mechanism, params, old, new)


@functools.partial(jax.jit, static_argnums=0)
def _carry(change: Callable[..., Any], mechanism: PoLe, params: Any, old: Any, new: Any) -> Any:
    return jax.vmap(functools.partial(change, mechanism))(params, old, new)


def _refit(mechanism: PoLe, params: Any, old: Any, new: Any) -> Any:
    return rebasing.refit(mechanism, params, old, new, mechanism.task.train_inputs)


def _refit_keyless(mechanism: PoLe, params: Any, old: Any, new: Any) -> Any:
    return rebasing.refit(mechanism, params, None, new, mechanism.task.train_inputs)


def _regress(mechanism: PoLe, params: Any, old: Any, new: Any) -> Any:
    return rebasing.regress(mechanism, params, new, mechanism.task.train_inputs, mechanism.task.train_labels)


def _answers(mechanism: PoLe, params: Any, old: Any, new: Any) -> Array:
    """Probabilities f32[M, C] that a model gives the training samples behind its own layer."""
    mapped = mechanism.map_inputs(old, mechanism.task.train_inputs)
    return jax.nn.softmax(models.logits(mechanism.learner, {"params": params}, mapped))


def _regression_flops(met: Encounter, keyed: bool) -> float:
    """Of `rebasing.refit`: the old layer's images and first weights, moments, and their solution."""
    mechanism, inputs = met.mechanism, met.mechanism.task.train_inputs
    mapped = jax.ShapeDtypeStruct((inputs.shape[0], mechanism.mapped_features), jnp.float32)
    rows, first = jax.eval_shape(lambda mapped: rebasing.first_inputs(mechanism.learner, mapped), mapped).shape
    old = 2 * inputs.size * mechanism.mapped_features if keyed else 0
    return old + rows * first * (first + 4 * _hidden(met)) + first**3 / 3


def _hidden(met: Encounter) -> int:
    return int(met.model.claimed["Dense_0"]["bias"].shape[-1])
