"""Fingerprints: what a function computes, as a hash of its jaxpr, so that names decide nothing.

Two closures, bound methods or classes of one name compute different things; two copies of a function compute the same.
The hash covers every operation, its parameters and the bytes of every constant and argument. It leaves out what changes
no result: names, positions in source files, rules of derivatives that have been applied already, results that nobody
uses, how programs are compiled. It is the same in every process; another version of JAX, Flax or optax may trace
another program.

What a program calls back on the host is no part of it: such programs are refused, as no hash can tell what they do.
"""

import dataclasses
import enum
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jaxprs

from polejax._core import lanes
from polejax._core.switches import settings, steady

_CALLS = frozenset({"jit", "pjit", "closed_call", "core_call", "remat2", "checkpoint"})
"""Operations that call another jaxpr, of which all other parameters say how it is compiled."""

_SILENT = frozenset({"debug_callback", "debug_print"})
"""Operations on the host that return nothing."""

_IDLE = frozenset({"name", "name_and_src_info", "debug", "debug_info", "metadata", "cost_estimate", "sharding"})
"""Parameters that change no result."""


class Unidentified(ValueError):
    """What a function computes cannot be told from its jaxpr; the message says why, not of what argument."""


Traced = dict[Any, bytes]
"""Digests of what was traced, by what JAX takes for one program."""

_last: Traced = {}


@steady
def fingerprint(function: Callable[..., Any], *arguments: Any, label: str = "", memo: Traced | None = None) -> str:
    """SHA-256, in hexadecimal, of what a function computes of its arguments, in its form for CPUs.

    JAX takes two arguments whose static parts are equal for one program, and compiles it once. If what was traced for
    one program has changed since it was last asked for (an object or a global that its code reads is no longer the
    same), JAX's compiled programs are dropped, so that none runs that computes something else.

    Args:
      function: traced with abstract arguments.
      arguments: nests of arrays, whose bytes count; `jax.ShapeDtypeStruct`s stand for any values.
      label: of the function, another one for each; "": nothing is kept of it, and nothing compared.
      memo: what this function has already traced of the same code, to trace nothing twice.

    Raises:
      Unidentified: the program calls a function on the host.
    """
    leaves = [_narrowed(leaf) for leaf in jax.tree.leaves(arguments)]
    structure = jax.tree.structure(arguments)
    shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
    key = (label, structure, shapes, *settings().items())
    memo = {} if memo is None else memo
    if key not in memo:
        with lanes.assumed_on_cpu():
            # A new function every time, as JAX keeps what it traced of the last one.
            jaxpr = jax.make_jaxpr(lambda *given: function(*given))(*jax.tree.unflatten(structure, leaves))
            memo[key] = _digest(jaxpr, {})
        if label and _last.setdefault(key, memo[key]) != memo[key]:
            _last[key] = memo[key]
            jax.clear_caches()
    given = hashlib.sha256(memo[key])
    for leaf in leaves:
        given.update(_told(leaf))
    return given.hexdigest()


def _narrowed(leaf: Any) -> Any:
    """A leaf as programs get it."""
    return leaf if isinstance(leaf, jax.ShapeDtypeStruct | jax.Array) else np.asarray(jnp.asarray(leaf))


def _told(leaf: Any) -> bytes:
    """A leaf's type and, unless it is abstract, its bytes."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return f"any {leaf.dtype}{leaf.shape}".encode()
    return _array(leaf)


def _array(value: Any) -> bytes:
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return b"key " + str(jax.random.key_impl(value)).encode() + _array(jax.random.key_data(value))
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise Unidentified(f"has a constant of Python objects, {array.dtype}{array.shape}")
    content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()
    return f"array {array.dtype}{array.shape} ".encode() + content


def _digest(closed: Any, known: dict[int, tuple[Any, bytes]]) -> bytes:
    """SHA-256 of a jaxpr, closed or not; variables are numbered in the order in which they come."""
    if id(closed) in known:
        return known[id(closed)][1]
    jaxpr, constants = (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())
    numbers: dict[Any, int] = {}
    held = dict(zip(jaxpr.constvars, constants, strict=False))  # of an open jaxpr, arguments like others
    told: dict[Any, bytes] = {}

    def new(variable: Any) -> bytes:
        numbers[variable] = len(numbers)
        return _type(variable.aval)

    def use(atom: Any) -> bytes:
        if not _is_variable(atom):
            return b"literal " + _type(atom.aval) + _array(np.asarray(atom.val, getattr(atom.aval, "dtype", None)))
        if atom in held:  # told where they are used: JAX may hold more of them, in another order
            told[atom] = told.get(atom) or (b"constant " + _array(held[atom]))
            return told[atom]
        return b"%d" % numbers[atom]

    free = () if held else jaxpr.constvars
    parts = [b"jaxpr", *map(new, (*free, *jaxpr.invars))]
    for equation in _used(jaxpr):
        name = str(equation.primitive)
        parts += [name.encode(), *map(use, equation.invars)]
        parts += [_params(name, equation.params, known), *map(new, equation.outvars)]
    parts += [b"answers", *map(use, jaxpr.outvars)]
    found = hashlib.sha256(_joined(parts)).digest()
    known[id(closed)] = closed, found  # the jaxpr is kept alive, so that no other takes its id
    return found


def _used(jaxpr: Any) -> list[Any]:
    """The operations that the results depend on: what else is traced depends on what JAX has traced before."""
    needed, used = set(filter(_is_variable, jaxpr.outvars)), []
    for equation in reversed(jaxpr.eqns):
        effects = bool(equation.effects) and str(equation.primitive) not in _SILENT
        if effects or not needed.isdisjoint(equation.outvars):
            used.append(equation)
            needed.update(filter(_is_variable, equation.invars))
    return used[::-1]


def _is_variable(atom: Any) -> bool:
    return not hasattr(atom, "val")


def _type(aval: Any) -> bytes:
    if not hasattr(aval, "dtype"):
        return type(aval).__name__.encode()
    kind = "" if type(aval).__name__ == "ShapedArray" else type(aval).__name__
    return f"{kind}{aval.dtype}{aval.shape}{'~' * bool(getattr(aval, 'weak_type', False))}".encode()


def _joined(parts: list[bytes]) -> bytes:
    """Parts with their lengths, so that no two lists are joined to the same bytes."""
    return b"".join(b"%d:" % len(part) + part for part in parts)


def _params(operation: str, params: Mapping[str, Any], known: dict[int, tuple[Any, bytes]]) -> bytes:
    """What an operation's parameters say about its result."""
    inner = {name: value for name, value in params.items() if _holds_jaxpr(value)}
    if operation in _CALLS:
        params = inner
    parts = []
    for name in sorted(params):
        value = params[name]
        # A function beside the jaxpr that it was traced to is the jaxpr's source, or a rule for its derivative.
        if name in _IDLE or (inner and name not in inner and _is_rule(value)):
            continue
        if name == "impl" and operation.startswith("random_"):
            value = value.name  # of a generator, which holds functions
        parts += [name.encode(), _value(value, known)]
    return _joined(parts)


def _holds_jaxpr(value: Any) -> bool:
    if isinstance(value, jaxprs.ClosedJaxpr | jaxprs.Jaxpr):
        return True
    return isinstance(value, tuple | list) and any(map(_holds_jaxpr, value))


def _is_rule(value: Any) -> bool:
    return callable(value) or isinstance(value, jax.tree_util.PyTreeDef)


def _value(value: Any, known: dict[int, tuple[Any, bytes]]) -> bytes:
    """A parameter as bytes that are the same in every process."""

    def each(tag: str, values: Any) -> bytes:
        return _joined([tag.encode(), *(_value(part, known) for part in values)])

    if isinstance(value, jaxprs.ClosedJaxpr | jaxprs.Jaxpr):
        return b"jaxpr " + _digest(value, known)
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return b"int %d" % value  # JAX's caches take 0, False and np.int64(0) for one, and give either
    if value is None or isinstance(value, float | complex | str | bytes):
        return f"{type(value).__name__} {value!r}".encode()
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}".encode()
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _array(value)
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return f"dtype {np.dtype(value)}".encode()
    if isinstance(value, Mapping):
        return each("map", sorted((str(name), part) for name, part in value.items()))
    if isinstance(value, set | frozenset):
        return _joined([b"set", *sorted(_value(part, known) for part in value)])
    if isinstance(value, jax.tree_util.PyTreeDef):
        return f"tree {value.num_nodes} {value.num_leaves}".encode()
    if isinstance(value, tuple | list):
        kind = type(value).__name__
        return each(kind, value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.name not in _IDLE]
        return each(type(value).__name__, [(name, getattr(value, name)) for name in fields])
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}".encode()
    return _other(value)


def _other(value: Any) -> bytes:
    """What JAX prints of a parameter of a kind of its own."""
    text = repr(value)
    if callable(value) or " at 0x" in text:
        name = getattr(value, "__qualname__", type(value).__qualname__)
        raise Unidentified(f"calls {name}, a function that JAX does not trace")
    return f"{type(value).__name__} {text}".encode()
