"""
Steadiness and its price
========================

The coefficient of variation of the interval falls as work becomes steadier; stale blocks rise, since equal nodes that
need about the same work finish at about the same time.
"""

import jax

import polejax as pj

nodes, network = pj.nodes.equal(8), pj.network.clique(8, seconds=2.0)


def steady(shape):
    """Gamma work of which the first of the nodes needs 600 s on the average."""
    first = pj.theory.race_moments(lambda work: pj.theory.gamma_survival(work, shape), nodes.power)
    return pj.mechanisms.gamma(600.0 / first.mean, shape)


laws = {"PoW": pj.PoW(work=600.0), "gamma 4": steady(4.0), "gamma 16": steady(16.0)}
keys = jax.random.split(jax.random.key(0), 32)
summaries = {
    name: pj.summarise(pj.simulate_many(keys, pj.Scenario(nodes, network, law), 128)) for name, law in laws.items()
}
plot = pj.figures.variation_and_stale_blocks(summaries, "32 seeds × 128 blocks each")
