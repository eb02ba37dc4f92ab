"""Drawing nodes in proportion to their power, with one random word a draw, whatever the number of nodes."""

import jax.numpy as jnp
import numpy as np

from polejax import checks
from polejax.checks import Array
from polejax.nodes import Nodes
from polejax.record import record


@record
class Alias:
    """Columns of equal probability, each shared by two nodes at most, in the order of addresses."""

    share: Array  # u32[N], in units of 2^-32: how much of the column is the first node's
    nodes: Array  # u32[N]: the first node's index in the lower half of the word, the second's in the upper one

    def of(self, word: Array) -> Array:
        """The nodes u16[...] that random words u32[...] stand for."""
        count = jnp.uint32(self.share.shape[0])
        share, nodes = jnp.asarray(self.share), jnp.asarray(self.nodes)
        # word * count is 64 bits wide: the upper half is the column, the lower one where in the column.
        low = (word & 0xFFFF) * count
        column = ((word >> 16) * count + (low >> 16)) >> 16
        pair = nodes.at[column].get(mode="promise_in_bounds")
        first = word * count < share.at[column].get(mode="promise_in_bounds")
        return jnp.where(first, pair, pair >> 16).astype(jnp.uint16)


def alias(nodes: Nodes) -> Alias:
    """Columns for at most 65,536 nodes, worked out on the host in float64, in the order of addresses.

    Raises:
      ValueError: power or addresses are known only inside a transformation.

    Source: Walker 1977 (ACM TOMS 3); Vose 1991 (IEEE TSE 17).
    """
    if checks.is_traced(nodes.power) or checks.is_traced(nodes.address):
        raise ValueError(
            f"power must be known where finders are drawn, got {nodes.power!r}: build nodes outside of jit"
        )
    order = np.argsort(np.asarray(nodes.address))
    power = np.asarray(nodes.power, np.float64)[order]
    rest = power * (power.size / power.sum())
    other = np.arange(power.size)
    share = np.ones(power.size)
    light, heavy = np.flatnonzero(rest < 1).tolist(), np.flatnonzero(rest >= 1).tolist()
    while light and heavy:
        column, giver = light.pop(), heavy[-1]
        share[column], other[column] = rest[column], giver
        rest[giver] -= 1 - rest[column]
        if rest[giver] < 1:
            light.append(heavy.pop())
    # What is left over is full but for rounding.
    filled = np.minimum(np.round(share * 2.0**32), 2.0**32 - 1).astype(np.uint32)
    return Alias(filled, (order | order[other] << 16).astype(np.uint32))
