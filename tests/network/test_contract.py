"""The public contract test over every network of ours, wrappers and adversaries' networks included."""

import numpy as np
import pytest

import polejax as pj
from polejax import network
from polejax.attacks.adversary import Withheld

GRAPH = network.random_regular(20, 4, seed=1)
HOPS = np.random.default_rng(0).uniform(0.1, 1.0, len(GRAPH.edges))
PLACES = np.random.default_rng(1).random((50, 2))
HOLD = np.float32([0.0, 3.0, 0.0, 1.0, 0.0])

NETWORKS = {
    "a single node": lambda: network.clique(1, 2.0),
    "clique": lambda: network.clique(5, 2.0),
    "instant": lambda: network.instant(5),
    "small matrix": lambda: network.from_matrix(3.0 * (1.0 - np.eye(5))),
    "large matrix": lambda: network.from_matrix(np.linalg.norm(PLACES[:, None] - PLACES[None], axis=-1)),
    "regions": lambda: network.regions([0, 0, 1, 1, 0], [[1.0, 2.0], [2.0, 1.0]], 0.1, [0.5, 0.25, 0.125, 0.0, 1.0]),
    "internet": lambda: network.internet(40),
    "gossip": lambda: network.gossip(GRAPH, HOPS),
    "gossip with a relay": lambda: network.relay(network.gossip(GRAPH, HOPS), np.arange(20) < 5, 0.01),
    "random delays": lambda: network.random_delays(network.clique(5, 1.0), network.exponential_delay(2.0)),
    "random delays of regions": lambda: network.random_delays(
        network.internet(12), network.empirical_delay([0.0, 2.0])
    ),
    "verified": lambda: network.verified(network.internet(12), 0.5),
    "withheld": lambda: Withheld(network.clique(5, 1.0), HOLD),
    "withheld, random": lambda: Withheld(
        network.random_delays(network.instant(5), network.uniform_delay(1.0, 2.0)), HOLD
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_keeps_the_contract(name):
    pj.testing.check_network(NETWORKS[name]())
