"""Proof of Work: exponential work, the limit law of a hash race (really hashed: `polejax.HashedPoW`)."""

import jax.numpy as jnp

from polejax._core import checks, draw
from polejax._core.record import axes, convert
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, Profile
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views


class PoW(Mechanism):
    """Proof of Work by its law: the hashes to the next block are exponential with mean `difficulty`.

    Args:
      work: f32[], expected hashes per block at the start; with powers that sum to one hash a second, the mean interval
        in seconds. May be swept.

    Raises:
      ValueError: work is not positive and finite.

    Source: Nakamoto 2008, section 11; Rosenfeld 2014 (arXiv 1402.2009), section 2. A geometric number of tries with
    success probability 1 / difficulty, in the limit of many tries.
    """

    work: Numeric = axes(0)

    def __post_init__(self) -> None:
        convert(self, work=lambda work: checks.real("work", work, above=0.0))

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`."""
        return Profile(scored=False, heights_per_call=4096, cached_lanes=1152)

    @property
    def initial_difficulty(self) -> Array:
        """f32[], expected hashes for the first block."""
        return self.work

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims with exponential work f32[N] in hashes; see `Mechanism.race`."""
        work = views.difficulty * draw.exponential(key, nodes.address)
        return Claims(work, score=jnp.ones_like(work), valid=jnp.ones(work.shape, bool))
