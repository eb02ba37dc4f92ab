"""Sweeps: records whose arrays have more axes than their fields declare, and the one check that refuses them."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

_Function = TypeVar("_Function", bound=Callable[..., Any])


def mismatches(value: Any, inside: int = 0) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Array fields of a record, and of those in it, whose number of axes is not the declared one.

    Args:
      value: a record; fields declared with `polejax._core.record.axes` are looked at.
      inside: axes that all arrays of the record have in front of their own.

    Yields:
      The field's path, its shape, and how many axes it should have.
    """
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if part is None or field.metadata.get("static"):
            continue
        own = field.metadata.get("axes")
        if dataclasses.is_dataclass(part):
            for path, shape, wanted in mismatches(part, inside + (own or 0)):
                yield f"{field.name}.{path}", shape, wanted
        elif own is not None and np.ndim(part) != own + inside:
            yield field.name, np.shape(part), own + inside


def check_single(name: str, value: Any) -> None:
    """Raise a ValueError unless every array of a record has as many axes as its field declares.

    A record whose arrays have leading axes stands for many, a sweep, which only `jax.vmap` takes apart: within it,
    tracers have their own axes alone. Without `vmap`, an array with as many entries as there are nodes would be taken
    for one number per node.

    Args:
      name: of the record; "" leaves the paths of its fields as they are.
      value: a record.
    """
    for path, shape, wanted in mismatches(value):
        place = f"{name}.{path}" if name else path
        if len(shape) < wanted:
            raise ValueError(f"{place} must have {_count(wanted)}, got shape {shape}: see its docstring")
        raise ValueError(
            f"{place} must {'be one number' if not wanted else f'have {_count(wanted)}'}, got shape {shape}, a sweep: "
            "run it under jax.vmap, or give pj.study a list of scenarios"
        )


def single(*names: str) -> Callable[[_Function], _Function]:
    """Make a function refuse records with swept arrays for the arguments of these names; see `check_single`."""

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def with_check(*args: Any, **options: Any) -> Any:
            given = signature.bind(*args, **options).arguments
            for name in names:
                if dataclasses.is_dataclass(given.get(name)) and not isinstance(given[name], type):
                    check_single(name, given[name])
            return function(*args, **options)

        return with_check  # type: ignore[return-value]

    return decorate


def _count(axes: int) -> str:
    return "one axis" if axes == 1 else f"{axes} axes"
