"""
What a stolen model is worth
============================

Accuracy behind the cheat's own Secure Mapping Layer: of the stolen model as it is, and of the same model re-based to
the new layer; means of 32.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj
from polejax.attacks import theft

pole = pj.PoLe(pj.tasks.digits(), threshold=0.85)
met = theft.encounter(jax.random.key(0), pole, num_seeds=32, num_evaluations=40)
steps = pole.recipe.evaluate_every * np.arange(41)
figure, axes = plt.subplots(figsize=(4, 2.8), layout="constrained")
for cheat, name, colour in (
    (theft.thief, "stolen", "#D55E00"),
    (theft.rebasing_thief, "stolen and re-based", "#CC79A7"),
):
    axes.plot(steps, np.asarray(cheat(met).validation).mean(axis=0), color=colour, label=name)
axes.axhline(0.85, ls=":", color="0.4", label="threshold")
axes.set(xlabel="training steps of the cheat", ylabel="validation accuracy", ylim=(0, 1))
axes.legend(frameon=False, fontsize=8)
