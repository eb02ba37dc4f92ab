"""Re-basing: carrying a network from behind one Secure Mapping Layer to behind another by changing its first weights.

A network whose first layer is dense sees `x W_i A + b` of a sample x behind node i's layer W_i. Behind W_j, the weights

    A' = W_j^+ W_i A

give `x W_j A' + b = x W_i A + b`, the same answers, whenever W_j has as many independent rows as x has features (square
or expanding layers), since then `W_j W_j^+ = I`. Otherwise it is the closest linear answer. A convolution over patches,
each mapped by the same W, is such a network too.
"""

from typing import Any

import jax
import jax.numpy as jnp

from polejax._core.types import Array
from polejax.learning import image_layers, models
from polejax.mechanisms.pole import PoLe

# Relative to the mean square of a column:
RIDGE = 1e-5  # pixels that never vary must not make a regression singular
ROUNDING = 1e-12  # nor may a layer of few signs, whose rows can depend on each other; below what float32 resolves


def rebase(mechanism: PoLe, params: Any, old: Any, new: Any) -> Any:
    """Params that answer behind the layer `new` as the given ones do behind `old`: A' = pinv(W_new) W_old A.

    No data are needed. It ignores an activation after the layer.

    Args:
      mechanism: a `PoLe` with a layer and one of polejax's learners.
      params: the learner's, of one network.
      old, new: variables of the layers, as `SecureMappingLayer.derive` returns them.

    Raises:
      ValueError: there is no layer, or the learner's first weights do not see all of a sample's or patch's features.

    Source: ours; see the module's head.
    """
    if mechanism.sml is None:
        raise ValueError("sml must be a layer to be re-based from, got None: without one, a stolen model fits as it is")
    before, after = old["sml"]["kernel"], new["sml"]["kernel"]
    first = params["Dense_0"]["weight"].T
    if not _is_dense(mechanism.learner) and mechanism.sml.patch is None:
        raise ValueError(
            "learner must be dense, or the layer per patch, to be re-based by algebra, got a convolution over a flat "
            "layer: use refit"
        )
    with jax.default_matmul_precision("highest"):
        change = _solved(after, before, ROUNDING)
        carried = jnp.einsum("fg,sgh->sfh", change, first.reshape(-1, before.shape[1], first.shape[-1]))
    return _with_first(params, carried.reshape(first.shape), params["Dense_0"]["bias"])


def refit(mechanism: PoLe, params: Any, old: Any, new: Any, inputs: Array) -> Any:
    """Params whose first weights are fitted by least squares to what the given ones' see behind the layer `old`.

    Over the samples, `|h_new(x) A' + b' - h_old(x) A - b|^2` plus a small ridge is made least: through any activation
    after the layer, for compressive ones too, and for convolutions over all pixels' patches.

    Args:
      mechanism: a `PoLe` with one of polejax's learners.
      params: of one network; without a layer of its own if `old` is None.
      old: variables of the layer that it was trained behind, or None if it was trained on the samples themselves.
      new: variables of the layer that it shall answer behind.
      inputs: f32[M, D], samples; the attacker must know them, not only their images behind its own layer.

    Source: ours.
    """
    seen = inputs if old is None else mechanism.map_inputs(old, inputs)
    with jax.default_matmul_precision("highest"):
        first = params["Dense_0"]
        wanted = first_inputs(mechanism.learner, seen) @ first["weight"].T + first["bias"][None]
        regressors = first_inputs(mechanism.learner, mechanism.map_inputs(new, inputs))
        kernel, bias = least_squares(regressors, wanted)
    return _with_first(params, kernel, bias)


def least_squares(regressors: Array, wanted: Array) -> tuple[Array, Array]:
    """Kernel f32[F, H] and bias f32[H] of the closest affine map from f32[M, F] to f32[M, H], with a small ridge."""
    regressors = jnp.concatenate([regressors, jnp.ones((regressors.shape[0], 1))], axis=1)
    solution = _solved(regressors, wanted, RIDGE)
    return solution[:-1], solution[-1]


def _solved(matrix: Array, right: Array, ridge: float) -> Array:
    """The smallest X that brings `matrix X` closest to `right`; `ridge`, of the columns' mean square, makes it unique.

    By Gram and Schmidt with the projection taken twice, which leaves the basis orthogonal to rounding, and not by
    `jnp.linalg`: LAPACK's batched calls wait for ever where the CPU devices of one process make them at once (jax
    0.10.1: each waits in the pool of threads for a thread that the other holds).

    Source: Giraud, Langou, Rozloznik 2005, "The loss of orthogonality in the Gram-Schmidt orthogonalization process".
    """
    rows, columns = matrix.shape
    tall = matrix if rows >= columns else matrix.T
    weight = jnp.sqrt(ridge * jnp.square(tall).sum() / tall.shape[1])
    vectors = jnp.concatenate([tall, weight * jnp.eye(tall.shape[1])]).T

    def orthogonalise(index: Array, basis: Array) -> Array:
        vector = vectors[index]
        for _ in range(2):
            vector = vector - (basis @ vector) @ basis
        return basis.at[index].set(vector / jnp.sqrt(jnp.square(vector).sum()))

    basis = jax.lax.fori_loop(0, len(vectors), orthogonalise, jnp.zeros_like(vectors))
    triangular = basis @ vectors.T  # upper: vectors = its transpose times the basis
    basis = basis[:, : tall.shape[0]]
    if rows >= columns:
        return _substituted(triangular, basis @ right, jnp.arange(columns)[::-1])
    return basis.T @ _substituted(triangular.T, right, jnp.arange(rows))


def _substituted(triangular: Array, right: Array, order: Array) -> Array:
    """Solve a triangular system row by row, in the order in which rows hold one unknown more each."""

    def solve_row(solution: Array, row: Array) -> tuple[Array, None]:
        known = triangular[row] @ solution  # of unknowns still to come: 0
        return solution.at[row].set((right[row] - known) / triangular[row, row]), None

    return jax.lax.scan(solve_row, jnp.zeros_like(right), order)[0]


def regress(mechanism: PoLe, params: Any, new: Any, inputs: Array, labels: Array) -> Any:
    """Params that answer with the least-squares regression of the labels on the mapped samples; nothing is stolen.

    The control for `refit`: whatever this reaches, it is owed to a regression and not to the theft. Units come in pairs
    of opposite weights, whose ReLUs make a linear map.

    Args:
      mechanism: a `PoLe` whose learner has one hidden layer of at least 2 C units with ReLU.
      params: of one network, for their shapes.
      new: variables of the layer that it shall answer behind.
      inputs, labels: f32[M, D] and i32[M], training samples.

    Raises:
      ValueError: the learner is another.

    Source: ours.
    """
    classes = mechanism.task.num_classes
    hidden: tuple[int, ...] = getattr(mechanism.learner, "hidden", ())
    if not _is_dense(mechanism.learner) or len(hidden) != 1 or hidden[0] < 2 * classes:
        raise ValueError(
            f"learner must have one dense hidden layer of at least {2 * classes} units to hold a regression, "
            f"got {mechanism.learner!r}"
        )
    with jax.default_matmul_precision("highest"):
        targets = jax.nn.one_hot(labels, classes, dtype=jnp.float32)
        kernel, bias = least_squares(mechanism.map_inputs(new, inputs), targets)
    spare = hidden[0] - 2 * classes
    first = jnp.pad(jnp.concatenate([kernel, -kernel], axis=1), ((0, 0), (0, spare)))
    second = jnp.pad(jnp.concatenate([jnp.eye(classes), -jnp.eye(classes)]), ((0, spare), (0, 0)))
    bias = jnp.pad(jnp.concatenate([bias, -bias]), (0, spare))
    last = {"weight": second.T, "bias": jnp.zeros_like(params["Dense_1"]["bias"])}
    return {**_with_first(params, first, bias), "Dense_1": last}


def _is_dense(learner: Any) -> bool:
    return isinstance(learner, models.MultilayerPerceptron)


def first_inputs(learner: Any, mapped: Array) -> Array:
    """What the learner's first weights are multiplied with, f32[samples or patches, features]."""
    if _is_dense(learner):
        return mapped
    if not isinstance(learner, models.ConvolutionalNetwork):
        raise ValueError(f"learner must be one of polejax.learners to be re-based, got {type(learner).__name__}")
    image = jnp.moveaxis(mapped.reshape(mapped.shape[0], *learner.shape[:2], -1), (3, 0), (0, 3))
    patches = image_layers.neighbourhoods(image)
    return patches.reshape(patches.shape[0], -1).T


def _with_first(params: Any, kernel: Array, bias: Array) -> Any:
    return {**params, "Dense_0": {"weight": kernel.T, "bias": bias}}
