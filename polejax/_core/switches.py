"""Switches: global settings of JAX, XLA and NumPy that change numbers, and how polejax computes whatever they are.

`steady` marks what users call: inside, the settings that change numbers have the values that polejax is tested with, in
this thread and until the call returns. What cannot be set for a call alone is refused. docs/switches.md lists them all.
"""

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, overload

import jax
import jax.experimental
import numpy as np

from polejax._core.keys import GENERATOR

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_FAST_MATH = re.compile(r"--xla_cpu_enable_fast_math(?!\S*=(false|0)\b)", re.IGNORECASE)

# `jax.enable_x64` came with jax 0.8.
_enable_x64: Any = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # type: ignore[attr-defined,unused-ignore]


@contextlib.contextmanager
def pinned(compiled: bool = True) -> Iterator[None]:
    """Compute, inside the `with` block, as polejax is tested: 32 bits, Threefry, infinities allowed.

    Args:
      compiled: whether `jax_disable_jit` is without effect, too.

    Raises:
      ValueError: a setting that changes numbers and cannot be set for a block alone; with the remedy, in one line.
    """
    check()
    with (
        _enable_x64(False),
        jax.default_prng_impl(GENERATOR),
        jax.threefry_partitionable(True),
        jax.debug_infs(False),  # infinity stands for "never"
        np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
        jax.disable_jit(False) if compiled else contextlib.nullcontext(),
    ):
        yield


@overload
def steady(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]: ...


@overload
def steady(*, compiled: bool = True) -> Callable[[Callable[_Arguments, _Result]], Callable[_Arguments, _Result]]: ...


def steady(function: Any = None, *, compiled: bool = True) -> Any:
    """Make a function compute the same numbers whatever the global settings are; see `pinned`."""
    if function is None:
        return functools.partial(steady, compiled=compiled)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with pinned(compiled):
            return function(*args, **kwargs)

    return call


def check() -> None:
    """Raise a ValueError of one line if a setting changes numbers and cannot be set for a call alone."""
    if _FAST_MATH.search(os.environ.get("XLA_FLAGS", "")):
        raise ValueError(
            "XLA_FLAGS must not have --xla_cpu_enable_fast_math, which takes NaN and infinity for numbers: "
            "remove it and start Python again"
        )


def settings() -> dict[str, str]:
    """Settings that change bits and are the user's choice, by name, as files of results record them; mostly empty."""
    precision: Any = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    flags = os.environ.get("XLA_FLAGS", "")
    chosen = {"matmul_precision": precision, "xla_flags": flags}
    return {name: str(value) for name, value in chosen.items() if value}
