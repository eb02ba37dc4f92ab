"""Types: the words for arrays, numbers, keys and trees that all of polejax shares; they are chex's.

`Array` is a JAX array or tracer or a NumPy array: what a record's field holds once it is checked. `Numeric` is an array
or a Python number: what a user may give, and what `checks.real` makes an array of. `Key` is a typed JAX key, as
`jax.random.key` makes it. `Tree` is a nest of arrays: a network's parameters, an optimiser's state.
"""

from chex import Array as Array
from chex import ArrayTree as Tree
from chex import Numeric as Numeric
from chex import PRNGKey as Key

__all__ = ["Array", "Key", "Numeric", "Tree"]
