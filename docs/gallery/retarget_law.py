"""
The law of a retarget rule
==========================

Difficulty that follows the last W - 1 intervals makes the next one Lomax-distributed: the shorter the window, the
heavier its tail. Wide lines are simulated, thin ones are the law.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj

nodes, network, keys = pj.nodes.equal(2), pj.network.instant(2), jax.random.split(jax.random.key(0), 64)
times = np.linspace(0, 240, 200)
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
for window, colour in ((5, "#D55E00"), (10, "#0072B2"), (50, "#009E73")):
    rule = pj.difficulty.window(window, target=30.0, clamp=float("inf"))
    history = pj.simulate_many(keys, pj.Scenario(nodes, network, pj.PoW(work=30.0), difficulty=rule), 300)
    longer = [(np.asarray(history.interval)[:, 2 * window :] > time).mean() for time in times]
    axes.plot(times, longer, color=colour, lw=3, alpha=0.35)
    axes.plot(times, pj.theory.retarget_survival(times, window, 30.0), color=colour, lw=1, label=f"window {window}")
axes.set(yscale="log", ylim=(1e-3, 1), xlabel="interval [s]", ylabel="share of longer intervals")
axes.legend(frameon=False, fontsize=8)
