"""Task spread: each height's task is as hard as it happens to be, alike for all nodes, whatever the mechanism."""

import jax
import jax.numpy as jnp

from polejax._core import checks, draw
from polejax._core.record import convert, replace
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, MechanismWrapper
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views

_TASK = 0x5461736B  # folded into a height's key for its task; nodes' draws fold in their own words


class TaskSpread(MechanismWrapper):
    """A mechanism whose works are scaled at every height by a log-normal factor of mean 1, the same for all nodes.

    Tasks differ in difficulty, and everybody works on the height's task. CV_task is the factor's coefficient of
    variation; the interval's CV is then sqrt((1 + c^2)(1 + CV_task^2) - 1), c that of one task without delays
    (`polejax.theory.task_spread_cv`). Deadlines count the scaled time only as far as the inner mechanism's claims do.

    Args:
      mechanism: the law of work on a task of average difficulty.
      cv: f32[], CV_task, at least 0; may be swept.

    Raises:
      ValueError: a mechanism that is none, or a CV that is negative or infinite.

    Source: ours; Lan, Liu, Li 2020 (arXiv 2007.15145) leave the difference between tasks open.
    """

    mechanism: Mechanism
    cv: Numeric

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, Mechanism):
            raise ValueError(
                f"mechanism must be a polejax.Mechanism, got {type(self.mechanism).__name__}: pass an object"
            )
        convert(self, cv=lambda cv: checks.real("cv", cv, low=0.0))

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes that all work on this height's task; see `Mechanism.race`."""
        claims = self.mechanism.race(key, views, nodes, None)  # what others publish is scaled as well
        variance = jnp.log1p(jnp.square(jnp.asarray(self.cv, jnp.float32)))
        number = draw.normal(jax.random.fold_in(key, jnp.uint32(_TASK)), jnp.zeros(1, jnp.uint32))[0]
        factor = jnp.exp(jnp.sqrt(variance) * number - variance / 2)

        def scaled(value: Array | None) -> Array | None:
            return None if value is None else value * factor

        return replace(
            claims, work=claims.work * factor, computed=scaled(claims.computed), censored=scaled(claims.censored)
        )
