"""Products: a product of matrices or a convolution as rows times one matrix, and where layout moves numbers to."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.types import Array
from polejax.attacks.flat_program import FlatProgram, Line

LAYOUT = frozenset({
    *("reshape", "transpose", "squeeze", "copy", "copy_p", "convert_element_type", "optimization_barrier", "rev"),
    *("expand_dims", "broadcast_in_dim"),
})  # fmt: skip
"""Operations that move numbers and compute none."""
CUTS = LAYOUT | {"pad", "concatenate", "slice"}
"""Those that put zeros between samples' features, or leave some out, too."""


class NoFirstLayer(ValueError):
    """A model's first weights cannot be told, or cannot be changed to carry it over; the message says why."""


def is_product(line: Line, side: int) -> bool:
    """Whether an operation multiplies values at one side with one matrix, or convolves them with one kernel."""
    params = line.equation.params
    if line.name == "dot_general":
        return not any(params["dimension_numbers"][1])
    grouped = (params.get("feature_group_count", 1), params.get("batch_group_count", 1))
    return line.name == "conv_general_dilated" and side == 0 and grouped == (1, 1)


def as_rows(line: Line, side: int, values: Array) -> Array:
    """The values that a product reads, f32[R, K]: one row for each of its results at one unit."""
    params = line.equation.params
    if line.name == "dot_general":
        axes = params["dimension_numbers"][0][side]
        moved = jnp.moveaxis(values, axes, range(-len(axes), 0))
        return moved.reshape(-1, math.prod(values.shape[axis] for axis in axes))
    batch, channel, *places = params["dimension_numbers"].lhs_spec
    filters = [line.equation.invars[1].aval.shape[axis] for axis in params["dimension_numbers"].rhs_spec[2:]]
    patches = jax.lax.conv_general_dilated_patches(
        jnp.transpose(values, (batch, channel, *places)),
        filters,
        params["window_strides"],
        params["padding"],
        params["lhs_dilation"],
        params["rhs_dilation"],
        precision=jax.lax.Precision.HIGHEST,
    )
    return jnp.moveaxis(patches, 1, -1).reshape(-1, patches.shape[1])


def as_matrix(line: Line, side: int, kernel: np.ndarray) -> np.ndarray:
    """A kernel as the matrix [K, U] that `as_rows` is multiplied with."""
    params = line.equation.params
    if line.name == "dot_general":
        axes = params["dimension_numbers"][0][1 - side]
        moved = np.moveaxis(kernel, axes, range(len(axes)))
        return moved.reshape(math.prod(kernel.shape[axis] for axis in axes), -1)
    out, into, *places = params["dimension_numbers"].rhs_spec
    return np.transpose(kernel, (into, *places, out)).reshape(-1, kernel.shape[out])


def moved_by(
    program: FlatProgram, wanted: int, source: int, numbers: np.ndarray, allowed: frozenset[str]
) -> np.ndarray:
    """Where operations that compute nothing move the numbers of a source to; what they add is 0.

    Raises:
      NoFirstLayer: on the way, something is computed.
    """
    if wanted == source:
        return numbers
    line = program.maker(wanted)
    if line is None:
        value = np.asarray(program.known[wanted])
        if value.any():
            raise NoFirstLayer("samples are joined with other numbers before the first weights")
        return np.zeros(value.shape, np.int32)
    if line.name not in allowed:
        raise NoFirstLayer(f"{line.name} comes between what is read and the product")
    moved = [moved_by(program, one, source, numbers, allowed) for one in line.sources]
    if line.name in ("convert_element_type", "copy", "copy_p", "optimization_barrier"):
        return moved[line.results.index(wanted)]
    with jax.ensure_compile_time_eval():
        return np.asarray(line.values([jnp.asarray(one) for one in moved])[0])
