"""
Intervals along a chain
=======================

The same mean, and a hundred blocks one after the other: bursts and droughts of Proof of Work, and a steadier law.
"""

import jax

import polejax as pj

nodes, network = pj.nodes.equal(8), pj.network.clique(8, seconds=2.0)


def steady(shape):
    """Gamma work of which the first of the nodes needs 600 s on the average."""
    first = pj.theory.race_moments(lambda work: pj.theory.gamma_survival(work, shape), nodes.power)
    return pj.mechanisms.gamma(600.0 / first.mean, shape)


laws = {"Proof of Work": pj.PoW(work=600.0), "gamma, shape 16": steady(16.0)}
keys = jax.random.split(jax.random.key(0), 2)
histories = {name: pj.simulate_many(keys, pj.Scenario(nodes, network, law), 128) for name, law in laws.items()}
plot = pj.figures.interval_series(histories, longest=100)
