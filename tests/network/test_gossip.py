"""Gossip: random graphs have the properties that define them, and delays are their shortest paths."""

import numpy as np
import pytest
from scipy import stats

from polejax import network

GRAPHS = [
    network.random_regular(200, 8, seed=1),
    network.erdos_renyi(200, 0.05, seed=1),
    network.small_world(200, 6, 0.1, seed=1),
    network.scale_free(200, 4, seed=1),
]
NAMES = ["random_regular", "erdos_renyi", "small_world", "scale_free"]


def degrees(graph):
    return np.bincount(graph.edges.ravel(), minlength=graph.num_nodes)


@pytest.mark.parametrize("graph", GRAPHS, ids=NAMES)
def test_delays_are_shortest_paths(graph):
    hop = np.random.default_rng(4).uniform(0.1, 1.0, len(graph.edges))
    shortest = np.full((graph.num_nodes, graph.num_nodes), np.inf)
    np.fill_diagonal(shortest, 0.0)
    for (a, b), seconds in zip(graph.edges, hop, strict=True):
        shortest[a, b] = shortest[b, a] = seconds + 0.25 + 0.5
    for via in range(graph.num_nodes):
        shortest = np.minimum(shortest, shortest[:, via, None] + shortest[None, via, :])
    net = network.gossip(graph, hop, num_bytes=1e6, bandwidth=4e6, verification=0.5)
    np.testing.assert_allclose(net.delay, shortest, rtol=1e-6)
    network.from_matrix(net.delay)


@pytest.mark.parametrize("graph", GRAPHS, ids=NAMES)
def test_links_are_simple_and_repeatable(graph):
    assert (graph.edges[:, 0] < graph.edges[:, 1]).all()
    assert len(np.unique(graph.edges, axis=0)) == len(graph.edges)


def test_random_regular_graphs_have_one_degree_and_any_pair_is_as_likely():
    assert (degrees(GRAPHS[0]) == 8).all()
    assert (degrees(network.random_regular(5, 4)) == 4).all()  # the complete graph is the only one
    # Of the 15 links of 6 nodes a 3-regular graph has 9, each with chance 3/5 by symmetry.
    drawn = np.concatenate([network.random_regular(6, 3, seed).edges for seed in range(500)])
    times = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(times) == 15
    assert (np.abs(times - 300) < 5 * np.sqrt(500 * 0.6 * 0.4)).all()


def test_erdos_renyi_links_are_binomial():
    pairs = 200 * 199 // 2
    assert abs(len(GRAPHS[1].edges) - 0.05 * pairs) < 5 * np.sqrt(pairs * 0.05 * 0.95)
    assert len(network.erdos_renyi(20, 1.0).edges) == 190
    assert len(network.erdos_renyi(20, 0.0).edges) == 0


def test_small_worlds_begin_as_a_ring_and_shrink_when_rewired():
    ring = network.small_world(200, 6, 0.0)
    assert (degrees(ring) == 6).all()
    assert network.gossip(ring, 1.0).delay[0, 100] == 34  # 100 places, three at a time
    assert len(GRAPHS[2].edges) == 600
    assert network.gossip(GRAPHS[2], 1.0).delay.max() < 15


def test_scale_free_degrees_fall_as_a_cube():
    graph = network.scale_free(5_000, 4, seed=2)
    degree = degrees(graph)
    assert degree.min() == 4
    # Barabasi-Albert: P(degree = k) = 2 m (m + 1) / (k (k + 1) (k + 2)).
    counts = np.array([(degree == k).sum() for k in range(4, 12)])
    expected = 5_000 * np.array([2 * 4 * 5 / (k * (k + 1) * (k + 2)) for k in range(4, 12)])
    assert stats.chisquare([*counts, 5_000 - counts.sum()], [*expected, 5_000 - expected.sum()]).pvalue > 1e-5


def test_relay_networks_are_shortest_paths_with_a_hub():
    net = network.gossip(GRAPHS[0], 1.0)
    members = np.arange(200) % 10 == 0
    relayed = network.relay(net, members, 0.5).delay
    hub = np.minimum(net.delay, np.where(members[:, None] & members[None, :], 0.5, np.inf))
    np.fill_diagonal(hub, 0.0)
    for via in range(200):
        hub = np.minimum(hub, hub[:, via, None] + hub[None, via, :])
    np.testing.assert_allclose(relayed, hub)
    assert relayed.mean() < net.delay.mean()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: network.gossip(network.from_edges(5, [[0, 1], [1, 2], [3, 4]]), 1.0), r"2 nodes are cut off \(3, 4\)"),
        (lambda: network.gossip(network.from_edges(40, []), 1.0), r"39 nodes are cut off \(1, 2, .*, \.\.\.\)"),
        (lambda: network.gossip(GRAPHS[0], -1.0), "latency must be at least 0, got -1"),
        (lambda: network.gossip(GRAPHS[0], [1.0, 2.0]), r"one per link \(800\)"),
        (lambda: network.from_edges(3, [[0, 3]]), "edges must link nodes 0 to 2, got 0 to 3"),
        (lambda: network.random_regular(5, 3), "even, got 5 x 3"),
        (lambda: network.random_regular(5, 5), "degree must be at least 1 and at most 4, got 5"),
        (lambda: network.erdos_renyi(5, 1.5), "probability must be at least 0 and at most 1, got 1.5"),
        (lambda: network.small_world(9, 3), "degree must be even, got 3"),
        (
            lambda: network.relay(network.gossip(GRAPHS[0], 1.0), np.zeros(200, bool), 1.0),
            r"members must be bool\[200\]",
        ),
    ],
)
def test_bad_graphs_are_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message):
        build()
