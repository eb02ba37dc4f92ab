"""Models of Flax's newer interface, `nnx`, through its functional API: a structure, and parameters as a tree."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

from polejax._core import checks
from polejax._core.keys import key_of
from polejax._core.switches import steady
from polejax._core.types import Array, Key, Tree


class NnxModel(nn.Module):
    """A Linen module that computes what an `nnx` module does, with its parameters under the same names.

    Args:
      build: called as `build(rngs=nnx.Rngs(...))`, makes the module.
    """

    build: Callable[..., Any]

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        """Return logits f32[M, C] of inputs f32[M, D]."""
        structure, parameters, *_ = nnx.split(nnx.eval_shape(lambda: self.build(rngs=nnx.Rngs(0))), nnx.Param, ...)
        drawn = _pure(parameters)  # shapes alone, with which Flax compares what it is given
        if self.is_initializing():
            drawn = _pure(nnx.split(self.build(rngs=nnx.Rngs(self.make_rng("params"))), nnx.Param, ...)[1])
        used = {name: self.param(name, _taken(part)) for name, part in drawn.items()}
        nnx.replace_by_pure_dict(parameters, used)
        answer: Array = nnx.merge(structure, parameters)(inputs)
        return answer


@steady
def from_nnx(build: Callable[..., Any]) -> NnxModel:
    """A model from an `nnx` module, whose weights every node draws anew.

    Args:
      build: called as `build(rngs=nnx.Rngs(...))`, makes the module: its class, or `functools.partial(Class, ...)` of
        it and its other arguments. A lambda will do, but models with one can be neither pickled nor compared.

    Raises:
      ValueError: it makes no `nnx` module, or one with state beyond its parameters, as Dropout and BatchNorm have.
    """
    if isinstance(build, nnx.Module) or not callable(build):
        raise ValueError(
            f"build must be a function of rngs that makes an nnx module, got {checks.shown(build)}: {_WAY}"
        )
    try:
        made = nnx.eval_shape(lambda: build(rngs=nnx.Rngs(key_of(0))))
    except Exception as error:  # of any kind: it is the user's function
        reason = (str(error).splitlines() or [""])[0][:100]
        raise ValueError(
            f"build must make an nnx module of rngs, got one that raises {type(error).__name__} ({reason}): {_WAY}"
        ) from None
    if not isinstance(made, nnx.Module):
        raise ValueError(f"build must make an nnx module, got one that makes another object: {_WAY}")
    _, parameters, *rest = nnx.split(made, nnx.Param, ...)
    others = jax.tree_util.tree_leaves_with_path(_pure(rest[0]))
    if others or not _pure(parameters):
        where = jax.tree_util.keystr(others[0][0], simple=True, separator="/") if others else "no parameters"
        raise ValueError(f"build must make a module with parameters only, got {where}: leave out Dropout and BatchNorm")
    return NnxModel(build)


_WAY = "pass polejax.models.from_nnx the class, or functools.partial(Class, ...)"


def refusal(model: Any) -> str | None:
    """How to pass an `nnx` module that stands where a Linen module belongs; None: it is none."""
    if isinstance(model, nnx.Module) or (isinstance(model, type) and issubclass(model, nnx.Module)):
        name = model.__name__ if isinstance(model, type) else type(model).__name__
        return (
            f"model must be a Flax Linen module, got the nnx module {name}: pass polejax.models.from_nnx({name}), or "
            f"from_nnx(functools.partial({name}, ...)), so that every node draws weights of its own"
        )
    return None


def _taken(part: Tree) -> Callable[[Key], Tree]:
    """How Flax is to initialise parameters that are drawn already."""
    return lambda key: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype) if _abstract(leaf) else leaf, part)


def _abstract(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _pure(state: Any) -> dict[str, Any]:
    pure: dict[str, Any] = nnx.to_pure_dict(state)
    return pure
