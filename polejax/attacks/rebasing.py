"""Re-basing: carrying a network from behind one Secure Mapping Layer to behind another by changing its first weights.

A network whose first layer is dense sees `x W_i A + b` of a sample x behind node i's layer W_i. Behind W_j, the weights

    A' = W_j^+ W_i A

give `x W_j A' + b = x W_i A + b`, the same answers, whenever W_j has as many independent rows as x has features (square
or expanding layers), since then `W_j W_j^+ = I`. Otherwise it is the closest linear answer. A convolution over patches,
each mapped by the same W, is such a network too.
"""

from typing import TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.switches import steady
from polejax._core.types import Array, Tree
from polejax.learning.networks import LayeredModel, MultilayerPerceptron
from polejax.learning.recipe import Recipe

__all__ = [
    "holds_regression",
    "layered",
    "least_squares",
    "rebase",
    "refit",
    "regress",
]

# Relative to the mean square of a column:
RIDGE = 1e-5  # pixels that never vary must not make a regression singular
ROUNDING = 1e-12  # nor may a layer of few signs, whose rows can depend on each other; below what float32 resolves


@checked
@steady
def rebase(recipe: Recipe, params: Tree, old: Tree, new: Tree) -> Tree:
    """Params that answer behind the layer `new` as the given ones do behind `old`: A' = pinv(W_new) W_old A.

    No data are needed. It ignores an activation after the layer.

    Args:
      recipe: with a layer and one of polejax's models.
      params: the model's, of one network.
      old, new: variables of the layers, as `SecureMappingLayer.derive` returns them.

    Raises:
      ValueError: there is no layer, or the model's first weights do not see all of a sample's or patch's features.

    Source: ours; see the module's head.
    """
    if recipe.sml is None:
        raise ValueError("sml must be a layer to be re-based from, got None: without one, a stolen model fits as it is")
    before, after = _kernel_of("old", old), _kernel_of("new", new)
    if not isinstance(recipe.model, MultilayerPerceptron) and recipe.sml.patch is None:
        raise ValueError(
            "model must be dense, or the layer per patch, to be re-based by algebra, got a convolution over a flat "
            "layer: use refit"
        )
    layer = _first_weights(recipe, params)
    first = layer["weight"].T
    with jax.default_matmul_precision("highest"):
        change = _solved(after, before, ROUNDING)
        carried = jnp.einsum("fg,sgh->sfh", change, first.reshape(-1, before.shape[1], first.shape[-1]))
    return _with_first(recipe, params, carried.reshape(first.shape), layer["bias"])


@checked
@steady
def refit(recipe: Recipe, params: Tree, old: Tree, new: Tree, inputs: Array) -> Tree:
    """Params whose first weights are fitted by least squares to what the given ones' see behind the layer `old`.

    Over the samples, `|h_new(x) A' + b' - h_old(x) A - b|^2` plus a small ridge is made least: through any activation
    after the layer, for compressive ones too, and for convolutions over all pixels' patches.

    Args:
      recipe: with one of polejax's models.
      params: of one network; without a layer of its own if `old` is None.
      old: variables of the layer that it was trained behind, or None if it was trained on the samples themselves.
      new: variables of the layer that it shall answer behind.
      inputs: f32[M, D], samples; the attacker must know them, not only their images behind its own layer.

    Source: ours.
    """
    checks.real("inputs", inputs, ndim=2)
    _first_weights(recipe, params)
    seen = inputs if old is None else recipe.map_inputs(old, inputs)
    with jax.default_matmul_precision("highest"):
        model, first = layered(recipe.model), _first_weights(recipe, params)
        wanted = model.first_inputs(seen) @ first["weight"].T + first["bias"][None]
        regressors = model.first_inputs(recipe.map_inputs(new, inputs))
        kernel, bias = least_squares(regressors, wanted)
    return _with_first(recipe, params, kernel, bias)


@checked
@steady
def least_squares(regressors: Array, wanted: Array) -> tuple[Array, Array]:
    """Kernel f32[F, H] and bias f32[H] of the closest affine map from f32[M, F] to f32[M, H], with a small ridge."""
    for name, value in (("regressors", regressors), ("wanted", wanted)):
        checks.real(name, value, ndim=2)
    if np.shape(regressors)[0] != np.shape(wanted)[0]:
        raise ValueError(f"wanted must have a row per regressor, {len(regressors)}, got {len(wanted)}")
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


@checked
@steady
def regress(recipe: Recipe, params: Tree, new: Tree, inputs: Array, labels: Array) -> Tree:
    """Params that answer with the least-squares regression of the labels on the mapped samples; nothing is stolen.

    The control for `refit`: whatever this reaches, it is owed to a regression and not to the theft. Units come in pairs
    of opposite weights, whose ReLUs make a linear map.

    Args:
      recipe: whose model has one hidden layer of at least 2 C units with ReLU.
      params: of one network, for their shapes.
      new: variables of the layer that it shall answer behind.
      inputs, labels: f32[M, D] and i32[M], training samples.

    Raises:
      ValueError: the model is another.

    Source: ours.
    """
    checks.real("inputs", inputs, ndim=2)
    _first_weights(recipe, params)
    if np.shape(labels) != np.shape(inputs)[:1] or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels must be whole numbers, one per sample, got {checks.shown(labels)}")
    classes = recipe.task.num_classes
    model = recipe.model
    if not holds_regression(model, classes):
        raise ValueError(
            f"model must have one dense hidden layer of at least {2 * classes} units to hold a regression, "
            f"got {checks.shown(model)}"
        )
    with jax.default_matmul_precision("highest"):
        targets = jax.nn.one_hot(labels, classes, dtype=jnp.float32)
        kernel, bias = least_squares(recipe.map_inputs(new, inputs), targets)
    spare = model.hidden[0] - 2 * classes
    first = jnp.pad(jnp.concatenate([kernel, -kernel], axis=1), ((0, 0), (0, spare)))
    second = jnp.pad(jnp.concatenate([jnp.eye(classes), -jnp.eye(classes)]), ((0, spare), (0, 0)))
    bias = jnp.pad(jnp.concatenate([bias, -bias]), (0, spare))
    name = model.layer_names[1]
    last = {"weight": second.T, "bias": jnp.zeros_like(params[name]["bias"])}
    return {**_with_first(recipe, params, first, bias), name: last}


@checked
def holds_regression(model: nn.Module, num_classes: int) -> TypeGuard[MultilayerPerceptron]:
    """Whether a model has one dense hidden layer, with two units for each class at least; see `regress`."""
    num_classes = checks.whole("num_classes", num_classes, low=1)
    return isinstance(model, MultilayerPerceptron) and len(model.hidden) == 1 and model.hidden[0] >= 2 * num_classes


@checked
def layered(model: nn.Module) -> LayeredModel:
    """The model, once it is known to be one whose first weights can be read and changed.

    Raises:
      ValueError: it is not.
    """
    if not isinstance(model, LayeredModel):
        raise ValueError(f"model must be one of polejax.models to be re-based, got {type(model).__name__}")
    return model


def _kernel_of(name: str, layer: Tree) -> Array:
    """The kernel of a layer's variables, as `SecureMappingLayer.derive` returns them."""
    if "sml" not in layer or "kernel" not in layer["sml"]:
        raise ValueError(f"{name} must be variables of a Secure Mapping Layer, got {checks.shown(layer)}: see derive")
    return layer["sml"]["kernel"]


def _first_weights(recipe: Recipe, params: Tree) -> Tree:
    """Weight and bias of a model's first layer."""
    name = _first_layer(recipe)
    if name not in params or not {"weight", "bias"} <= set(params[name]):
        raise ValueError(f"params must be the model's, with a layer {name}, got {checks.shown(list(params))}")
    return params[name]


def _first_layer(recipe: Recipe) -> str:
    """Name of the model's first layer in its params."""
    return layered(recipe.model).layer_names[0]


def _with_first(recipe: Recipe, params: Tree, kernel: Array, bias: Array) -> Tree:
    return {**params, _first_layer(recipe): {"weight": kernel.T, "bias": bias}}


def __dir__() -> list[str]:
    return __all__
