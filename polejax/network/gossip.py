"""Gossip networks: nodes pass blocks on over their links, so that delays are shortest paths."""

import numpy as np
from scipy import sparse

from polejax._core import limits
from polejax._core.checked import checked
from polejax._core.ranges import as_delays
from polejax._core.types import Numeric
from polejax.network.graphs import Graph, checked_links
from polejax.network.matrix import Matrix
from polejax.network.propagation import hop_delay

NAMED = 10  # nodes that an error message lists at most


@checked
def gossip(
    graph: Graph,
    latency: Numeric | None = None,
    *,
    num_bytes: float = 0.0,
    bandwidth: Numeric = float("inf"),
    verification: float = 0.0,
    messages: int = 1,
) -> Matrix:
    """A network in which every node, once it has verified a block, passes it on over its links.

    Args:
      graph: links between nodes, from `random_regular`, `erdos_renyi`, `small_world`, `scale_free` or `from_edges`.
      latency: seconds, one way; one number for all links, or [E], one per link of `graph.edges`, in its order; None:
        the graph's weights.
      num_bytes: size of a block as it is sent.
      bandwidth: bytes per second, one number for all links or [E]; inf: transfer takes no time.
      verification: seconds that every node takes to verify a block before it passes it on.
      messages: one-way latencies per hop; 3 for announcement, request and block.

    Returns:
      A `Matrix` of shortest paths (Dijkstra), N^2 numbers: beyond some thousand nodes use `regions`.

    Raises:
      ValueError: no `Graph`, some node cannot be reached, an argument is negative, the shapes do not match, a latency
        neither here nor in the graph, or both.
    """
    from scipy.sparse import csgraph

    if not isinstance(graph, Graph):
        raise ValueError(f"graph must be a Graph, got {type(graph).__name__}: use polejax.network.from_edges(...)")
    if (latency is None) == (graph.weights is None):
        given = "neither" if latency is None else "both"
        raise ValueError(f"latency or graph.weights must be given, got {given}: give one of them")
    latency = graph.weights if latency is None else latency
    hops = hop_delay(latency, num_bytes, bandwidth, verification, messages)
    if hops.shape not in ((), (len(graph.edges),)):
        raise ValueError(
            f"latency and bandwidth must be one number or one per link ({len(graph.edges)}), got {hops.shape}"
        )
    ends = tuple(checked_links(graph.num_nodes, graph.edges).T)  # a link given twice would count twice
    links = sparse.csr_array((np.broadcast_to(hops, len(graph.edges)), ends), shape=(graph.num_nodes,) * 2)
    _check_connected(csgraph.connected_components(links, directed=False)[1])
    limits.check_memory(f"graph of {graph.num_nodes:,} nodes", 12.0 * graph.num_nodes**2, "use polejax.network.regions")
    delay = as_delays("latency and transfer", csgraph.dijkstra(links, directed=False))
    return Matrix(delay)


def _check_connected(part: np.ndarray) -> None:
    """Raise a ValueError that names the nodes outside the largest connected part, given each node's part i[N]."""
    cut_off = np.flatnonzero(part != np.bincount(part).argmax())
    if cut_off.size:
        named = ", ".join(map(str, cut_off[:NAMED])) + (", ..." if cut_off.size > NAMED else "")
        raise ValueError(
            f"graph must be connected, but {cut_off.size} nodes are cut off ({named}): link them, or leave them out"
        )
