"""
How far nodes are apart
=======================

Seconds until a share of 300 nodes has a block, on the internet as measured in 2015 and 2019, for full and for compact
blocks.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj

figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
for year, colour in ((2015, "#D55E00"), (2019, "#0072B2")):
    for size, line in ((pj.network.BITCOIN_BLOCK, "-"), (pj.network.COMPACT_BLOCK, "--")):
        network = jax.tree.map(jnp.asarray, pj.network.internet(300, year, num_bytes=size, messages=3))
        delays = np.sort(np.asarray(jax.vmap(network.delays_from)(jnp.arange(300))).ravel())
        label = f"{year}, {'full' if line == '-' else 'compact'} block"
        axes.plot(delays, np.linspace(0, 1, delays.size), line, color=colour, label=label)
axes.set(xscale="log", xlabel="time since publishing [s]", ylabel="share of the nodes")
axes.legend(loc="lower right", frameon=False, fontsize=8)
