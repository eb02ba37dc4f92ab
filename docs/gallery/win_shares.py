"""
Who wins the blocks
===================

Shares of the blocks against shares of the power. Under Proof of Work they are equal; under steadier work the fastest
node wins more than its share.
"""

import jax

import polejax as pj

nodes, network = pj.nodes.from_shares([30, 25, 20, 15, 10]), pj.network.instant(5)
laws = {"Proof of Work": pj.PoW(work=600.0), "gamma, shape 4": pj.mechanisms.gamma(600.0, shape=4.0)}
keys = jax.random.split(jax.random.key(0), 32)
summaries = {
    name: pj.summarise(pj.simulate_many(keys, pj.Scenario(nodes, network, law), 256), nodes)
    for name, law in laws.items()
}
plot = pj.figures.win_shares(summaries, dict.fromkeys(laws, nodes), "32 seeds × 256 blocks each")
