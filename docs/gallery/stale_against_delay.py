"""
Stale blocks against the delay
==============================

Simulated stale shares of Proof of Work between equal nodes, and the law that they follow.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj

nodes, interval = pj.nodes.equal(16), 600.0
delays, keys = np.array([3.0, 10.0, 30.0, 100.0, 300.0]), jax.random.split(jax.random.key(0), 32)
stale = [
    pj.summarise(
        pj.simulate_many(keys, pj.Scenario(nodes, pj.network.clique(16, delay), pj.PoW(interval)), 200)
    ).stale_per_block
    for delay in delays.tolist()
]
x = np.geomspace(2, 400, 50)
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
axes.plot(x, [pj.theory.clique_stale_per_block(d, interval, nodes.power) for d in x], color="0.4", label="law")
values = np.array([float(one.value) for one in stale])
bars = [values - [float(one.low) for one in stale], [float(one.high) for one in stale] - values]
axes.errorbar(delays, values, bars, fmt="o", ms=4, color="#0072B2", label="32 seeds × 200 blocks, 95%")
axes.set(xscale="log", yscale="log", xlabel="delay between nodes [s]", ylabel="stale / published blocks")
axes.legend(frameon=False, fontsize=8)
