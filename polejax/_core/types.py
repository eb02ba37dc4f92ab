"""Types: the words for arrays, numbers, keys and trees that all of polejax shares; when it runs, they are chex's.

`Array` is a JAX array or tracer or a NumPy array: what a record's field holds once it is checked. `Numeric` is an array
or a Python number: what a user may give, and what `checks.real` makes an array of. `Key` is a typed JAX key, as
`jax.random.key` makes it. `Tree` is a nest of arrays: a network's parameters, an optimiser's state.

chex ships no types, so that all four would be Any to a type checker. It is told more of two: an `Array` has what
`jax.Array` has and no other attribute, and a NumPy array may be given for it; a `Key` is a `jax.Array`.
"""

from typing import TYPE_CHECKING

from chex import ArrayTree as Tree
from chex import Numeric as Numeric

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    import jax
    from jax import Array as Key

    Array: TypeAlias = jax.Array | Any
else:
    from chex import Array as Array
    from chex import PRNGKey as Key

__all__ = ["Array", "Key", "Numeric", "Tree"]
