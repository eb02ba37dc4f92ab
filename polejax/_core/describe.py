"""Descriptions: records as JSON values, to print, to compare and to store in files; nothing is pickled."""

import dataclasses
import functools
import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.record import Record

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # of an object in memory: another one in every process
_LISTED = {0: 1, 1: 4_096, 2: 256}  # by number of axes: elements up to which an array is listed, not digested


class FunctionName(str):
    """What a function, class or callable object is called; equal names do not mean equal functions."""


def describe(value: Any) -> Any:
    """Describe what a record holds, as nested dicts, lists, strings and numbers of JSON.

    Args:
      value: a record, Flax module, array, typed key, function, plain value or container of them.

    Returns:
      Records as {"type": name, field: ...}, with the fields of their `inlined` records beside their own; short arrays
      as lists, long ones as shape, dtype and SHA-256; functions as "module.name"; infinities as "inf". Equal
      descriptions mean equal outcomes but for functions and classes, which `fingerprint` tells apart.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value))
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return {"key": np.asarray(jax.random.key_data(value)).tolist(), "law": str(jax.random.key_impl(value))}
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _describe_array(np.asarray(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hidden = ("parent", "name") if hasattr(value, "init_with_output") else ()  # fields of every Flax module
        fields = {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in hidden}
        for name in value.inlined if isinstance(value, Record) else ():
            inner = fields.pop(name)
            fields |= {field: part for field, part in inner.items() if field != "type"}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(name): describe(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [describe(part) for part in value]
    if isinstance(value, functools.partial):
        return {"function": describe(value.func), "args": describe(value.args), "keywords": describe(value.keywords)}
    if callable(value):
        return _name_of(value)
    return _ADDRESS.sub("", repr(value))


def _name_of(value: Any) -> FunctionName:
    """Module and name; of a callable object, its class's."""
    for name in ("__qualname__", "__name__"):
        if isinstance(found := getattr(value, name, None), str):
            return FunctionName(f"{getattr(value, '__module__', None) or 'unknown'}.{found}")
    return FunctionName(f"{type(value).__module__}.{type(value).__qualname__}")


def _describe_array(array: np.ndarray) -> Any:
    if array.ndim == 0:
        return describe(array.item())
    if array.size <= _LISTED.get(array.ndim, 0):
        return [describe(part) for part in array]
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": digest}


def as_text(description: Any) -> str:
    """Write a description as one line of JSON; equal descriptions give equal text."""
    return json.dumps(description, sort_keys=True, allow_nan=False)


def differences(first: Any, second: Any, name: str = "") -> Iterator[str]:
    """Name the fields in which two descriptions differ, each with both values: "task.name: 'digits', not 'iris'".

    Functions do not differ, whatever they are called: `fingerprint` tells them apart. The second description is one
    that `describe` has made in this process, as text does not say what is a function's name.
    """
    if isinstance(first, str) and isinstance(second, FunctionName):
        return
    if isinstance(first, dict) and isinstance(second, dict) and "sha256" not in first:
        for field in (*first, *(field for field in second if field not in first)):
            inner = f"{name}.{field}" if name else field
            if field not in first or field not in second:
                yield f"{inner}: {_short(first.get(field, 'none'))}, not {_short(second.get(field, 'none'))}"
            else:
                yield from differences(first[field], second[field], inner)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        inner = (differences(*pair, f"{name}[{index}]") for index, pair in enumerate(zip(first, second, strict=True)))
        # only the first element that differs: two data sets differ in thousands
        yield from next((found for part in inner if (found := list(part))), [])
    elif isinstance(first, dict) and isinstance(second, dict) and second.get("shape") == first["shape"]:
        if first != second:
            yield f"{name}: other numbers in shape {tuple(first['shape'])}"
    elif first != second:
        yield f"{name}: {_short(first)}, not {_short(second)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
