"""
Double spends
=============

The chance that an attacker's private chain overtakes the payment's, by confirmations: walks, and Rosenfeld's formula.
"""

import jax
import matplotlib.pyplot as plt

import polejax as pj
from polejax.attacks import double_spend

keys, depths = jax.random.split(jax.random.key(0), 4_096), range(1, 9)
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
for share, colour in ((0.1, "#0072B2"), (0.2, "#009E73"), (0.3, "#D55E00")):
    axes.plot(depths, [pj.theory.double_spend(share, z) for z in depths], color=colour, lw=1)
    won = [double_spend.walks(keys, share, z) for z in depths]
    shown = [(z, float(one.value)) for z, one in zip(depths, won, strict=True) if one.value > 0]
    axes.plot(*zip(*shown, strict=True), "o", ms=4, color=colour, label=f"{share:.0%} of the power")
axes.set(yscale="log", ylim=(1e-4, 1), xlabel="confirmations", ylabel="chance of a double spend")
axes.legend(frameon=False, fontsize=8)
