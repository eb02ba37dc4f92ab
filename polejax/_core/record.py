"""Records: frozen dataclasses that are JAX pytrees, and check what a user passes when they are built."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar, dataclass_transform

import jax

from polejax._core import checks, pickling
from polejax._core.brief import brief

_Class = TypeVar("_Class", bound=type)
_Value = TypeVar("_Value")

pickling.register()  # records hold functions that JAX has wrapped


def static(**options: Any) -> Any:
    """Declare a record's field that changes shapes or code: part of the compiled program, never swept or traced."""
    return dataclasses.field(metadata={"static": True}, **options)


def axes(count: int, **options: Any) -> Any:
    """Declare a record's array field with its own number of axes; more, in front, are a sweep.

    Of a field that holds a record, `count` is the number of axes that all arrays in it have in front of their own.
    `polejax._core.sweep` refuses records with more axes where no `jax.vmap` has taken them away.
    """
    return dataclasses.field(metadata={"axes": checks.whole("count", count)}, **options)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static, axes))
def record(kind: _Class) -> _Class:
    """Make a class a frozen dataclass and a pytree whose leaves are all fields not declared `static`.

    A record's `__post_init__` may check and convert what the *user* passed. Unflattening a pytree does not run it, so
    tracers, `vmap` axis markers and stacked sweeps pass unchecked (Flax's and chex's dataclasses check again).
    It prints as one line (`polejax._core.brief`), unless the class has a `__repr__` of its own.
    """
    cls: Any = dataclasses.dataclass(frozen=True, eq=False, repr=False)(kind)
    if cls.__repr__ is object.__repr__:
        cls.__repr__ = brief
    names = [field.name for field in dataclasses.fields(cls)]
    statics = [field.name for field in dataclasses.fields(cls) if field.metadata.get("static")]
    leaves = [name for name in names if name not in statics]
    keys = [jax.tree_util.GetAttrKey(name) for name in leaves]

    def flatten(value: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(value, name) for name in leaves), tuple(getattr(value, name) for name in statics)

    def flatten_with_keys(value: Any) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
        children, meta = flatten(value)
        return tuple(zip(keys, children, strict=True)), meta

    def unflatten(meta: tuple[Any, ...], children: Any) -> Any:
        value: Any = object.__new__(cls)
        for name, field in (*zip(leaves, children, strict=True), *zip(statics, meta, strict=True)):
            object.__setattr__(value, name, field)
        return value

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    made: _Class = cls
    return made


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static, axes))
class Record:
    """A base whose subclasses are records, as `record` makes them, without a decorator.

    A subclass that is itself a base, with methods but no fields, says so: `class Mechanism(Record, abstract=True)`.

    A subclass may name fields in `inlined` that are records whose own fields count as its own: `replace` changes them
    by their names alone, and `describe` writes them out beside its others.
    """

    inlined: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, abstract: bool = False, **options: Any) -> None:
        """Make the subclass a record, unless it is abstract."""
        super().__init_subclass__(**options)
        if not abstract:
            record(cls)


def replace(value: _Value, **changes: Any) -> _Value:
    """Copy a record with some fields changed; unlike `dataclasses.replace`, it does not run `__post_init__` again.

    Fields of the records in its `inlined` fields may be named as its own are.
    """
    copy = object.__new__(type(value))
    names = [field.name for field in dataclasses.fields(value)]  # type: ignore[arg-type]
    for name in names:
        object.__setattr__(copy, name, changes.pop(name, getattr(value, name)))
    for name in value.inlined if isinstance(value, Record) else ():
        inner = getattr(copy, name)
        own = [field.name for field in dataclasses.fields(inner)]
        object.__setattr__(
            copy, name, replace(inner, **{field: changes.pop(field) for field in own if field in changes})
        )
        names += own
    if changes:
        raise ValueError(f"{type(value).__name__} has no field {sorted(changes)[0]!r}: it has {', '.join(names)}")
    return copy


def records_in(value: Any) -> Iterator[Record]:
    """Records among a record's fields, and among theirs; each before its own."""
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if isinstance(part, Record):
            yield part
            yield from records_in(part)


def convert(value: Any, **conversions: Callable[[Any], Any]) -> None:
    """Check and convert fields of a record under construction in place; for use in `__post_init__` only."""
    for name, conversion in conversions.items():
        object.__setattr__(value, name, conversion(getattr(value, name)))
