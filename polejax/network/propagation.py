"""The delay of one hop: latency, bytes over bandwidth, verification."""

import numpy as np

from polejax._core import checks, ranges
from polejax._core.types import Numeric

BITCOIN_BLOCK = 535_000  # bytes; SimBlock, SimulationConfiguration.BLOCK_SIZE
COMPACT_BLOCK = 18_000  # bytes; Bitcoin's compact block relay (BIP 152), SimBlock, COMPACT_BLOCK_SIZE


def hop_delay(
    latency: Numeric,
    num_bytes: float = 0.0,
    bandwidth: Numeric = float("inf"),
    verification: float = 0.0,
    messages: int = 1,
) -> np.ndarray:
    """Seconds from when a node has a block until its neighbour has received and verified it.

    Args:
      latency: seconds, one way, any shape.
      num_bytes: size of the block as it is sent; a compact block is a smaller block (`COMPACT_BLOCK`).
      bandwidth: bytes per second, of a shape that broadcasts with `latency`; inf: transfer takes no time.
      verification: seconds that the receiver takes to verify the block before it passes it on.
      messages: one-way latencies per hop: 1 for a block that is sent unasked, 3 for announcement, request and block.

    Returns:
      messages x latency + num_bytes / bandwidth + verification, f64, seconds.

    Raises:
      ValueError: a negative argument, a bandwidth of 0, or less than one message.
    """
    latency = np.asarray(checks.real("latency", latency, low=0.0), np.float64)
    bandwidth = np.asarray(checks.real("bandwidth", bandwidth, above=0.0, infinite=True), np.float64)
    num_bytes = float(checks.real("num_bytes", num_bytes, low=0.0, ndim=0))
    verification = float(checks.real("verification", verification, low=0.0, ndim=0))
    hop: np.ndarray = checks.whole("messages", messages, low=1) * latency + num_bytes / bandwidth + verification
    if (hop > ranges.MOST).any():
        raise ValueError(
            f"latency, num_bytes / bandwidth and verification must add up to at most {ranges.MOST:g} s, "
            f"got {hop.max():g}"
        )
    return hop
