"""
Confirmation latency against load
=================================

Transactions wait longer the nearer the chain is to its capacity, and the burstier its blocks come: Proof of Work, and
gamma work of shape 16 at the same mean interval.
"""

import jax

import polejax as pj

nodes, network = pj.nodes.equal(8), pj.network.instant(8)


def steady(shape):
    """Gamma work of which the first of the nodes needs 600 s on the average."""
    first = pj.theory.race_moments(lambda work: pj.theory.gamma_survival(work, shape), nodes.power)
    return pj.mechanisms.gamma(600.0 / first.mean, shape)


laws = {"PoW": pj.PoW(work=600.0), "gamma": steady(16.0)}
keys = jax.random.split(jax.random.key(0), 16)
histories = {name: pj.simulate_many(keys, pj.Scenario(nodes, network, law), 1_024) for name, law in laws.items()}
at_loads = pj.analysis.service_at_loads(jax.random.key(1), histories, loads=(0.2, 0.4, 0.6, 0.8), capacity=200)
plot = pj.figures.latency_against_load(at_loads)
