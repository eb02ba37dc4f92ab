"""
Steadier blocks fork more
=========================

Weibull races of equal nodes: along the curve, work becomes steadier, and near ties within the delay more likely. Their
product hardly changes.
"""

import matplotlib.pyplot as plt
import numpy as np

import polejax as pj

shapes = np.geomspace(1.0, 64.0, 100)
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
for delay, colour in ((1.0, "#0072B2"), (10.0, "#D55E00")):
    cv = [pj.theory.weibull_interval_cv(shape) for shape in shapes]
    tie = [pj.theory.tie_probability(delay, 600.0, shape, np.full(16, 1 / 16)) for shape in shapes]
    axes.plot(cv, tie, color=colour, label=f"{delay:g} s apart, a block in 600 s")
axes.plot(1.0, pj.theory.tie_probability(10.0, 600.0, 1.0, np.full(16, 1 / 16)), "s", ms=5, color="black")
axes.annotate("Proof of Work", (1.0, 0.012), ha="right", fontsize=8)
axes.set(xscale="log", yscale="log", xlabel="CV of the interval", ylabel="chance of a near tie")
axes.legend(frameon=False, fontsize=8)
