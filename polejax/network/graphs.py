"""Random graphs: the links of a gossip network."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from polejax._core import checks, limits
from polejax._core.brief import brief
from polejax._core.checked import checked

_TRIES = 100
"""Random pairings, of which most succeed at once unless a graph is dense."""


class Graph(NamedTuple):
    """Undirected links between nodes; each link once, none from a node to itself.

    Attributes:
      num_nodes: number of nodes N.
      edges: i64[E, 2], the two nodes of each link.
      weights: f64[E], seconds, latency of each link, one way; None: `gossip` is told.
    """

    num_nodes: int
    edges: np.ndarray
    weights: np.ndarray | None = None

    def __repr__(self) -> str:
        return brief(self)


@checked
def from_edges(count: int, edges: ArrayLike, weights: ArrayLike | None = None) -> Graph:
    """A graph of given links, in the order given, so that arrays of latencies or bandwidths follow the caller's links.

    Args:
      count: number of nodes N.
      edges: whole numbers [E, 2], two different nodes from 0 to N - 1 of each link; each link once, in any direction.
      weights: f64[E], seconds, latency of each link, one way, which `gossip(graph)` then takes; None: `gossip` is told.

    Raises:
      ValueError: links of another shape (triples with weights, [2, E], a flat list), nodes that are no whole numbers or
        out of range, a link from a node to itself, a link given twice, or weights that are negative or not one each.
    """
    count = checks.whole("count", count, low=1)
    links = checked_links(count, edges)
    if weights is None:
        return Graph(count, links)
    seconds = np.asarray(checks.real("weights", weights, low=0.0), np.float64)
    if seconds.shape != (len(links),):
        raise ValueError(f"weights must be one per link ({len(links)}), got shape {seconds.shape}: list them in order")
    return Graph(count, links, seconds)


def checked_links(count: int, edges: ArrayLike) -> np.ndarray:
    """Links i64[E, 2] as given; see `from_edges` for what is refused."""
    try:
        links = np.asarray(edges)
    except Exception:  # rows of different lengths, a key, or whatever an object's own `__array__` raises
        shown = checks.shown(edges)
        raise ValueError(f"edges must be pairs of nodes, [E, 2], got {shown}: list two nodes a link") from None
    if links.shape == (0,):
        return _none()
    if links.ndim != 2 or links.shape[1] != 2:
        remedy = "list two nodes a link"
        if links.ndim == 2 and links.shape[1] == 3:
            remedy = "pass the third column as weights="
        elif links.ndim == 2 and links.shape[0] == 2:
            remedy = "transpose it"
        raise ValueError(f"edges must be pairs of nodes, [E, 2], got shape {links.shape}: {remedy}")
    if links.dtype.kind not in "iu" or np.ma.isMaskedArray(edges) or _holds_flags(edges):
        kind = "masked or boolean ones" if links.dtype.kind in "iu" else f"{links.dtype} such as {links[0, 0]}"
        raise ValueError(f"edges must be whole numbers, got {kind}: number the nodes from 0")
    links = links.astype(np.int64)  # unsigned numbers beyond come out negative
    if links.size and (links.min() < 0 or links.max() >= count):
        raise ValueError(f"edges must link nodes 0 to {count - 1}, got {links.min()} to {links.max()}")
    loops = np.flatnonzero(links[:, 0] == links[:, 1])
    if loops.size:
        row = int(loops[0])
        raise ValueError(f"edges must link different nodes, got {links[row].tolist()} at row {row}: leave it out")
    undirected = np.sort(links, axis=1)
    _, first, inverse = np.unique(undirected, axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse.ravel()] != np.arange(len(links)))
    if again.size:
        row = int(again[0])
        earlier = int(first[inverse.ravel()[row]])
        raise ValueError(
            f"edges must give each link once, as links have no direction, got {links[row].tolist()} at row {row} after "
            f"{links[earlier].tolist()} at row {earlier}: leave one out"
        )
    return links


def _holds_flags(edges: ArrayLike) -> bool:
    """Whether rows of Python objects hold True or False, which NumPy would read as 1 and 0 among numbers."""
    return not isinstance(edges, np.ndarray) and any(isinstance(end, bool) for row in edges for end in row)  # type: ignore[union-attr]


def _none() -> np.ndarray:
    """No links i64[0, 2]."""
    return np.empty((0, 2), np.int64)


def _check_room(count: int, links: float) -> None:
    """Raise a ValueError unless a graph of so many links finds room in memory."""
    limits.check_memory(f"count {count:,} with {links:,.3g} links", 64 * links + 8 * count, "take fewer nodes or links")


def _simple(count: int, edges: np.ndarray) -> Graph:
    """The graph of drawn links i[E, 2], sorted, without duplicates."""
    pairs = np.sort(np.asarray(edges, dtype=np.int64).reshape(-1, 2), axis=1)
    return Graph(count, np.unique(pairs, axis=0))


@checked
def random_regular(count: int, degree: int = 8, seed: int = 0) -> Graph:
    """A random graph in which every node has exactly `degree` links.

    Args:
      count: number of nodes N.
      degree: links per node, below N; N x degree must be even.
      seed: of the draw (NumPy's PCG64).

    Raises:
      ValueError: no such graph exists.

    Source: Steger and Wormald 1999, Generating random regular graphs quickly, algorithm 1.
    """
    count = checks.whole("count", count, low=2)
    degree = checks.whole("degree", degree, low=1, high=count - 1)
    if count * degree % 2:
        raise ValueError(f"count x degree must be even, got {count} x {degree}: every link has two ends")
    _check_room(count, count * degree / 2)
    rng = np.random.default_rng(checks.whole("seed", seed))
    for _ in range(_TRIES):
        codes = _pair_up(np.repeat(np.arange(count), degree), count, rng)
        if codes is not None:
            return _simple(count, np.stack(np.divmod(codes, count), axis=1))
    if 2 * degree < count - 1:
        raise ValueError(
            f"degree {degree} of {count} nodes was not drawn in {_TRIES} tries: take another seed or degree"
        )
    # Of dense graphs nearly no pairing succeeds: draw the links that are missing (ours).
    missing = random_regular(count, count - 1 - degree, seed) if degree < count - 1 else Graph(count, _none())
    lower, upper = np.triu_indices(count, 1)
    kept = ~np.isin(lower * count + upper, missing.edges @ np.array([count, 1]))
    return _simple(count, np.stack([lower[kept], upper[kept]], axis=1))


def _pair_up(ends: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray | None:
    """Links, as codes low * count + high, that use every end once; None if the random pairing fails."""
    links = np.empty(0, np.int64)
    for _ in range(30):
        if not ends.size:
            return links
        pairs = np.sort(rng.permutation(ends).reshape(-1, 2), axis=1)
        codes = pairs[:, 0] * count + pairs[:, 1]
        fresh = np.zeros(codes.size, bool)
        fresh[np.unique(codes, return_index=True)[1]] = True
        fresh &= (pairs[:, 0] != pairs[:, 1]) & ~np.isin(codes, links)
        links, ends = np.concatenate([links, codes[fresh]]), pairs[~fresh].ravel()
    return None


@checked
def erdos_renyi(count: int, probability: float, seed: int = 0) -> Graph:
    """A random graph in which every pair of nodes is linked independently with the same probability.

    Args:
      count: number of nodes N.
      probability: of each link; above about ln(N) / N the graph is connected.
      seed: of the draw (NumPy's PCG64).

    Raises:
      ValueError: count below 1 or a probability outside [0, 1].

    Source: Gilbert 1959, Random graphs, G(n, p).
    """
    count = checks.whole("count", count, low=1)
    probability = float(checks.real("probability", probability, low=0.0, high=1.0, ndim=0))
    _check_room(count, probability * count * (count - 1) / 2)
    rng = np.random.default_rng(checks.whole("seed", seed))
    linked = [np.flatnonzero(rng.random(node) < probability) for node in range(count)]
    ends = np.repeat(np.arange(count), [len(others) for others in linked])
    return _simple(count, np.stack([np.concatenate(linked), ends], axis=1))


@checked
def small_world(count: int, degree: int = 8, rewired: float = 0.1, seed: int = 0) -> Graph:
    """A ring whose nodes are linked to their nearest neighbours, some links rewired at random.

    Args:
      count: number of nodes N.
      degree: links per node before rewiring, even and below N.
      rewired: fraction of links whose far end is drawn anew; a link stays where the draw would duplicate another.
      seed: of the draw (NumPy's PCG64).

    Raises:
      ValueError: an odd or too large degree, or a fraction outside [0, 1].

    Source: Watts and Strogatz 1998, Collective dynamics of small-world networks.
    """
    count = checks.whole("count", count, low=3)
    degree = checks.whole("degree", degree, low=2, high=count - 1)
    if degree % 2:
        raise ValueError(f"degree must be even, got {degree}: half of the neighbours are on either side")
    _check_room(count, count * degree / 2)
    rewired = float(checks.real("rewired", rewired, low=0.0, high=1.0, ndim=0))
    rng = np.random.default_rng(checks.whole("seed", seed))
    linked = [
        {(node + sign * step) % count for step in range(1, degree // 2 + 1) for sign in (1, -1)}
        for node in range(count)
    ]
    for step in range(1, degree // 2 + 1):
        for node in np.flatnonzero(rng.random(count) < rewired).tolist():
            old, new = (node + step) % count, int(rng.integers(count))
            if new != node and new not in linked[node] and old in linked[node]:
                linked[node].remove(old)
                linked[old].remove(node)
                linked[node].add(new)
                linked[new].add(node)
    return _simple(count, np.array([(node, other) for node in range(count) for other in linked[node]]))


@checked
def scale_free(count: int, links: int = 4, seed: int = 0) -> Graph:
    """A graph grown node by node; each new node links to old ones with probability proportional to their links.

    Args:
      count: number of nodes N.
      links: number of links of each new node, below N; the first `links` + 1 nodes are all linked to one another.
      seed: of the draw (NumPy's PCG64).

    Raises:
      ValueError: a count or number of links out of range.

    Source: Barabasi and Albert 1999, Emergence of scaling in random networks.
    """
    count = checks.whole("count", count, low=2)
    links = checks.whole("links", links, low=1, high=count - 1)
    _check_room(count, count * links)
    rng = np.random.default_rng(checks.whole("seed", seed))
    edges = [(low, high) for high in range(links + 1) for low in range(high)]
    ends = [end for edge in edges for end in edge]  # every node as often as it has links
    for node in range(links + 1, count):
        chosen: set[int] = set()
        while len(chosen) < links:
            chosen.add(ends[int(rng.integers(len(ends)))])
        edges += [(other, node) for other in sorted(chosen)]
        ends += [*sorted(chosen), *[node] * links]
    return _simple(count, np.array(edges))
