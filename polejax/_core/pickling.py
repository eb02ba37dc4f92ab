"""Pickling: functions that JAX has wrapped, such as `jnp.tanh` and `jax.nn.relu`, are pickled by their names.

A model holds such functions, and plain `pickle` cannot take them: it looks at the function inside, and finds under its
name the wrapped one, which is another object. What cannot be imported by its name (a closure, what is defined in
`__main__`) is left to whoever pickles: `pickle` refuses it, `cloudpickle` takes it along.
"""

import copyreg
import sys
from typing import Any

import jax


def _by_name(value: Any) -> Any:
    """What `pickle` is to do with a wrapped function: import it by its name, or what it would do anyway."""
    module, name = (str(getattr(value, attribute, None)) for attribute in ("__module__", "__qualname__"))
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is value:
        return name
    return value.__reduce_ex__(4)


def register() -> None:
    """Tell Python, for this process, how these functions are pickled."""
    for kind in (type(jax.jit(abs)), jax.custom_jvp, jax.custom_vjp):
        copyreg.pickle(kind, _by_name)
