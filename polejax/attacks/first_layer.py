"""First layers: which kernel of a model reads the samples, whatever it is called, and how to change it.

A model's own program says so: the first product (of matrices, or a convolution) of one parameter with values that
depend on the samples and on no parameter. An attacker who re-bases a model changes that kernel, and the bias that is
added to the product. It must be the only place where samples meet parameters: else the rest of the model would read a
layer that it was not trained behind.
"""

import abc
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from polejax._core import checks
from polejax._core.keys import key_of
from polejax._core.types import Array, Tree
from polejax.attacks.flat_program import FlatProgram
from polejax.attacks.products import CUTS, LAYOUT, NoFirstLayer, as_matrix, as_rows, is_product, moved_by
from polejax.learning.networks import LayeredModel


class FirstLayer(abc.ABC):
    """The kernel that reads the samples, as a matrix f32[K, U], and its bias f32[U], if it has one.

    Args:
      num_features: F, of a sample behind the Secure Mapping Layer.
    """

    has_bias: bool = True

    def __init__(self, num_features: int) -> None:
        self.num_features = num_features

    @abc.abstractmethod
    def rows(self, inputs: Array) -> Array:
        """What the matrix is multiplied with, f32[R, K], of samples f32[M, F]."""

    @abc.abstractmethod
    def matrix(self, params: Tree) -> Array:
        """The matrix f32[K, U]."""

    @abc.abstractmethod
    def bias(self, params: Tree) -> Array:
        """The bias f32[U]; zeros where there is none."""

    @abc.abstractmethod
    def put(self, params: Tree, matrix: Array, bias: Array) -> Tree:
        """Params with another matrix and bias; the matrix may be that of another number of features."""

    @abc.abstractmethod
    def differs_only_there(self, shapes: Tree, others: Tree) -> bool:
        """Whether two models' parameters have the same shapes, given as nests of tuples, but for this kernel."""

    @abc.abstractmethod
    def _numbered(self) -> np.ndarray:
        """Which feature of one sample, from 1 on, each entry of its rows is, i32[R, K]; 0: none of them."""

    def groups(self, features: int) -> np.ndarray:
        """Places of the matrix's rows i64[G, features]: each group reads all features of one place of a sample.

        Args:
          features: of one place, those of all that a Secure Mapping Layer maps at once: of a sample, or of a patch.

        Raises:
          NoFirstLayer: the rows are no such groups, so that no change of the matrix undoes a layer.
        """
        numbers = self._numbered()
        feature = (numbers - 1) % features
        place = np.where(numbers > 0, (numbers - 1) // features, -1)
        whose = np.where(numbers > 0, feature, -1).max(axis=0)
        if (whose < 0).any() or ((numbers > 0) & (feature != whose)).any():
            raise NoFirstLayer("its first weights read neighbourhoods, and the layer mixes all that it maps")
        _, group = np.unique(place, axis=1, return_inverse=True)
        order = np.lexsort((whose, group.ravel())).reshape(-1, features) if len(whose) % features == 0 else None
        if (
            order is None
            or (whose[order] != np.arange(features)).any()
            or (group.ravel()[order].T != group[order[:, 0]]).any()
        ):
            raise NoFirstLayer("its first weights do not read all that the layer maps at once")
        return order


@functools.lru_cache(maxsize=64)
def first_layer(model: nn.Module, num_features: int, first_kernel: str | None = None) -> FirstLayer:
    """The first layer of a model that reads samples of F features.

    Args:
      model: any Flax Linen module that a `Recipe` takes.
      num_features: F, behind the Secure Mapping Layer.
      first_kernel: path of the kernel among the parameters, as "Dense_0/kernel"; None: it is looked for.

    Raises:
      NoFirstLayer: there is none, in one line that says why.
      ValueError: no parameter has such a path.
    """
    if isinstance(model, LayeredModel) and first_kernel is None:
        return _Layered(model, num_features)
    return _Traced(model, num_features, first_kernel)


def check_kernel(model: nn.Module, num_features: int, first_kernel: str) -> None:
    """Raise a ValueError unless a model reads its samples by the parameter of this path."""
    try:
        first_layer(model, num_features, first_kernel)
    except NoFirstLayer as error:
        raise ValueError(f"first_kernel must read the samples, got {first_kernel!r}: {error}") from None


class _Layered(FirstLayer):
    """That of polejax's own models, which say what it is."""

    def __init__(self, model: LayeredModel, num_features: int) -> None:
        super().__init__(num_features)
        self._model, self._name = model, model.layer_names[0]

    def rows(self, inputs: Array) -> Array:
        return self._model.first_inputs(inputs)

    def _part(self, params: Tree) -> Tree:
        if self._name not in params or not {"weight", "bias"} <= set(params[self._name]):
            raise ValueError(f"params must be the model's, with a layer {self._name}, got {checks.shown(list(params))}")
        return params[self._name]

    def matrix(self, params: Tree) -> Array:
        weight: Array = self._part(params)["weight"]
        return weight.T

    def bias(self, params: Tree) -> Array:
        return self._part(params)["bias"]

    def put(self, params: Tree, matrix: Array, bias: Array) -> Tree:
        return {**params, self._name: {"weight": matrix.T, "bias": bias}}

    def differs_only_there(self, shapes: Tree, others: Tree) -> bool:
        return True  # the first layer alone depends on the number of features

    def _numbered(self) -> np.ndarray:
        sample = jax.ShapeDtypeStruct((1, self.num_features), jnp.float32)
        program = FlatProgram(lambda _, inputs: self.rows(inputs), {}, sample)
        numbers = np.arange(1, self.num_features + 1, dtype=np.int32)[None]
        return moved_by(program, program.answers[0], program.inputs, numbers, CUTS)


class _Traced(FirstLayer):
    """That of any model, found in its program."""

    def __init__(self, model: nn.Module, num_features: int, first_kernel: str | None) -> None:
        super().__init__(num_features)
        self._model = model
        sample = jax.ShapeDtypeStruct((1, num_features), jnp.float32)
        self._params = jax.eval_shape(model.init, key_of(0), sample)["params"]
        leaves = jax.tree_util.tree_leaves_with_path(self._params)
        self._paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
        self._shapes = [leaf.shape for _, leaf in leaves]
        if first_kernel is not None and first_kernel not in self._paths:
            raise ValueError(f"first_kernel must be one of {', '.join(self._paths)}; got {first_kernel!r}")
        self._programs: dict[int, FlatProgram] = {}
        program = self._program(1)
        self._at, self._side, self._kernel = self._product(program, first_kernel)
        line = program.lines[self._at]
        places = np.arange(math.prod(self._shapes[self._kernel]), dtype=np.int32).reshape(self._shapes[self._kernel])
        moved = moved_by(program, line.sources[1 - self._side], program.params[self._kernel], places, LAYOUT)
        if moved.size != places.size or len(np.unique(moved)) != places.size:
            raise NoFirstLayer(f"{self._paths[self._kernel]} is not used as it is")
        self._order = as_matrix(line, self._side, moved)
        self._bias = self._bias_of(program)
        self.has_bias = self._bias is not None

    def _program(self, samples: int) -> FlatProgram:
        if samples not in self._programs:
            inputs = jax.ShapeDtypeStruct((samples, self.num_features), jnp.float32)
            answers = lambda params, inputs: self._model.apply({"params": params}, inputs)  # noqa: E731
            self._programs[samples] = FlatProgram(answers, self._params, inputs)
        return self._programs[samples]

    def _product(self, program: FlatProgram, first_kernel: str | None) -> tuple[int, int, int]:
        """Which operation it is, which of its sources are the samples, and which leaf the kernel is."""
        others = set()
        found: tuple[int, int, int] | None = None
        for at, line in enumerate(program.lines):
            samples = [
                side for side, one in enumerate(line.sources) if one in program.reads and not _leaves(program, one)
            ]
            leaves = [leaf for one in line.sources for leaf in _leaves(program, one)]
            if not samples or not leaves:
                continue
            fits = is_product(line, samples[0]) and len(leaves) == 1
            if fits and found is None and first_kernel in (None, self._paths[leaves[0]]):
                found = at, samples[0], leaves[0]
            else:
                others |= {f"{line.name} with {self._paths[leaf]}" for leaf in leaves}
        if found is None:
            tried = f" ({', '.join(sorted(others))})" if others else ""
            raise NoFirstLayer(f"no product of the samples with one kernel alone was found in the model{tried}")
        if others and first_kernel is None:
            raise NoFirstLayer(
                f"the samples are read by {self._paths[found[2]]} and also by {', '.join(sorted(others))}: "
                "name one by first_kernel to change it alone"
            )
        return found

    def _bias_of(self, program: FlatProgram) -> int | None:
        """The leaf that is added to the product, one number a unit."""
        product = set(program.lines[self._at].results)
        for line in program.lines[self._at + 1 :]:
            if line.name in LAYOUT and product.intersection(line.sources):
                product.update(line.results)
            elif line.name in ("add", "add_any") and product.intersection(line.sources):
                (other,) = [one for one in line.sources if one not in product] or [line.sources[0]]
                leaves = list(_leaves(program, other))
                one_a_unit = len(leaves) == 1 and math.prod(self._shapes[leaves[0]]) == self._order.shape[1]
                return leaves[0] if one_a_unit and leaves[0] != self._kernel and other not in program.reads else None
        return None

    def rows(self, inputs: Array) -> Array:
        program = self._program(inputs.shape[0])
        line = program.lines[self._at]
        return as_rows(line, self._side, program.value(line.sources[self._side], {program.inputs: inputs}))

    def matrix(self, params: Tree) -> Array:
        return jnp.asarray(self._leaf(params, self._kernel)).reshape(-1)[self._order]

    def bias(self, params: Tree) -> Array:
        if self._bias is None:
            return jnp.zeros(self._order.shape[1])
        return jnp.asarray(self._leaf(params, self._bias)).reshape(-1)

    def _leaf(self, params: Tree, at: int) -> Array:
        leaves = jax.tree.leaves(params)
        if len(leaves) != len(self._shapes) or np.shape(leaves[at]) != self._shapes[at]:
            raise ValueError(f"params must be the model's, with {self._paths[at]}, got {checks.shown(list(params))}")
        leaf: Array = leaves[at]
        return leaf

    def put(self, params: Tree, matrix: Array, bias: Array) -> Tree:
        leaves = jax.tree.leaves(params)
        flat = jnp.zeros(self._order.size).at[self._order].set(matrix)
        leaves[self._kernel] = flat.reshape(self._shapes[self._kernel])
        if self._bias is not None:
            leaves[self._bias] = bias.reshape(self._shapes[self._bias])
        return jax.tree.unflatten(jax.tree.structure(params), leaves)

    def differs_only_there(self, shapes: Tree, others: Tree) -> bool:
        def leaves(tree: Tree) -> list[Any]:
            return jax.tree.leaves(tree, is_leaf=lambda part: isinstance(part, tuple))

        differing = {
            at for at, pair in enumerate(zip(leaves(shapes), leaves(others), strict=True)) if pair[0] != pair[1]
        }
        return differing <= {self._kernel}

    def _numbered(self) -> np.ndarray:
        program = self._program(1)
        line = program.lines[self._at]
        numbers = np.arange(1, self.num_features + 1, dtype=np.int32)[None]
        moved = moved_by(program, line.sources[self._side], program.inputs, numbers, CUTS)
        with jax.ensure_compile_time_eval():
            return np.asarray(as_rows(line, self._side, jnp.asarray(moved, jnp.float32))).astype(int)


def _leaves(program: FlatProgram, number: int) -> frozenset[int]:
    return program.depends.get(number, frozenset())
