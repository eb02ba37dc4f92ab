"""
Selfish mining
==============

A selfish pool's share of the main chain, simulated, against Eyal and Sirer's formula, and what honesty would earn.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj
from polejax.attacks import selfish

keys, power = jax.random.split(jax.random.key(0), 16), np.linspace(0.05, 0.45, 9)
alpha = np.linspace(0.01, 0.49, 100)
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
axes.plot(alpha, alpha, ":", color="0.4", label="honest mining")
for gamma, colour in ((0.0, "#0072B2"), (0.5, "#009E73"), (1.0, "#D55E00")):
    axes.plot(alpha, [pj.theory.selfish_revenue(share, gamma) for share in alpha], color=colour, lw=1)
    found = [float(selfish.relative_revenue(keys, float(share), gamma, 5_000).value) for share in power]
    axes.plot(power, found, "o", ms=4, color=colour, label=f"$\\gamma$ = {gamma:g}")
axes.set(xlabel="the pool's share of the power", ylabel="its share of the main chain")
axes.legend(frameon=False, fontsize=8)
