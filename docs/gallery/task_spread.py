"""
Unequal tasks bring the variation back
======================================

PoLe is steady while tasks are alike. When each block's task scales the work at random, the variation of the tasks adds
to that of the race.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj

nodes, network, keys = pj.nodes.equal(8), pj.network.instant(8), jax.random.split(jax.random.key(0), 32)
steady = pj.mechanisms.gamma(600.0, shape=30.0)
spreads, cvs = [0.1, 0.2, 0.4, 0.8], []
for spread in spreads:
    law = pj.mechanisms.ArchitectureSpread(steady, spread)
    cvs.append(pj.summarise(pj.simulate_many(keys, pj.Scenario(nodes, network, law), 256)).interval_cv)
alone = float(pj.summarise(pj.simulate_many(keys, pj.Scenario(nodes, network, steady), 256)).interval_cv.value)
x, values = np.linspace(0.0, 1.0, 50), np.array([float(cv.value) for cv in cvs])
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
axes.plot(x, [pj.theory.task_spread_cv(alone, one) for one in x], color="0.4", label="law")
bars = [values - [float(cv.low) for cv in cvs], [float(cv.high) for cv in cvs] - values]
axes.errorbar(spreads, values, bars, fmt="o", ms=4, color="#0072B2", label="32 seeds × 256 blocks, 95%")
axes.axhline(1.0, ls=":", color="0.4", label="Proof of Work")
axes.set(xlabel="CV of the tasks' difficulty", ylabel="CV of the interval", ylim=(0, 1.2))
axes.legend(frameon=False, fontsize=8)
