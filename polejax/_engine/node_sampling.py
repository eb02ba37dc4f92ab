"""Drawing nodes in proportion to their power, with one random word a draw, whatever the number of nodes."""

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.record import record
from polejax._core.types import Array
from polejax.consensus.nodes import AnyNodes

FEW = 16  # nodes that are found faster by comparing a word with all of their bounds than by looking it up


@record
class Bounds:
    """A stretch of all words for each of a few nodes, in the order of addresses."""

    first: Array  # u32[N - 1], the first word of the second, third, ... node's
    nodes: Array  # u32[N], their indices

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.nodes.shape[-1]

    def place(self, word: Array) -> Array:
        """Which stretches i32[...] random words u32[...] lie in: signed, which CPUs compare faster."""
        first, word = (jax.lax.bitcast_convert_type(of ^ np.uint32(2**31), jnp.int32) for of in (self.first, word))
        bounds = ((word >= first[index]).astype(jnp.int32) for index in range(self.count - 1))
        return -sum((-passed for passed in bounds), start=jnp.zeros_like(word))

    def of(self, word: Array) -> Array:
        """The nodes u32[...] that random words u32[...] stand for."""
        first, nodes = jnp.asarray(self.first), jnp.asarray(self.nodes)
        node = jnp.broadcast_to(nodes[0], word.shape)
        for index in range(1, self.count):
            node = jnp.where(word >= first[index - 1], nodes[index], node)
        return node


@record
class Alias:
    """Columns of equal probability, each shared by two nodes at most, in the order of addresses."""

    share: Array  # u32[N], in units of 2^-32: how much of the column is the first node's
    nodes: Array  # u32[N]: the first node's index in the lower half of the word, the second's in the upper one

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.nodes.shape[-1]

    def of(self, word: Array) -> Array:
        """The nodes u32[...] that random words u32[...] stand for."""
        count = jnp.uint32(self.count)
        share, nodes = jnp.asarray(self.share), jnp.asarray(self.nodes)
        # word * count is 64 bits wide: the upper half is the column, the lower one where in the column.
        low = (word & 0xFFFF) * count
        column = ((word >> 16) * count + (low >> 16)) >> 16
        pair = nodes.at[column].get(mode="promise_in_bounds")
        first = word * count < share.at[column].get(mode="promise_in_bounds")
        return jnp.where(first, pair, pair >> 16) & 0xFFFF


def finders(nodes: AnyNodes) -> Bounds | Alias:
    """How to draw nodes in proportion to their power: by bounds if they are few, else by columns."""
    return bounds(nodes) if nodes.count <= FEW else alias(nodes)


def bounds(nodes: AnyNodes) -> Bounds:
    """Stretches of words, worked out on the host in float64, in the order of addresses; raises as `alias` does."""
    order, power = _ordered(nodes)
    first = np.round(power.cumsum()[:-1] / power.sum() * 2.0**32)
    return Bounds(np.minimum(first, 2.0**32 - 1).astype(np.uint32), order.astype(np.uint32))


def alias(nodes: AnyNodes) -> Alias:
    """Columns for at most 65,536 nodes, worked out on the host in float64, in the order of addresses.

    Raises:
      ValueError: power or addresses are known only inside a transformation.

    Source: Walker 1977 (ACM TOMS 3); Vose 1991 (IEEE TSE 17).
    """
    order, power = _ordered(nodes)
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


def _ordered(nodes: AnyNodes) -> tuple[np.ndarray, np.ndarray]:
    """The indices of nodes in the order of their addresses, and their power f64[N] in that order."""
    if checks.is_traced(nodes.power) or checks.is_traced(nodes.address):
        raise ValueError(
            f"power must be known where finders are drawn, got {checks.shown(nodes.power)}: build nodes outside of jit"
        )
    order = np.argsort(np.asarray(nodes.address))
    return order, np.asarray(nodes.power, np.float64)[order]
