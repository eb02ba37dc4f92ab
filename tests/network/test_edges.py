"""Edges: links keep the caller's order, and with it their latencies; other things are refused in one line."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polejax import network

PATH = [[0, 9, 10], [9, 0, 1], [10, 1, 0]]


def test_latencies_follow_the_links_as_given():
    links = [(2, 1), (0, 1)]
    np.testing.assert_array_equal(network.from_edges(3, links).edges, links)
    np.testing.assert_array_equal(network.gossip(network.from_edges(3, links), [1.0, 9.0]).delay, PATH)
    np.testing.assert_array_equal(network.gossip(network.from_edges(3, links, [1.0, 9.0])).delay, PATH)
    slow = network.gossip(network.from_edges(3, links), 0.0, num_bytes=9.0, bandwidth=[9.0, 1.0])
    np.testing.assert_array_equal(slow.delay, PATH)


@given(st.integers(0, 2**32 - 1))
def test_the_order_and_direction_of_links_change_no_delay(seed):
    random = np.random.default_rng(seed)
    graph = network.erdos_renyi(7, 1.0)
    latency = random.uniform(0.0, 9.0, len(graph.edges))
    order = random.permutation(len(graph.edges))
    shuffled = np.where(random.random((len(order), 1)) < 0.5, graph.edges[order], graph.edges[order][:, ::-1])
    given_ = network.gossip(network.from_edges(7, shuffled, latency[order]))
    np.testing.assert_array_equal(given_.delay, network.gossip(graph, latency).delay)


TRIPLES = [(0, 1, 5.0), (1, 2, 1.0)]


@pytest.mark.parametrize(
    ("edges", "match"),
    [
        (TRIPLES, r"pairs of nodes, \[E, 2\], got shape \(2, 3\): pass the third column as weights="),
        ([(0, 1, 5)], "pass the third column as weights="),
        (np.zeros((2, 5), int), r"got shape \(2, 5\): transpose it"),
        ([0, 1, 1, 2], r"got shape \(4,\): list two nodes a link"),
        ([(0, 1), (1,)], "list two nodes a link"),
        (None, "pairs of nodes"),
        ("ab", "pairs of nodes"),
        ([[]], "pairs of nodes"),
        ({(0, 1)}, "pairs of nodes"),
        ([(0.5, 1)], "whole numbers, got float64"),
        ([(0.0, 1.0)], "whole numbers, got float64"),
        ([(np.nan, 1)], "whole numbers, got float64"),
        ([("0", "1")], "whole numbers, got <U1"),
        ([(True, False)], "whole numbers, got bool"),
        ([(True, 2)], "whole numbers, got masked or boolean ones"),
        (np.ma.masked_array([[0, 1]], [[True, False]]), "whole numbers, got masked"),
        ([(0, None)], "whole numbers, got object"),
        ([(0, 1j)], "whole numbers, got complex128"),
        ([(0, 3)], "nodes 0 to 2, got 0 to 3"),
        ([(0, -1)], "nodes 0 to 2, got -1 to 0"),
        (np.array([[0, 2**64 - 1]], np.uint64), "nodes 0 to 2, got -1 to 0"),
        ([(0, 1), (2, 2)], r"different nodes, got \[2, 2\] at row 1"),
        ([(0, 1), (1, 2), (0, 1)], r"each link once, .* got \[0, 1\] at row 2 after \[0, 1\] at row 0"),
        ([(0, 1), (1, 2), (2, 1)], r"each link once, .* got \[2, 1\] at row 2 after \[1, 2\] at row 1"),
    ],
)
def test_what_is_no_list_of_links_is_refused(edges, match):
    with pytest.raises(ValueError, match=match) as caught:
        network.from_edges(3, edges)
    assert "\n" not in str(caught.value)


def test_a_triple_is_a_link_and_its_weight_when_given_as_such():
    ends, weights = [row[:2] for row in TRIPLES], [row[2] for row in TRIPLES]
    assert network.gossip(network.from_edges(3, ends, weights)).delay[0, 2] == 6.0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: network.from_edges(3, [(0, 1)], [1.0, 2.0]), r"one per link \(1\), got shape \(2,\)"),
        (lambda: network.from_edges(3, [(0, 1)], 1.0), r"one per link \(1\), got shape \(\)"),
        (lambda: network.from_edges(3, [(0, 1)], [-1.0]), "weights must be at least 0"),
        (lambda: network.gossip([(0, 1)], 1.0), "graph must be a Graph, got list"),
        (lambda: network.gossip(network.from_edges(2, [(0, 1)])), "got neither: give one of them"),
        (lambda: network.gossip(network.from_edges(2, [(0, 1)], [1.0]), 2.0), "got both: give one of them"),
        (lambda: network.gossip(network.Graph(2, np.array([[0, 1], [1, 0]])), [1.0, 2.0]), "each link once"),
    ],
)
def test_weights_and_latencies_are_one_for_each_link(call, match):
    with pytest.raises(ValueError, match=re.compile(match)):
        call()


def test_a_link_without_latency_is_a_link():
    assert network.gossip(network.from_edges(2, [(0, 1)]), 0.0).delay[0, 1] == 0.0
