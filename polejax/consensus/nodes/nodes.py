"""Nodes: their addresses and their computing power."""

from collections.abc import Sequence

import numpy as np

from polejax._core import checks, limits
from polejax._core.brief import sizes, span
from polejax._core.checked import checked
from polejax._core.numerics import rounded
from polejax._core.record import axes, convert, record
from polejax._core.types import Array


@record
class Nodes:
    """Consensus nodes: their computing power and their addresses.

    Attributes:
      power: f32[N], work units (hashes or training steps) per second, positive.
      address: u32[N], each node's identity, all different. Random numbers, Secure Mapping Layers and headers depend on
        the address, never on the position in this array.

    Raises:
      ValueError: no nodes, power that is not positive and finite, or an address given twice.
    """

    power: Array = axes(1)
    address: Array = axes(1)

    def __post_init__(self) -> None:
        convert(self, power=_checked_power, address=_checked_address)
        if checks.is_traced(self.power) or checks.is_traced(self.address):
            return
        count = self.power.shape[-1]
        if self.address.shape != (count,):
            raise ValueError(f"address must have one entry per node ({count}), got shape {self.address.shape}")
        addresses, times = np.unique(self.address, return_counts=True)
        if addresses.size != count:
            raise ValueError(f"address {addresses[times > 1][0]} is given twice: every node needs its own")
        convert(self, address=lambda address: _as_uint32(address))

    def __repr__(self) -> str:
        """Their number and the span of their power."""
        of = span(self.power)
        return f"Nodes({sizes(np.shape(self.power), 'nodes')}{of and f', power {of}'})"

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.power.shape[-1]

    def at(self, height: Array) -> "Nodes":
        """The nodes while they work on a block of a height i32[]: the same at every height."""
        return self

    def seconds(self, work: Array) -> Array:
        """Seconds f32[N] that each node takes for its work f32[N]: work / power, rounded to 23 significant bits.

        Computed as a product with a reciprocal, and rounded: XLA may turn a division into such a product, and may fuse
        a product into a sum, depending on what else is in the batch (see `polejax._core.numerics.rounded`). Work that
        is a product with a constant must be rounded by the caller, as XLA may reorder the factors; rounding all work
        here would take as long as drawing it.
        """
        return rounded(work * (1.0 / self.power))


def _checked_power(power: Array) -> Array:
    power = checks.real("power", power, above=0.0)
    if np.ndim(power) == 0 or np.shape(power)[-1] == 0:
        raise ValueError(f"power must list at least one node, got shape {np.shape(power)}")
    return power


def _checked_count(count: int) -> int:
    """A number of nodes that have addresses and find room in memory."""
    count = limits.counted("count", count, 2**32, "addresses have 32 bits")
    limits.check_memory(f"count {count:,}", 40.0 * count, "take fewer nodes")
    return count


def _checked_address(address: Array) -> Array:
    return address if checks.is_traced(address) else checks.numbers("address", address)


def _as_uint32(address: Array) -> Array:
    if not np.issubdtype(address.dtype, np.integer) or (address < 0).any() or (address > 0xFFFFFFFF).any():
        raise ValueError(f"address must be whole numbers from 0 to 2^32 - 1, got {checks.shown(address)}")
    return address.astype(np.uint32)


def from_shares(shares: Sequence[float] | np.ndarray, total: float = 1.0) -> Nodes:
    """Nodes whose powers are in the ratio of the given shares.

    Args:
      shares: N positive weights (percent, fractions or counts: only their ratios matter).
      total: power of all nodes together, work units per second.

    Returns:
      `Nodes` with addresses 0 .. N-1 in the order given.

    Raises:
      ValueError: a share or the total is not positive, or there are no shares.
    """
    weights = np.asarray(checks.real("shares", shares, low=0.0, ndim=1), dtype=np.float64)
    if weights.size == 0 or weights.sum() <= 0:
        raise ValueError(f"shares must have a positive sum, got {checks.shown(shares)}: give some node power")
    if (weights == 0).any():
        raise ValueError(f"shares must be positive, got 0 at node {int(np.argmin(weights))}: leave that node out")
    total = float(checks.real("total", total, above=0.0, ndim=0))
    return Nodes((total * weights / weights.sum()).astype(np.float32), np.arange(weights.size, dtype=np.uint32))


def equal(count: int, total: float | None = None, *, each: float | None = None) -> Nodes:
    """`count` nodes of equal power: 1 work unit per second together, unless `total` or `each` says otherwise.

    Args:
      count: number of nodes.
      total: power of all nodes together, work units per second; None: 1, or what `each` comes to.
      each: power of each node, work units per second, in place of `total`; `polejax compare` has `each=1.0`.

    Raises:
      ValueError: count below 1, a power that is not positive, or both powers.
    """
    return from_shares(np.ones(_checked_count(count)), _total(count, total, each))


def zipf(count: int, exponent: float = 1.0, total: float | None = None, *, each: float | None = None) -> Nodes:
    """Nodes whose power falls with rank r as r^-exponent.

    Args:
      count: number of nodes.
      exponent: at least 0.
      total: power of all nodes together, work units per second; None: 1, or what `each` comes to.
      each: power of a node on average, work units per second, in place of `total`.

    Raises:
      ValueError: count below 1, a negative exponent, a power that is not positive, or both powers.
    """
    ranks = np.arange(1, _checked_count(count) + 1, dtype=np.float64)
    weights = ranks ** -checks.number("exponent", exponent, low=0.0)
    return from_shares(_within_reach("exponent", exponent, weights), _total(count, total, each))


@checked
def lognormal(
    count: int, sigma: float = 1.0, total: float | None = None, seed: int = 0, *, each: float | None = None
) -> Nodes:
    """Nodes whose powers are drawn from a log-normal law and scaled.

    Args:
      count: number of nodes.
      sigma: standard deviation of the power's logarithm, >= 0.
      total: power of all nodes together, work units per second; None: 1, or what `each` comes to.
      seed: of the draw (NumPy's PCG64).
      each: power of a node on average, work units per second, in place of `total`.

    Raises:
      ValueError: count below 1, a negative sigma, a power that is not positive, or both powers.
    """
    sigma = checks.number("sigma", sigma, low=0.0)
    normal = np.random.default_rng(checks.whole("seed", seed)).standard_normal(_checked_count(count))
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp(sigma * normal)
    return from_shares(_within_reach("sigma", sigma, weights), _total(count, total, each))


def _total(count: int, total: float | None, each: float | None) -> float:
    """Power of all nodes together, from what a caller has given of it."""
    if each is None:
        return 1.0 if total is None else float(checks.real("total", total, above=0.0, ndim=0))
    if total is not None:
        raise ValueError(f"total must be left out where each is given, got {checks.shown(total)}: give one of them")
    return count * checks.number("each", each, above=0.0)


def _within_reach(name: str, value: float, weights: np.ndarray) -> np.ndarray:
    """Shares of power, once the least and the largest are within what float32 tells apart from 0 and infinity."""
    shares = weights / weights.max()
    if not (shares > np.finfo(np.float32).tiny).all():
        raise ValueError(f"{name} must be smaller, got {value:g}: some node would have no power beside the largest")
    return weights
