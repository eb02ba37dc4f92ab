"""Shapes: checks of what mechanisms, networks, elections and difficulty rules return; errors in one line."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.types import Tree
from polejax.consensus.claims import Claims, Evidence, Learning, Taken

_NAMES = {"float": "f", "int": "i", "uint": "u", "bool": "bool"}

_LEARNING = {"claimed": "f32", "rejected": "i32", "diverged": "bool", "holdout": "f32"}
_TAKEN = {"task": "i32", "reward": "f32", "waiting": "i32", "posted": "i32", "served": "i32", "dropped": "i32"}

_REMEDY = {"f32": "jnp.float32", "i32": "jnp.int32", "u32": "jnp.uint32", "bool": "bool"}


def word(value: Any) -> str:
    """An array's type and shape as docstrings write them, such as f32[5, 8]; the class of anything else."""
    if not isinstance(value, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct):
        return type(value).__name__
    return f"{_dtype_word(value.dtype)}[{', '.join(map(str, value.shape))}]"


def _dtype_word(dtype: Any) -> str:
    name = str(dtype)
    letters = name.rstrip("0123456789")
    return _NAMES[letters] + name[len(letters) :] if letters in _NAMES else name


def check_array(name: str, value: Any, kind: str, shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless a value is an array of one type and shape.

    Args:
      name: what the value is, for the message.
      value: anything.
      kind: "f32", "i32", "u32" or "bool".
      shape: of the array.
    """
    wanted = f"{kind}[{', '.join(map(str, shape))}]"
    got = word(value)
    if got == wanted:
        return
    remedy = f"convert it with .astype({_REMEDY[kind]})"
    if np.shape(value) != shape:
        remedy = "one number for all" if not shape else "one entry per node" if len(shape) == 1 else "see its docstring"
    elif "[" not in got:
        remedy = f"make it an array, jnp.asarray(..., {_REMEDY[kind]})"
    raise ValueError(f"{name} must be {wanted}, got {got}: {remedy}")


def check_number(name: str, value: Any) -> None:
    """Raise a ValueError unless a value is one number: f32[], or a Python float."""
    if not isinstance(value, float):
        check_array(name, value, "f32", ())


def check_claims(name: str, claims: Any, count: int, hashes_tips: bool) -> None:
    """Raise a ValueError that names the field unless a race returned `Claims` of `count` nodes.

    Args:
      name: of the mechanism's class.
      claims: what its `race` returned.
      count: N.
      hashes_tips: as in its profile.
    """
    if not isinstance(claims, Claims):
        raise ValueError(
            f"{name}.race must return polejax.Claims, got {word(claims)}: return Claims(work, score, valid)"
        )
    race = f"{name}.race: "
    for field, kind in (("work", "f32"), ("score", "f32"), ("valid", "bool")):
        check_array(race + field, _part(claims, field), kind, (count,))
    optional: tuple[tuple[str, str, tuple[int, ...]], ...] = (
        ("computed", "f32", (count,)),
        ("fallback", "bool", ()),
        ("reference", "i32", (count,)),
        ("censored", "f32", (count,)),
    )
    for field, kind, shape in optional:
        if _part(claims, field) is not None:
            check_array(race + field, _part(claims, field), kind, shape)
    if (claims.commitment is not None) != hashes_tips:
        got, remedy = ("None", "give one") if hashes_tips else (word(claims.commitment), "leave it out")
        raise ValueError(
            f"{race}commitment is {got}, but profile.hashes_tips is {hashes_tips}: {remedy}, or change the profile"
        )
    if claims.commitment is not None:
        check_array(race + "commitment", claims.commitment, "u32", (count, 8))
    if claims.learning is not None:
        check_learning(race + "learning", claims.learning, count)
    check_leading(race + "carried", claims.carried, count)


def check_learning(name: str, learning: Any, count: int) -> None:
    """Raise a ValueError that names the field unless this is the `Learning` of `count` claims."""
    if not isinstance(learning, Learning):
        raise ValueError(f"{name} must be a polejax.mechanisms.Learning or None, got {word(learning)}: build one")
    _check_fields(name, learning, _LEARNING, count)
    curve = learning.curve
    check_array(f"{name}.curve", curve, "f32", (count, *np.shape(curve)[1:2]))


def check_taken(name: str, taken: Any, count: int) -> None:
    """Raise a ValueError that names the field unless this is the `Taken` of `count` branches, or None."""
    if taken is None:
        return
    if not isinstance(taken, Taken):
        raise ValueError(f"{name} must return Taken or None, got {word(taken)}: build one")
    _check_fields(name, taken, _TAKEN, count)


def check_evidence(name: str, evidence: Any, claims: Claims, count: int) -> None:
    """Raise a ValueError unless what `look_up` returned has the claims' own shapes."""
    if not isinstance(evidence, Evidence):
        raise ValueError(f"{name}.look_up must return Evidence, got {word(evidence)}: return Evidence(score, learning)")
    check_array(f"{name}.look_up: score", evidence.score, "f32", (count,))
    check_alike(f"{name}.look_up: learning", evidence.learning, claims.learning, "as race returns it")


def _check_fields(name: str, value: Any, kinds: Mapping[str, str], count: int) -> None:
    for field, kind in kinds.items():
        if _part(value, field) is not None:
            check_array(f"{name}.{field}", _part(value, field), kind, (count,))


def _part(value: Any, field: str) -> Any:
    return getattr(value, field)


def check_leading(name: str, tree: Tree, count: int) -> None:
    """Raise a ValueError unless every leaf of a tree is an array with a leading axis of nodes."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if np.shape(leaf)[:1] != (count,):
            place = name + jax.tree_util.keystr(path)
            raise ValueError(f"{place} must have a leading axis of {count} nodes, got {word(leaf)}: one entry per node")


def check_alike(name: str, got: Tree, wanted: Tree, what: str) -> None:
    """Raise a ValueError unless two trees have one structure, and their leaves one type and shape.

    Args:
      name: of the first tree, for the message.
      got: the first tree.
      wanted: the second one.
      what: the second tree is, for the message.
    """
    one: Any = jax.tree.structure(got)
    other: Any = jax.tree.structure(wanted)
    if one != other:
        raise ValueError(f"{name} must be {what}, got {one} in place of {other}: keep one structure")
    for (path, leaf), other in zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(wanted), strict=True):
        if word(jnp.asarray(leaf)) != word(jnp.asarray(other)):
            place = name + jax.tree_util.keystr(path)
            raise ValueError(f"{place} must be {word(other)}, {what}, got {word(leaf)}: keep one type and shape")
