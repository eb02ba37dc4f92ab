"""Brief: a record in one line, with the sizes of its arrays and the fields that differ from their defaults."""

import dataclasses
import functools
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

WIDTH = 120
"""Characters of a line at most."""
_LISTED = 4  # numbers of an array up to which they are written out
_NESTED = 40  # characters of a value within another


def brief(value: Any) -> str:
    """A record, a named tuple or a Flax module as `Name(...)`, one line of at most `WIDTH` characters.

    Counts (fields `num_...`) stand first, as in "64 seeds"; then fields that differ from their defaults. Arrays of a
    few numbers are listed, others told as dtype and shape. Where the line would be too long, the longest of what is
    nested is told by its class alone, and the next, and then fields are left out at the end ("...").
    """
    name = type(value).__name__[: WIDTH // 2]
    told = {field: part for field, part in changed(value) if part is not None or field in defaults(type(value))}
    counts = [field for field, part in told.items() if field.startswith("num_") and isinstance(part, int)]
    words = [f"{told[field]:,} {field.removeprefix('num_').replace('_', ' ')}" for field in counts if told[field]]
    parts = {field: f"{field}={in_words(part)}" for field, part in told.items() if field not in counts}
    for field in sorted(parts, key=lambda field: -len(parts[field])):
        if len(_joined(name, [*words, *parts.values()])) > WIDTH:
            parts[field] = min(parts[field], f"{field}={in_words(told[field], nested=False)}", key=len)
    texts = [*words, *parts.values()]
    whole = _joined(name, texts)
    shorter = (_joined(name, [*texts[:count], "..."]) for count in reversed(range(len(texts))))
    return next(text for text in (whole, *shorter) if len(text) <= WIDTH)


def _joined(name: str, texts: list[str]) -> str:
    return f"{name}({', '.join(texts)})"


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a record, a named tuple or a Flax module that differ from their defaults, in order.

    Fields of the records in a record's `inlined` fields count as its own.
    """
    known = defaults(type(value))
    for name, part in fields(value):
        if name not in known or not _same(part, known[name]):
            yield name, part


def fields(value: Any) -> Iterator[tuple[str, Any]]:
    """All fields of a record, a named tuple or a Flax module; those of `inlined` records in their place."""
    if isinstance(value, tuple):
        yield from zip(type(value)._fields, value, strict=True)  # type: ignore[attr-defined]
        return
    inlined = getattr(type(value), "inlined", ())  # of records alone, and those of `_core.record` import this file
    hidden = ("parent", "name") if is_flax(value) else ()  # fields of every Flax module
    for field in dataclasses.fields(value):
        if field.name in hidden:
            continue
        part = getattr(value, field.name)
        if field.name in inlined:
            yield from fields(part)
        else:
            yield field.name, part


def is_flax(value: Any) -> bool:
    """Whether a value is a Flax Linen module; Flax is not imported for it."""
    return any(base.__module__.startswith("flax.linen") for base in type(value).__mro__)


def defaults(kind: Any) -> Mapping[str, Any]:
    """Default values of a class's arguments by name."""
    signature = inspect.signature(kind)
    return {
        name: one.default for name, one in signature.parameters.items() if one.default is not inspect.Parameter.empty
    }


def in_words(value: Any, nested: bool = True) -> str:
    """A field's value in a few words."""
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _array(value)
    if isinstance(value, bool | None):
        return str(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, str):
        return _cut(repr(value))
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return value.__qualname__
    if isinstance(value, functools.partial):
        return f"partial({in_words(value.func)}, ...)"
    if is_record(value):
        text = _one_line(value)
        return text if nested or len(text) <= _NESTED else type(value).__name__
    if isinstance(value, list | tuple):
        return _sequence(value, nested)
    if isinstance(value, Mapping):
        return f"{type(value).__name__} of {len(value):,}"
    return _cut(_one_line(value))


def is_record(value: Any) -> bool:
    """Whether a value has fields with names: a dataclass's object, a Flax module or a named tuple."""
    if isinstance(value, type):
        return False
    return dataclasses.is_dataclass(value) or (isinstance(value, tuple) and "_fields" in vars(type(value)))


def _array(value: Any) -> str:
    """Numbers of a short array; of others, and of keys, dtype and shape."""
    shape = "".join(f"[{', '.join(map(str, value.shape))}]" if value.shape else "")
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return f"key{shape}"
    name = str(value.dtype)
    for long, short in (("float", "f"), ("uint", "u"), ("int", "i")):
        if name.startswith(long):
            name = short + name.removeprefix(long)
            break
    if isinstance(value, jax.core.Tracer) or value.size > _LISTED or value.ndim > 1:
        return f"{name}{shape or '[]'}"
    try:
        entries = [_number(entry) for entry in np.ravel(np.asarray(value)).tolist()]
    except RuntimeError:  # JAX, of an array that was deleted or lies on other hosts
        return f"{name}{shape or '[]'}"
    return f"[{', '.join(entries)}]" if value.ndim else entries[0]


def _number(entry: Any) -> str:
    return f"{entry:g}" if isinstance(entry, float) else str(entry)


def _sequence(value: Any, nested: bool) -> str:
    if len(value) > _LISTED:
        return f"{type(value).__name__} of {len(value):,}"
    inner = ", ".join(in_words(part, nested) for part in value)
    if isinstance(value, list):
        return f"[{inner}]"
    return f"({inner},)" if len(value) == 1 else f"({inner})"


def _one_line(value: Any) -> str:
    if is_flax(value):
        return brief(value)
    try:
        text = repr(value)
    except Exception:  # an object's own `__repr__` may raise anything
        text = f"a {type(value).__name__}"
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _cut(text: str, width: int = _NESTED * 2) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _same(one: Any, other: Any) -> bool:
    """Whether a value is the default that it is compared with."""
    if one is other:
        return True
    if is_record(one) and type(one) is type(other):
        return all(_same(part, same) for (_, part), (_, same) in zip(fields(one), fields(other), strict=True))
    if isinstance(one, jax.core.Tracer) or callable(one) or callable(other):
        return False
    if isinstance(one, np.ndarray | np.generic | jax.Array):
        if not isinstance(other, bool | int | float) or one.size != 1 or one.ndim:
            return False
        return bool(np.asarray(one) == np.asarray(other).astype(one.dtype))
    return type(one) is type(other) and bool(one == other)


def sizes(shape: tuple[int, ...], *words: str) -> str:
    """The axes of a shape in words, "64 seeds x 1,000 blocks".

    Axes in front of those with a word are told by their sizes alone.
    """
    leading = len(shape) - len(words)
    axes = [f"{size:,}" for size in shape[: max(leading, 0)]]
    named = zip(shape[max(leading, 0) :], words[max(-leading, 0) :], strict=True)
    return " x ".join([*axes, *(f"{size:,} {_counted(word, size)}" for size, word in named)])


def span(values: Any) -> str:
    """The least and the largest of an array's numbers, "0.01 to 0.3"; nothing of arrays without known numbers."""
    if isinstance(values, jax.core.Tracer) or not isinstance(values, np.ndarray | jax.Array) or not values.size:
        return ""
    low, high = (_number(np.asarray(end).item()) for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _counted(word: str, size: int) -> str:
    return word.removesuffix("s") if size == 1 else word
