"""The plan of the passes over a chain's finds: how many suffice nearly always, and how far each one looks back.

A pass sees a few of the finds before each one, and corrects what depends on them; few are needed where few blocks are
in flight. Chains that it was too few for are told by `polejax.passes` (ours).
"""

import functools
from typing import Any

import jax.numpy as jnp
from scipy import special

from polejax._core.record import record, static
from polejax._engine.poisson_rows import divisor

_SELDOM = 1.5e-4  # probability, per chain, that the passes do not suffice
_MARGIN = 32  # heights at the end, at least, in which branches are let merge
_LONGEST = 2**14  # finds at the end whose heights can be known
CHUNK = 64
"""Finds whose deviations are summed up in float32."""


@record
class Plan:
    """How many passes over how many finds, all static."""

    in_flight: float = static()
    num_blocks: int = static()  # H
    recent: int = static()  # B: blocks that a finder chooses among
    rounds: int = static()  # passes until all choices are right, and until only canonical blocks are left
    head: int = static()  # finds whose heights need not be known, in whole chunks
    tail: int = static()  # finds after them, in sixteens

    @property
    def finds(self) -> int:
        """E, finds in all."""
        return self.head + self.tail

    @property
    def before(self) -> int:
        """F, finds that are drawn before genesis, as every pass looks back."""
        return self.recent * (self.rounds + 1)

    @property
    def last(self) -> int:
        """Finds of the tail of which it is known whether they are canonical."""
        return self.tail - self.recent * self.rounds

    @property
    def sums(self) -> int:
        """K, sums of deviations of a chain."""
        return self.head // CHUNK + self.last // divisor(self.last)

    @property
    def mask_type(self) -> Any:
        """Holds two bits for each recent block."""
        return jnp.uint8 if self.recent <= 4 else jnp.uint16


@functools.cache
def plan_for(in_flight: float, num_blocks: int) -> Plan | None:
    """The passes that seldom do not suffice; None where too many would be needed, or chains are short.

    For the number of blocks that matter, and of stale ones, see `finds.room_for`.
    """
    x, mean, seldom = in_flight, in_flight * (num_blocks + 1), _SELDOM / num_blocks
    recent = next((b for b in range(2, 9) if x == 0 or special.pdtrc(b - 1, 2 * x) < seldom), None)
    rounds = next((p for p in range(2, 7) if x ** (p + 1) < seldom), None)
    head = (num_blocks - _MARGIN) // CHUNK * CHUNK
    if recent is None or rounds is None or head <= 0:
        return None
    stale = 0
    while mean and special.pdtrc(stale, mean) >= _SELDOM / 10:
        stale += 1
    tail = num_blocks + 1 + stale - head + recent * rounds
    if tail > _LONGEST:
        return None
    return Plan(x, num_blocks, recent, rounds, head, -(-tail // 16) * 16)
