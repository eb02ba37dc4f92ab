"""Verification: what every node that hears of a claim does before it believes it."""

import enum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import Record, static
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Array, Tree
from polejax.crypto import header
from polejax.learning import training
from polejax.learning.measures import accuracy, logits_of_columns
from polejax.learning.sml import SecureMappingLayer
from polejax.mechanisms.pole import PoLe


class Reason(enum.IntEnum):
    """Why a claim is accepted or not; of several reasons the first in this order."""

    ACCEPTED = 0
    ALTERED = 1
    """the params are not those that the header commits to"""
    BELOW_THRESHOLD = 2
    """the accuracy that it claims is below what the branch demands, or no number"""
    DIVERGED = 3
    """the accuracy that verifiers measure is below what they accept, and a parameter is not finite"""
    INACCURATE = 4
    """the accuracy that verifiers measure is below what they accept"""


class Claim(Record):
    """What a block's header and body say of a model; leading axes of claims, if any, on every leaf.

    Attributes:
      params: the model's, as it was trained.
      tip: u32[8], hash of the parent block.
      address: u32[], of the claimant.
      accuracy: f32[], fraction: what the claimant says that its validation accuracy is.
      commitment: u32[8], in the header, `polejax.crypto.header.commit` of the params; None: not looked at.
    """

    params: Tree
    tip: Array
    address: Array
    accuracy: Array
    commitment: Array | None = None


class PostedTask(Record):
    """A task as its data node posts it, and what the branch demands: all that a verifier knows of it beforehand.

    Nothing in it is the claimant's to choose. `posted` makes one of a `PoLe`.

    Attributes:
      inputs: f32[M, D], test samples.
      labels: i32[M].
      threshold: f32[], fraction: the validation accuracy that a claim must state.
      accept: f32[], fraction: the test accuracy that verifiers ask for.
      model: Flax Linen module: the network that the task asks for.
      sml: the layer; its kernel follows from a claim's own header.
    """

    inputs: Array
    labels: Array
    threshold: Array
    accept: Array
    model: nn.Module = static()
    sml: SecureMappingLayer | None = static()


class Verdict(Record):
    """What verifiers make of a claim.

    Attributes:
      accepted: bool[].
      accuracy: f32[], fraction: on the test data; a sample with an answer that is not finite counts as wrong.
      reason: i32[], a `Reason`.
    """

    accepted: Array
    accuracy: Array
    reason: Array


@checked
@single("mechanism")
@steady
def posted(mechanism: PoLe, difficulty: Array | None = None) -> PostedTask:
    """The task of a mechanism as verifiers know it.

    Args:
      mechanism: the `PoLe`.
      difficulty: f32[], the validation accuracy that the branch demands; None: the mechanism's threshold.
    """
    recipe, rules = mechanism.recipe, mechanism.rules
    if difficulty is not None:
        difficulty = checks.real("difficulty", difficulty, low=0.0, high=1.0, ndim=0)
    threshold = jnp.asarray(rules.threshold if difficulty is None else difficulty)
    accept = jnp.asarray(rules.demanded(threshold))
    task = recipe.task
    return PostedTask(task.test_inputs, task.test_labels, threshold, accept, recipe.model, recipe.sml)


@checked
@steady
def verify(claim: Claim, task: PostedTask) -> Verdict:
    """Judge one claim; `jax.vmap(verify, in_axes=(0, None))` judges many.

    The verifier derives the Secure Mapping Layer from the claim's own header, so that nobody can say whose a model is
    but by training it, and measures it on the test data, at highest precision, so that all agree. It accepts exactly
    what `PoLe` makes blocks of; the claimed accuracy is compared with what is demanded, not measured again, as it is of
    data that the claimant may have trained on.

    Args:
      claim: `Claim`.
      task: `PostedTask`.

    Returns:
      `Verdict`.

    Source: Lan, Liu, Li 2020 (arXiv 2007.15145); the reasons and their order are ours.
    """
    _check_claim(claim, task)
    columns = _test_columns(task, claim.tip, claim.address)
    with jax.default_matmul_precision("highest"):
        measured = accuracy(logits_of_columns(task.model, {"params": claim.params}, columns), task.labels)
    one = jax.tree.map(lambda leaf: leaf[None], claim.params)
    altered = jnp.bool_(False)
    if claim.commitment is not None:
        altered = (header.commit(one)[0] != claim.commitment).any()
    inaccurate = ~(measured >= task.accept)
    broken = (
        (Reason.ALTERED, altered),
        (Reason.BELOW_THRESHOLD, ~(claim.accuracy >= task.threshold)),
        (Reason.DIVERGED, inaccurate & training.diverged(one)[0]),
        (Reason.INACCURATE, inaccurate),
    )
    reason = jnp.int32(Reason.ACCEPTED)
    for name, found in reversed(broken):
        reason = jnp.where(found, jnp.int32(name), reason)
    return Verdict(reason == Reason.ACCEPTED, measured, reason)


def _check_claim(claim: Claim, task: PostedTask) -> None:
    """Raise a ValueError unless a claim is one, with words of a hash, and params of the network that the task asks for.

    What a claimant sends is checked in full: a shorter tip would derive another layer, by which its model passes.
    """
    for name, value, kind, shape in (
        ("tip", claim.tip, jnp.uint32, (8,)),
        ("address", claim.address, jnp.uint32, ()),
        ("accuracy", claim.accuracy, jnp.floating, ()),
        ("commitment", claim.commitment, jnp.uint32, (8,)),
    ):
        if value is None and name == "commitment":
            continue
        if not isinstance(value, jax.Array | np.ndarray | np.generic) or not jnp.issubdtype(value.dtype, kind):
            raise ValueError(f"claim.{name} must be an array of {kind.__name__}, got {checks.shown(value)}")
        if value.shape != shape:
            raise ValueError(f"claim.{name} must have shape {shape}, got {value.shape}: jax.vmap verify over claims")
    features = task.inputs.shape[-1] if task.sml is None else task.sml.width(task.inputs.shape[-1])
    sample = jax.ShapeDtypeStruct((1, features), jnp.float32)
    wanted = jax.eval_shape(task.model.init, jax.random.key(0), sample)["params"]
    structures: list[Any] = [jax.tree.structure(params) for params in (claim.params, wanted)]
    if structures[0] != structures[1] or any(
        np.shape(one) != other.shape
        for one, other in zip(jax.tree.leaves(claim.params), jax.tree.leaves(wanted), strict=True)
    ):
        raise ValueError("claim.params must be those of the task's model: of the same names and shapes")


def _test_columns(task: PostedTask, tip: Array, address: Array) -> Array:
    """The test data behind the layer that the header asks for, in columns f32[F, M], the same bits as a chain's."""
    sml = task.sml
    if sml is None:
        return task.inputs.T
    layer = sml.derive(tip, address, task.inputs.shape[-1])
    many = jax.tree.map(lambda leaf: leaf[None], layer)
    # As one of many, for XLA on CPUs adds up a product by itself in another order than those of many nodes.
    columns: Array = jax.vmap(lambda layer: sml.apply(layer, task.inputs, in_columns=True))(many)[0]
    return columns
