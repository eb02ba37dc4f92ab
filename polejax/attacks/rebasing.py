"""Re-basing: carrying a network from behind one Secure Mapping Layer to behind another by changing its first weights.

A network whose first layer is dense sees `x W_i A + b` of a sample x behind node i's layer W_i. Behind W_j, the weights

    A' = W_j^+ W_i A

give `x W_j A' + b = x W_i A + b`, the same answers, whenever W_j has as many independent rows as x has features (square
or expanding layers), since then `W_j W_j^+ = I`. Otherwise it is the closest linear answer. A convolution over patches,
each mapped by the same W, is such a network too. `polejax.attacks.first_layer` finds the first layer of any model.
"""

from typing import TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Array, Tree
from polejax.attacks.first_layer import FirstLayer, first_layer
from polejax.attacks.products import NoFirstLayer
from polejax.learning.networks import MultilayerPerceptron
from polejax.learning.recipe import Recipe

__all__ = [
    "holds_regression",
    "least_squares",
    "rebase",
    "refit",
    "regress",
]

# Relative to the mean square of a column:
RIDGE = 1e-5  # pixels that never vary must not make a regression singular
ROUNDING = 1e-12  # nor may a layer of few signs, whose rows can depend on each other; below what float32 resolves


@checked
@single("recipe")
@steady
def rebase(recipe: Recipe, params: Tree, old: Tree, new: Tree, first_kernel: str | None = None) -> Tree:
    """Params that answer behind the layer `new` as the given ones do behind `old`: A' = pinv(W_new) W_old A.

    No data are needed. It ignores an activation after the layer.

    Args:
      recipe: with a layer.
      params: the model's, of one network.
      old, new: variables of the layers, as `SecureMappingLayer.derive` returns them.
      first_kernel: path of the kernel that reads the samples, as "Dense_0/kernel"; None: it is looked for.

    Raises:
      ValueError: there is no layer, or the model's first weights do not see all of a sample's or patch's features.

    Source: ours; see the module's head.
    """
    if recipe.sml is None:
        raise ValueError("sml must be a layer to be re-based from, got None: without one, a stolen model fits as it is")
    before, after = _kernel_of("old", old), _kernel_of("new", new)
    first = _first(recipe.model, recipe.mapped_features, first_kernel)
    try:
        groups = first.groups(before.shape[1])
    except NoFirstLayer as error:
        raise ValueError(f"model cannot be re-based by algebra, as {error}: use refit") from None
    matrix = first.matrix(params)
    with jax.default_matmul_precision("highest"):
        change = _solved(after, before, ROUNDING)
        carried = jnp.einsum("fg,sgh->sfh", change, matrix[groups])
    return first.put(params, jnp.zeros_like(matrix).at[groups].set(carried), first.bias(params))


@checked
@single("recipe")
@steady
def refit(
    recipe: Recipe, params: Tree, old: Tree | None, new: Tree, inputs: Array, first_kernel: str | None = None
) -> Tree:
    """Params whose first weights are fitted by least squares to what the given ones' see behind the layer `old`.

    Over the samples, `|h_new(x) A' + b' - h_old(x) A - b|^2` plus a small ridge is made least: through any activation
    after the layer, for compressive ones too, and for convolutions over all pixels' patches.

    Args:
      recipe: of any model whose first weights can be told (`polejax.attacks.first_layer`).
      params: of one network; without a layer of its own if `old` is None.
      old: variables of the layer that it was trained behind, or None if it was trained on the samples themselves.
      new: variables of the layer that it shall answer behind.
      inputs: f32[M, D], samples; the attacker must know them, not only their images behind its own layer.
      first_kernel: as in `rebase`.

    Raises:
      ValueError: the model's first weights cannot be told.

    Source: ours.
    """
    checks.real("inputs", inputs, ndim=2)
    after = _first(recipe.model, recipe.mapped_features, first_kernel)
    seen = inputs if old is None else recipe.map_inputs(old, inputs)
    before = _first(recipe.model, seen.shape[1], first_kernel)
    with jax.default_matmul_precision("highest"):
        wanted = before.rows(seen) @ before.matrix(params) + before.bias(params)[None]
        regressors = after.rows(recipe.map_inputs(new, inputs))
        if not after.has_bias:
            return after.put(params, _solved(regressors, wanted, RIDGE), after.bias(params))
        return after.put(params, *least_squares(regressors, wanted))


def _first(model: nn.Module, num_features: int, first_kernel: str | None) -> FirstLayer:
    try:
        return first_layer(model, num_features, first_kernel)
    except NoFirstLayer as error:
        raise ValueError(f"model must have first weights that can be changed, but {error}") from None


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
@single("recipe")
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
    read = first_layer(model, recipe.mapped_features)
    read.matrix(params)  # refuses others'
    last = {"weight": second.T, "bias": jnp.zeros_like(params[name]["bias"])}
    return {**read.put(params, first, bias), name: last}


@checked
def holds_regression(model: nn.Module, num_classes: int) -> TypeGuard[MultilayerPerceptron]:
    """Whether a model has one dense hidden layer, with two units for each class at least; see `regress`."""
    num_classes = checks.whole("num_classes", num_classes, low=1)
    return isinstance(model, MultilayerPerceptron) and len(model.hidden) == 1 and model.hidden[0] >= 2 * num_classes


def _kernel_of(name: str, layer: Tree) -> Array:
    """The kernel of a layer's variables, as `SecureMappingLayer.derive` returns them."""
    if "sml" not in layer or "kernel" not in layer["sml"]:
        raise ValueError(f"{name} must be variables of a Secure Mapping Layer, got {checks.shown(layer)}: see derive")
    return layer["sml"]["kernel"]


def __dir__() -> list[str]:
    return __all__
