"""Architecture spread: the network to train, and so the work, is drawn from a hash, once a block or once a node."""

import jax
import jax.numpy as jnp

from polejax._core import checks, draw
from polejax._core.numerics import rounded
from polejax._core.record import axes, convert, replace, static
from polejax._core.types import Array, Key, Numeric, Tree
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, MechanismWrapper
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views

DRAWN = ("block", "node")
_FACTOR = 0x41726368  # folded into the race's key


class ArchitectureSpread(MechanismWrapper):
    """A mechanism whose work is multiplied by a log-normal factor of mean 1: some architectures are harder to train.

    Drawn per block, the factor follows from the parent block: all that build on it have the same one, and blocks of a
    fork give different ones. Drawn per node, every node has its own at every height. All that takes time is multiplied,
    a deadline, too; accuracies are not changed, so that a harder architecture learns the same, more slowly (ours).

    Attributes:
      mechanism: the inner mechanism; it must keep nothing of a branch itself.
      cv: f32[], ratio, coefficient of variation of the factor, at least 0. May be swept.
      drawn: "block" or "node".

    Raises:
      ValueError: no mechanism, one that keeps something of a branch, a negative cv, or an unknown word.

    Source: ours; CV^2 = (1 + c^2)(1 + cv^2) - 1 of a race with CV c, drawn per block (`theory.task_spread_cv`).
    """

    mechanism: Mechanism
    cv: Numeric = axes(0)
    drawn: str = static(default="block")

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, Mechanism):
            raise ValueError(f"mechanism must be like polejax.Replay, got {type(self.mechanism).__name__}: give one")
        convert(
            self,
            cv=lambda value: checks.real("cv", value, low=0.0),
            drawn=lambda value: checks.one_of("drawn", value, DRAWN),
        )
        if jax.eval_shape(lambda: self.mechanism.begin_branch(1)) is not None:
            kind = type(self.mechanism).__name__
            raise ValueError(f"mechanism must keep nothing of a branch, got {kind}: the factor is kept there")

    def begin_branch(self, count: int) -> Tree:
        """The factor of the first block, 1 for all; see `Mechanism.begin_branch`."""
        return jnp.ones(count) if self.drawn == "block" else None

    def extend_branch(self, key: Key, branch: Tree, interval: Array, claims: Claims) -> Tree:
        """The factor that the node's own block would give; see `Mechanism.extend_branch`."""
        return claims.carried

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """The inner mechanism's claims with their work multiplied; see `Mechanism.race`."""
        inner = replace(views, branch=None)
        claims = self.mechanism.race(key, inner, nodes, listening)
        variance = jnp.log1p(self.cv**2)
        normal = draw.normal(jax.random.fold_in(key, jnp.uint32(_FACTOR)), nodes.address)
        drawn = rounded(jnp.exp(jnp.sqrt(variance) * normal - variance / 2))
        factor = drawn if self.drawn == "node" else views.branch
        ends = None if claims.censored is None else rounded(claims.censored * factor)
        carried = None if self.drawn == "node" else drawn
        return replace(claims, work=rounded(claims.work * factor), censored=ends, carried=carried)
