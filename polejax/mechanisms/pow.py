"""Proof of Work: exponential work, the limit law of a hash race (really hashed: `polejax.hashed_pow`)."""

from typing import Any, ClassVar

import jax.numpy as jnp

from polejax._core import checks, draw
from polejax._core.record import convert, record
from polejax._core.types import Array
from polejax.consensus.mechanism import Claims, Views
from polejax.consensus.nodes import Nodes


@record
class PoW:
    """Proof of Work by its law: the hashes to the next block are exponential with mean `difficulty`.

    Args:
      work: f32[], expected hashes per block at the start; with powers that sum to one hash a second, the mean interval
        in seconds. May be swept.

    Raises:
      ValueError: work is not positive and finite.

    Source: Nakamoto 2008, section 11; Rosenfeld 2014 (arXiv 1402.2009), section 2. A geometric number of tries with
    success probability 1 / difficulty, in the limit of many tries.
    """

    work: Array
    hashes_tips: ClassVar[bool] = False
    scored: ClassVar[bool] = False
    segment: ClassVar[int] = 4096
    cached_lanes: ClassVar[int] = 1152

    def __post_init__(self) -> None:
        convert(self, work=lambda work: checks.real("work", work, above=0.0))

    @property
    def initial_difficulty(self) -> Array:
        """f32[], expected hashes for the first block."""
        return self.work

    def race(self, key: Array, views: Views, nodes: Nodes, network: Any = None) -> Claims:
        """Claims with exponential work f32[N] in hashes; see `Mechanism.race`."""
        work = views.difficulty * draw.exponential(key, nodes.address)
        return Claims(work, score=jnp.ones_like(work), valid=jnp.ones(work.shape, bool))
