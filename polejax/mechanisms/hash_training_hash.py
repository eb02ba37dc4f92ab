"""Hash, training, hash: a hash race before training, and one that decides whether the trained model may be claimed."""

import jax
import jax.numpy as jnp

from polejax._core import checks, draw
from polejax._core.numerics import rounded
from polejax._core.record import axes, convert, replace
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, MechanismWrapper
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views

_BEFORE, _AFTER = 0x48546831, 0x48546832  # folded into the race's key


class HashTrainingHash(MechanismWrapper):
    """A mechanism whose nodes hash before they train, and train on until the hash of their model is low enough.

    The first hash race takes exponential work of mean `before`. Then the inner mechanism's work is done. Its model is
    hashed: with probability 1 / `after` the node may claim; if not it trains for another `stretch` and tries again, so
    that a geometric number of stretches follows. The claim's score and record stay those of the inner claim: what the
    extra stretches add to the accuracy is left out (ours), as is the time that one hash of a model takes. An inner
    deadline counts from the start of training.

    Attributes:
      mechanism: the inner mechanism.
      before: f32[], work units, mean of the hash race before training, at least 0. May be swept.
      after: f32[], mean number of trained models until one may be claimed, at least 1. May be swept.
      stretch: f32[], work units between two such models, positive.

    Raises:
      ValueError: no mechanism, or a number out of range.

    Source: ours, after Su, Larangeira and Tanaka's Distributed Proof-of-Deep-Learning; see `polejax.protocols.d_podl`.
    """

    mechanism: Mechanism
    before: Numeric = axes(0)
    after: Numeric = axes(0)
    stretch: Numeric = axes(0)

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, Mechanism):
            raise ValueError(f"mechanism must be like polejax.Replay, got {type(self.mechanism).__name__}: give one")
        convert(
            self,
            before=lambda value: checks.real("before", value, low=0.0),
            after=lambda value: checks.real("after", value, low=1.0),
            stretch=lambda value: checks.real("stretch", value, above=0.0),
        )

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """The inner mechanism's claims with the hashing and further training added; see `Mechanism.race`."""
        claims = self.mechanism.race(key, views, nodes, listening)
        added = self.added(key, nodes.address)
        ends = None if claims.censored is None else claims.censored + added
        return replace(claims, work=rounded(claims.work + added), censored=ends)

    def added(self, key: Key, address: Array) -> Array:
        """Work f32[N] of hashing before training, and of training after the inner claim."""
        before = rounded(self.before * draw.exponential(jax.random.fold_in(key, jnp.uint32(_BEFORE)), address))
        uniform = draw.uniform(jax.random.fold_in(key, jnp.uint32(_AFTER)), address)
        failures = jnp.floor(jnp.log(uniform) / jnp.log1p(-1.0 / self.after))  # 0 where after is 1: -inf below
        return before + rounded(self.stretch * failures)
