"""Networks: when each node has received and verified a block, as a min-plus product of publishing times and delays."""

from polejax.network.base import Network, NetworkWrapper
from polejax.network.clique import Clique, clique, instant
from polejax.network.gossip import gossip
from polejax.network.graphs import Graph, erdos_renyi, from_edges, random_regular, scale_free, small_world
from polejax.network.internet import INTERNET, REGIONS, internet
from polejax.network.matrix import Matrix, from_matrix, relay
from polejax.network.propagation import BITCOIN_BLOCK, COMPACT_BLOCK, hop_delay
from polejax.network.random_delays import (
    DelayLaw,
    RandomDelays,
    constant_delay,
    empirical_delay,
    exponential_delay,
    lognormal_delay,
    random_delays,
    uniform_delay,
)
from polejax.network.regions import Regions, regions
from polejax.network.verified import Verified, verified

__all__ = [
    "BITCOIN_BLOCK",
    "COMPACT_BLOCK",
    "INTERNET",
    "REGIONS",
    "Clique",
    "DelayLaw",
    "Graph",
    "Matrix",
    "Network",
    "NetworkWrapper",
    "RandomDelays",
    "Regions",
    "Verified",
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
    "random_delays",
    "random_regular",
    "regions",
    "relay",
    "scale_free",
    "small_world",
    "uniform_delay",
    "verified",
]


def __dir__() -> list[str]:
    return __all__
