"""Networks: when each node has received and verified a block, as a min-plus product of publishing times and delays."""

from typing import Any, Protocol

from polejax._core.types import Array
from polejax.clique import Clique, clique, instant
from polejax.delays import (
    RandomDelays,
    constant_delay,
    empirical_delay,
    exponential_delay,
    lognormal_delay,
    random_delays,
    uniform_delay,
)
from polejax.gossip import gossip
from polejax.graphs import Graph, erdos_renyi, from_edges, random_regular, scale_free, small_world
from polejax.internet import INTERNET, REGIONS, internet
from polejax.matrix import Matrix, from_matrix, relay
from polejax.propagation import BITCOIN_BLOCK, COMPACT_BLOCK, ModelBlock, hop_delay, model_block
from polejax.regions import Regions, regions

__all__ = [
    "BITCOIN_BLOCK",
    "COMPACT_BLOCK",
    "INTERNET",
    "REGIONS",
    "Clique",
    "Graph",
    "Matrix",
    "ModelBlock",
    "Network",
    "RandomDelays",
    "Regions",
    "check_same_count",
    "clique",
    "constant_delay",
    "empirical_delay",
    "erdos_renyi",
    "exponential_delay",
    "from_edges",
    "from_matrix",
    "gossip",
    "hop_delay",
    "instant",
    "internet",
    "lognormal_delay",
    "model_block",
    "of_round",
    "random_delays",
    "random_regular",
    "regions",
    "relay",
    "scale_free",
    "small_world",
    "uniform_delay",
]


class Network(Protocol):
    """What carries blocks: delays D[j, i] >= 0 seconds from j's publishing to i's having verified it, D[i, i] = 0."""

    count: int

    def hear(self, publish: Array) -> tuple[Array, Array]:
        """First arrival at every node, and whose block it is.

        Args:
          publish: f32[N], seconds at which each node would publish; inf for a node that does not.

        Returns:
          arrival f32[N], `min_j publish[j] + D[j, i]`, seconds; source i32[N], the j of that minimum, the lowest j
          among exactly equal ones.
        """
        ...

    def row(self, publisher: Array) -> Array:
        """Delays D[j] f32[N] in seconds of a block that node j i32[] publishes."""
        ...


def check_same_count(network: Any, count: int) -> None:
    """Raise a ValueError unless the network connects `count` nodes."""
    if network.count != count:
        raise ValueError(f"network connects {network.count} nodes, but there are {count}: build both with one count")


def of_round(network: Any, key: Array) -> Any:
    """The network of one round: with delays drawn from `key` where they are random, else the network itself."""
    return network.at(key) if hasattr(network, "at") else network
