"""Checked: a decorator that checks the arguments of a public function by their annotations, before it runs."""

import collections.abc
import functools
import inspect
import os
import pathlib
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

from polejax._core import checks, paths

_Function = TypeVar("_Function", bound=Callable[..., Any])


def checked(function: _Function) -> _Function:
    """Refuse, in one line, arguments that are not of the kinds that a function's annotations name.

    `bool` takes flags, `int` whole numbers, `float` one number, `str` words, `Array` numbers or booleans, a class its
    objects, `Callable`, `Mapping` and `Sequence` what they say. Ranges and shapes are the function's own business, as
    are keys (`checks.key`). Tracers pass as numbers and arrays.

    Raises (the function that is returned):
      ValueError: an argument of another kind, such as None, a class in place of its object, "no" for a flag, True for
        a number.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def with_checks(*args: Any, **options: Any) -> Any:
        hints = _hints(function)
        for name, value in signature.bind(*args, **options).arguments.items():
            if name in hints:
                check(name, value, hints[name])
        return function(*args, **options)

    return with_checks  # type: ignore[return-value]


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(inspect.unwrap(function), localns={"ArrayTree": Any})  # chex names it in its trees


def check(name: str, value: Any, hint: Any) -> None:
    """Raise a ValueError that names the argument unless a value is of the kind that an annotation names."""
    if hint in (Any, jax.Array) or isinstance(hint, TypeVar | typing.ForwardRef):
        return
    if hint is np.ndarray:
        _check_array(name, value)
    elif typing.get_origin(hint) in (typing.Union, types.UnionType):
        _check_any(name, value, typing.get_args(hint))
    elif hint is float:
        _check_float(name, value)
    elif hint in _SIMPLE:
        _SIMPLE[hint](name, value)
    else:
        _check_object(name, value, hint)


def _check_object(name: str, value: Any, hint: Any) -> None:
    origin: Any = typing.get_origin(hint) or hint
    parts = typing.get_args(hint)
    if not inspect.isclass(origin):
        return
    if origin is collections.abc.Callable:
        checks.function(name, value)
    elif not isinstance(value, origin) or (isinstance(value, str) and issubclass(str, origin)):
        wanted = _CONTAINERS.get(origin) or _article(origin.__name__)
        raise ValueError(f"{name} must be {wanted}, got {checks.kind(value)}")
    elif isinstance(value, collections.abc.Mapping) and len(parts) == 2:
        for label, part in value.items():
            check(f"{name}: its labels", label, parts[0])
            check(f"{name}[{checks.shown(label)}]", part, parts[1])
    elif isinstance(value, collections.abc.Sequence) and len(parts) == 1:
        for index, part in enumerate(value):
            check(f"{name}[{index}]", part, parts[0])


def _check_any(name: str, value: Any, hints: tuple[Any, ...]) -> None:
    """Check against several annotations, one of which a value must meet."""
    if value is None and type(None) in hints:
        return
    hints = tuple(hint for hint in hints if hint is not type(None))
    origins = {typing.get_origin(hint) or hint for hint in hints}
    if {collections.abc.Iterable, collections.abc.Mapping} <= origins:
        _check_tree(name, value)
        return
    if any(map(_is_protocol, origins)):  # what NumPy makes an array of: the function looks at it
        return
    if np.ndarray in origins:  # `Array`, `Numeric`, or what NumPy makes an array of
        _check_array(name, value)
        return
    if origins & {os.PathLike, pathlib.Path}:
        paths.checked(name, value)
        return
    classes = tuple(hint for hint in hints if inspect.isclass(hint) and hint is not float and hint not in _SIMPLE)
    if len(classes) == len(hints) > 1 and not isinstance(value, classes):
        wanted = " or ".join(_article(one.__name__) for one in classes)
        raise ValueError(f"{name} must be {wanted}, got {checks.kind(value)}")
    for hint in hints:
        try:
            check(name, value, hint)
        except ValueError as error:
            refusal = error
        else:
            return
    raise refusal


def _is_protocol(origin: Any) -> bool:
    return bool(getattr(origin, "_is_protocol", False))


def _check_array(name: str, value: Any) -> None:
    if not checks.is_traced(value):
        checks.entries(name, value)


def _check_tree(name: str, value: Any) -> None:
    """Raise a ValueError unless a value is a mapping of mappings of arrays, as Flax's parameters and variables are."""
    if not isinstance(value, collections.abc.Mapping) or not all(
        isinstance(leaf, jax.Array | np.ndarray | np.generic) for leaf in jax.tree.leaves(value)
    ):
        raise ValueError(f"{name} must be a dict of arrays, as a Flax module's params, got {checks.shown(value)}")


def _check_float(name: str, value: Any) -> None:
    checks.real(name, value, ndim=0, infinite=True)


_CONTAINERS: dict[Any, str] = {
    collections.abc.Mapping: "a mapping, {name: value}",
    collections.abc.Sequence: "a list or tuple, [value, ...]",
}
_SIMPLE: dict[Any, Callable[[str, Any], Any]] = {
    bool: checks.flag,
    int: functools.partial(checks.whole, low=-(2**63)),
    str: checks.text,
}


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'AEIOU' else 'a'} {word}"
