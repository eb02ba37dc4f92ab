"""What every record must do as a JAX pytree."""

from typing import Any

import jax
import numpy as np

from polejax._core import checks


def check_pytree(name: str, value: Any) -> None:
    """Raise a ValueError unless a record flattens into numbers, and is built again from whatever JAX puts there."""
    leaves, tree = jax.tree.flatten(value)
    for path, leaf in jax.tree_util.tree_leaves_with_path(value):
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float):
            place = jax.tree_util.keystr(path)
            raise ValueError(
                f"{name}{place} must be an array or a number, got {checks.shown(leaf)}: declare it with static()"
            )
    markers = [object() for _ in leaves]
    if jax.tree.leaves(jax.tree.unflatten(tree, markers)) != markers:
        raise ValueError(f"{name} must flatten and unflatten as a record does: leave that to polejax's base class")


def differs(got: Any, wanted: Any, *, exactly: bool = False) -> bool:
    """Whether two trees of one structure differ: numbers beyond rounding (relatively 1e-5), all else at all."""
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        first, second = np.asarray(one), np.asarray(other)
        if exactly or not np.issubdtype(first.dtype, np.floating):
            if not np.array_equal(first, second):
                return True
        elif not np.allclose(first, second, rtol=1e-5, atol=1e-6, equal_nan=True):
            return True
    return False
