"""
Steadier than exponential
=========================

Share of the block intervals that are longer than x mean intervals. Proof of Work is exponential; work of a narrower
law, here gamma of shape 9, is not.
"""

import jax

import polejax as pj

nodes, network = pj.nodes.equal(8), pj.network.instant(8)
laws = {"Proof of Work": pj.PoW(work=600.0), "gamma, shape 9": pj.mechanisms.gamma(125.0, shape=9.0)}
keys = jax.random.split(jax.random.key(0), 16)
histories = {name: pj.simulate_many(keys, pj.Scenario(nodes, network, law), 256) for name, law in laws.items()}
plot = pj.figures.interval_survival(histories)
