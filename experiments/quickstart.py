# ---
# jupyter:
#   accelerator: TPU
#   colab:
#     gpuType: V5E1
#     provenance: []
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: accelerator,colab
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Proof of Learning against Proof of Work, in a notebook
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/polejax/polejax/blob/main/experiments/quickstart.ipynb)
#
# In Proof of Learning (PoLe; Lan, Liu, Li, [arXiv 2007.15145](https://arxiv.org/abs/2007.15145)) nodes race to train a
# network to an accuracy, and the first valid model wins the block. This notebook trains for real, records a bank of
# learning curves, replays it in a study of many chains, and asks: are PoLe's block intervals steadier than Proof of
# Work's, and what does that cost?
#
# It runs on a TPU, a GPU or a CPU. The next cell finds polejax where it is installed, in a wheel beside this notebook,
# in the checkout that holds it, or where `POLEJAX_SOURCE` says; the JAX that Colab brings stays as it is.
#
# **What was measured on a TPU: nothing yet.** On CPUs every cell runs in polejax's tests, also on Colab's versions; for
# TPUs the programs were compiled, and found to fit, by the compiler alone. Where a TPU leads, chains and curves are
# spread over its cores by themselves.

# %% tags=["install"]
import glob
import importlib.util
import os
import shutil
import subprocess
import sys

if importlib.util.find_spec("polejax") is None:
    wheels = sorted(glob.glob("polejax-*.whl"))
    checkout = next((path for path in (".", "..") if os.path.exists(f"{path}/polejax/_public.py")), None)
    source = os.environ.get("POLEJAX_SOURCE") or (wheels[-1] if wheels else checkout)
    if source is None:
        raise SystemExit(
            "polejax is not here: put polejax-*.whl beside this notebook, or set POLEJAX_SOURCE to git+URL"
        )
    if subprocess.run([sys.executable, "-m", "pip", "install", "-q", source]).returncode:
        raise SystemExit(f"pip could not install polejax from {source}: put polejax-*.whl beside this notebook instead")
    importlib.invalidate_caches()

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import polejax as pj

pj.devices.use_all_cores()  # of a CPU; nothing happens where a TPU or GPU leads
jax.devices()

# %% [markdown]
# ## Sizes
# Large enough for clear error bars in some minutes; raise them at will.

# %% tags=["parameters"]
LIVE_SEEDS, LIVE_BLOCKS = 16, 32  # chains and blocks in which every node really trains
CURVES = 4_096  # learning curves in the bank
SEEDS, BLOCKS = 1_024, 500  # chains and blocks of each replayed scenario
THRESHOLDS = [0.80, 0.85, 0.90]
DELAYS = [1.0, 10.0, 60.0]  # s
OUT = "results/quickstart"

# %% [markdown]
# ## Live Proof of Learning
# Nine nodes with the power of Bitcoin's largest pools, ten seconds apart, on scikit-learn's digits. Each node trains
# its own network behind its own Secure Mapping Layer; together they take one training step a second.

# %%
nodes = pj.nodes.from_shares([30, 29, 12, 11, 8, 5, 3, 1, 1])
pole = pj.PoLe(task=pj.tasks.digits(), threshold=0.9)
live = pj.Scenario(nodes, pj.network.clique(9, seconds=10.0), pole)
history = pj.simulate_many(jax.random.split(jax.random.key(0), LIVE_SEEDS), live, LIVE_BLOCKS)
trained = pj.summarise(history)
print("interval, mean (s)          ", trained.interval_mean)
print("interval, CV                ", trained.interval_cv)
print("stale / published           ", trained.stale_per_block)
print("winner's accuracy, validated", trained.claimed)
print("winner's accuracy, verified ", trained.score)

# %% [markdown]
# ## A bank of learning curves
# The same networks, trained once and recorded; from now on rounds cost random numbers only. The folder keeps what is
# done: a session that dies goes on where it stopped.

# %%
bank = pj.learning_curves(jax.random.key(1), pole, CURVES, out=f"{OUT}/bank")
steps = bank.evaluate_every * np.arange(1, bank.num_evaluations + 1)
low, middle, high = np.quantile(bank.validation, [0.05, 0.5, 0.95], axis=0)
plt.fill_between(steps, low, high, alpha=0.3, label="5 to 95% of the curves")
plt.plot(steps, middle, label="median")
plt.axhline(0.9, ls=":", color="0.3", label="threshold 0.9")
plt.xlabel("training steps")
plt.ylabel("validation accuracy [fraction]")
plt.legend()
# %% [markdown]
# ## A study: thresholds and delays, against Proof of Work at the same mean interval
# Replay draws each node's curve from the bank: equal in law to live PoLe, and thousands of times as fast. Proof of Work
# is given the work that makes its blocks as frequent. All scenarios share the same random numbers.

# %%
scenarios, names = [], []
for threshold in THRESHOLDS:
    alone = pj.Scenario(nodes, pj.network.instant(9), pj.Replay(bank, threshold))
    pilot = pj.simulate_many(jax.random.split(jax.random.key(2), 64), alone, 200)
    work = float(pj.summarise(pilot).interval_mean.value)
    for delay in DELAYS:
        network = pj.network.clique(9, seconds=delay)
        scenarios += [pj.Scenario(nodes, network, m) for m in (pj.Replay(bank, threshold), pj.PoW(work))]
        names += [f"PoLe {threshold:.2f}, {delay:g} s", f"PoW {threshold:.2f}, {delay:g} s"]
result = pj.study(scenarios, SEEDS, BLOCKS, f"{OUT}/study", names=names, progress=print)
result.to_xarray()

# %% [markdown]
# ## Steadier, but at what cost?
# The coefficient of variation of the interval, and the share of blocks that go stale, with 95% confidence intervals.

# %%
summaries = {name: result.summarise(name) for name in result.names}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for mechanism, mark in (("PoLe", "o"), ("PoW", "s")):
    for threshold, colour in zip(THRESHOLDS, ("C0", "C1", "C2"), strict=False):
        chosen = [summaries[f"{mechanism} {threshold:.2f}, {delay:g} s"] for delay in DELAYS]
        for panel, field in zip(axes, ("interval_cv", "stale_per_block"), strict=True):
            values = [getattr(summary, field) for summary in chosen]
            bars = [[v.value - v.low for v in values], [v.high - v.value for v in values]]
            label = f"{mechanism} at {threshold:.2f}"
            panel.errorbar(
                DELAYS, [v.value for v in values], bars, fmt=f"{mark}-", color=colour, label=label, capsize=2
            )
for panel, label in zip(axes, ("CV of the block interval [ratio]", "stale blocks [share]"), strict=True):
    panel.set(xscale="log", xlabel="delay between nodes [s]", ylabel=label)
axes[0].legend(fontsize=7)
# %% [markdown]
# ## How sure is the bank?
# Replayed chains repeat the same curves. An interval that includes the bank's own error comes from its parts.

# %%
cv = pj.bank_estimate(jax.random.key(3), scenarios[0], 256, 200, lambda summary: summary.interval_cv.value, parts=8)
print("CV of the interval:", cv, "with the bank's error;", summaries[names[0]].interval_cv, "without")

# %% [markdown]
# ## Keep it
# On Colab, copy the folder to your Drive; `pj.open_study` and `pj.load_bank` read it there, or go on with it.

# %% tags=["drive"]
if "google.colab" in sys.modules:
    from google.colab import drive

    drive.mount("/content/drive")
    shutil.copytree(OUT, "/content/drive/MyDrive/polejax-quickstart", dirs_exist_ok=True)
print(pj.open_study(f"{OUT}/study"))
