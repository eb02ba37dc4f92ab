"""
Half of the power is lost
=========================

Difficulty along a chain whose nodes lose half of their power at height 400, under three rules; means of 16 chains.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj

nodes = pj.nodes.lose(pj.nodes.equal(4), np.array([True, True, False, False]), height=400)
rules = {
    "window of 144": pj.difficulty.window(144, target=600.0),
    "ASERT": pj.difficulty.asert(600.0, half_life=24 * 3_600.0),
    "moving average of 50": pj.difficulty.ema(600.0, blocks=50.0),
}
keys = jax.random.split(jax.random.key(0), 16)
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
for (name, rule), colour in zip(rules.items(), ("#0072B2", "#D55E00", "#009E73"), strict=True):
    scenario = pj.Scenario(nodes, pj.network.instant(4), pj.PoW(work=600.0), difficulty=rule)
    history = pj.simulate_many(keys, scenario, 800)
    axes.plot(np.asarray(history.difficulty).mean(axis=0), color=colour, label=name)
axes.set(xlabel="height", ylabel="difficulty [hashes]", ylim=(0, 900))
axes.legend(frameon=False, fontsize=8)
