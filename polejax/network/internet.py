"""The internet between six regions, as measured in 2015 and in 2019, and networks of nodes in these regions."""

from typing import NamedTuple

import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.types import Array
from polejax.network.propagation import BITCOIN_BLOCK, hop_delay
from polejax.network.regions import Regions, regions

REGIONS = ("North America", "Europe", "South America", "Asia-Pacific", "Japan", "Australia")


class Internet(NamedTuple):
    """Measurements of one year; one entry per region, in the order of `REGIONS`.

    Attributes:
      latency: milliseconds, mean, one way, from row to column.
      download: Mbit/s.
      upload: Mbit/s.
      share: fraction of Bitcoin's nodes.
    """

    latency: tuple[tuple[int, ...], ...]
    download: tuple[float, ...]
    upload: tuple[float, ...]
    share: tuple[float, ...]


# SimBlock (Aoki et al. 2019, arXiv 1901.09777), NetworkConfiguration.java. Latencies of 2015 are those of Gervais et
# al. 2016 (Bitcoin-Simulator, bitcoin-topology-helper.cc) in whole milliseconds; Nagayama, Banno and Shudo 2020 (arXiv
# 1912.05208) compare the two years.
INTERNET = {
    2015: Internet(
        latency=(
            (36, 119, 255, 310, 154, 208),
            (119, 12, 221, 242, 266, 350),
            (255, 221, 137, 347, 256, 269),
            (310, 242, 347, 99, 172, 278),
            (154, 266, 256, 172, 9, 163),
            (208, 350, 269, 278, 163, 22),
        ),
        download=(25.0, 24.0, 6.5, 10.0, 17.5, 14.0),
        upload=(4.7, 8.1, 1.8, 5.3, 3.4, 5.2),
        share=(0.3869, 0.5159, 0.0113, 0.0574, 0.0119, 0.0166),
    ),
    2019: Internet(
        latency=(
            (32, 124, 184, 198, 151, 189),
            (124, 11, 227, 237, 252, 294),
            (184, 227, 88, 325, 301, 322),
            (198, 237, 325, 85, 58, 198),
            (151, 252, 301, 58, 12, 126),
            (189, 294, 322, 198, 126, 16),
        ),
        download=(52.0, 40.0, 18.0, 22.8, 22.8, 29.9),
        upload=(19.2, 20.7, 5.8, 15.7, 10.2, 11.3),
        share=(0.3316, 0.4998, 0.0090, 0.1177, 0.0224, 0.0195),
    ),
}


@checked
def internet(
    count: int,
    year: int = 2019,
    *,
    num_bytes: float = BITCOIN_BLOCK,
    verification: float = 0.0,
    messages: int = 1,
    region: Array | None = None,
    seed: int = 0,
) -> Regions:
    """A network of nodes in six regions of the internet, as measured in 2015 or 2019.

    Every node is one hop from every other, and a node of a third region passes blocks on where two hops are faster than
    one (from Asia-Pacific to Australia over Japan, in 2019). One hop takes `messages` latencies, the block's bytes
    divided by the lesser of the sender's upload and the receiver's download bandwidth (as in SimBlock), and the
    verification. These are means: SimBlock's spread around them is left out.

    Args:
      count: number of nodes N.
      year: 2015 or 2019 (`INTERNET`).
      num_bytes: size of a block; by default a Bitcoin block of 535 kB; for BIP 152 use `COMPACT_BLOCK`.
      verification: seconds to verify a block.
      messages: one-way latencies per hop; 3 for announcement, request and block.
      region: i32[N], each node's region in the order of `REGIONS`; None: numbers in proportion to the published shares
        of Bitcoin's nodes (largest remainders), in an order drawn from `seed`.
      seed: of that order (NumPy's PCG64).

    Returns:
      A `Regions` network.

    Raises:
      ValueError: an unknown year, a count below 1, a negative argument, or a region out of range.

    Source: SimBlock (Aoki et al. 2019, arXiv 1901.09777), its table of regions; relaying and the order are ours.
    """
    count = checks.whole("count", count, low=1)
    if year not in INTERNET:
        raise ValueError(f"year must be one of {', '.join(map(str, INTERNET))}, got {checks.shown(year)}")
    table, seed = INTERNET[year], checks.whole("seed", seed)
    if region is None:
        region = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(REGIONS)), _quota(table.share, count)))
    elif np.shape(region) != (count,):
        raise ValueError(f"region must have one entry per node ({count}), got shape {np.shape(region)}")
    bandwidth = np.minimum.outer(np.asarray(table.upload), np.asarray(table.download)) * 1e6 / 8.0
    hop = hop_delay(np.asarray(table.latency) / 1e3, num_bytes, bandwidth, verification, messages)
    return regions(region, hop, relay=True)


def _quota(share: tuple[float, ...], count: int) -> np.ndarray:
    """Whole numbers that sum to `count`, in proportion to the shares by the method of largest remainders."""
    exact = np.asarray(share) / np.sum(share) * count
    quota: np.ndarray = np.floor(exact).astype(int)
    quota[np.argsort(quota - exact, kind="stable")[: count - quota.sum()]] += 1
    return quota
