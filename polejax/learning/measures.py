"""Measures of a network: its answers, their loss and their accuracy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.numerics import log_sum_exp
from polejax._core.types import Array, Tree
from polejax.learning.networks import ColumnModel


@checked
def logits(module: nn.Module, variables: Tree, inputs: Array) -> Array:
    """Return the network's answers f32[M, C] to inputs f32[M, D].

    Args:
      module: a Flax Linen module.
      variables: what `module.init` returned: `params` and any other collection.
      inputs: f32[M, D].
    """
    if np.ndim(inputs) != 2:
        raise ValueError(f"inputs must be f32[M, D], got shape {np.shape(inputs)}: one row per sample")
    if "params" not in variables:
        raise ValueError(f"variables must hold params, got {checks.shown(list(variables))}: pass what init returned")
    return jnp.asarray(module.apply(variables, inputs), jnp.float32)


@checked
def logits_of_columns(module: nn.Module, variables: Tree, columns: Array) -> Array:
    """Return what `logits` returns of samples that lie in columns, f32[D, M], as those that are judged again and again.

    A `ColumnModel` takes the columns as they are, any other module takes rows.
    """
    if np.ndim(columns) != 2:
        raise ValueError(f"columns must be f32[D, M], got shape {np.shape(columns)}: one column per sample")
    if "params" not in variables:
        raise ValueError(f"variables must hold params, got {checks.shown(list(variables))}: pass what init returned")
    if isinstance(module, ColumnModel):
        return jnp.asarray(module.apply(variables, columns, in_columns=True), jnp.float32)
    return logits(module, variables, columns.T)


@checked
def cross_entropy(logits: Array, labels: Array) -> Array:
    """Return the mean cross-entropy f32[] (nats per sample) of logits f32[M, C] against labels.

    Labels are classes i32[M], or probabilities f32[M, C] where a network learns another's answers (distillation:
    Hinton, Vinyals, Dean 2015, arXiv 1503.02531, equation 1 at temperature 1).

    Raises:
      ValueError: the shapes do not match, or M is 0.
    """
    if np.ndim(labels) == 2 and np.shape(labels) == np.shape(logits) and np.size(logits):
        return optax.softmax_cross_entropy(logits, labels).mean()
    _check_answers(logits, labels)
    # By a mask, not by index: the gradient of an index is a scatter, which XLA runs element by element on a CPU, and
    # training took twice as long. Classes first, because our models answer so and the transpositions cancel.
    answers = logits.T
    right = labels[None] == jnp.arange(answers.shape[0], dtype=labels.dtype)[:, None]
    return (log_sum_exp(answers) - jnp.where(right, answers, 0.0).sum(axis=0)).mean()


@checked
def accuracy(logits: Array, labels: Array) -> Array:
    """Return the fraction f32[] of samples answered rightly: logits f32[M, C] against labels i32[M].

    A sample with any logit that is not finite counts as wrong, so a diverged network scores 0 and never NaN.
    Among equal logits the lowest class is the answer.

    Raises:
      ValueError: the shapes do not match, or M is 0.
    """
    _check_answers(logits, labels)
    answers = logits.T  # classes first, as our models answer
    right = (jnp.argmax(answers, axis=0).astype(labels.dtype) == labels) & jnp.isfinite(answers).all(axis=0)
    # Looked up, for compilers multiply by 1 / M: 340 of 400 would be less than a threshold of 0.85.
    shares = np.arange(labels.size + 1, dtype=np.float32) / np.float32(labels.size)
    return jnp.asarray(shares)[right.sum(dtype=jnp.int32)]


def _check_answers(logits: Array, labels: Array) -> None:
    if np.ndim(logits) != 2 or np.shape(logits)[:1] != np.shape(labels) or not np.size(logits):
        raise ValueError(
            f"logits must be [samples, classes] and labels [samples], got {np.shape(logits)} and "
            f"{np.shape(labels)}: give each sample one label"
        )
    for name, value, kind in (("logits", logits, jnp.floating), ("labels", labels, jnp.integer)):
        if not isinstance(value, jax.Array | np.ndarray) or not jnp.issubdtype(value.dtype, kind):
            raise ValueError(
                f"{name} must be an array of type {kind.__name__}, got {checks.shown(value)}: convert them"
            )
