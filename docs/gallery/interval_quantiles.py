"""
Quantiles against the exponential law
=====================================

A law that lies on the diagonal is exponential. A retarget rule over ten blocks makes Proof of Work's tail heavier:
its intervals follow a Lomax law.
"""

import jax

import polejax as pj

nodes, network, keys = pj.nodes.equal(4), pj.network.instant(4), jax.random.split(jax.random.key(0), 32)
rules = {
    "fixed difficulty": pj.difficulty.fixed(),
    "retarget over 10": pj.difficulty.window(10, target=600.0, clamp=1e9),
}
histories = {
    name: pj.simulate_many(keys, pj.Scenario(nodes, network, pj.PoW(work=600.0), difficulty=rule), 256)
    for name, rule in rules.items()
}
plot = pj.figures.interval_quantiles(histories)
