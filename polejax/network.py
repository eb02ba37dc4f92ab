"""Networks: when each node has received and verified a block, as a min-plus product of publishing times and delays."""

from typing import Any, Protocol

from polejax.checks import Array
from polejax.clique import Clique, clique, instant
from polejax.matrix import Matrix, from_matrix, relay
from polejax.regions import Regions, regions

__all__ = [
    "Clique",
    "Matrix",
    "Network",
    "Regions",
    "check_same_count",
    "clique",
    "from_matrix",
    "instant",
    "regions",
    "relay",
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
