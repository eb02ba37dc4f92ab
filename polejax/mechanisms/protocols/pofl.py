"""Proof of Federated Learning: pools train federatedly, each as one node that is faster and stops to communicate."""

from typing import Any

import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.sweep import single
from polejax._core.types import Numeric
from polejax.consensus.difficulty import Difficulty, fixed
from polejax.consensus.elections import BestInWindow
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.learning.recipe import Recipe
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.protocols.pole import learned
from polejax.mechanisms.training_phase import TrainingPhase
from polejax.network.base import Network


@checked
@single("nodes")
def pofl(
    nodes: Nodes,
    network: Network,
    training: Bank | Recipe,
    threshold: Numeric = 0.9,
    *,
    communication: float,
    speedup: float = 1.0,
    phase: Numeric | None = None,
    window: Numeric | None = None,
    difficulty: Difficulty = fixed(),  # noqa: B008
    **rules: Any,
) -> Scenario:
    """Proof of Federated Learning (PoFL): miners form pools; a pool's members train one model, and pools compete.

    Args:
      nodes: the miners; power in training steps a second. They are dealt to the pools in turn, in the order given.
      network: of the pools, one node each: `network.count` says how many there are.
      training: `Bank` or `Recipe`: how the pooled model learns.
      threshold: f32[], accuracy that a claim needs (without `phase`).
      communication: s, between two evaluations, in which a pool exchanges its members' updates and does not train.
      speedup: exponent in [0, 1]: m members of equal power train m^speedup times as fast as one. 1: nothing is lost by
        splitting a step's samples.
      phase: s, of training, after which the best test accuracy wins; None: the first pool at the threshold wins. What
        could be read asks for a model's verified accuracy as the proof and leaves open which of these it is.
      window: s, for which a pool collects others' models, with a phase.
      difficulty: rule that moves the threshold (without a phase).
      rules: accept, margin, deadline, jitter, verification, fallback; see `ClaimRules` (without a phase).

    Raises:
      ValueError: more pools than miners, a number out of range, a phase without a window or a bank, a bank too short,
        and as `Replay`, `PoLe` and `Scenario`.

    Source: Qu, Wang, Hu, Cheng 2019 (arXiv 1912.11745). Read here: the abstract. Left out: trading of private data, and
    what private verification of a model costs; data that differ between members.
    """
    if not isinstance(training, Bank | Recipe):
        raise ValueError(
            f"training must be a polejax.Bank or a polejax.Recipe, got {type(training).__name__}: make one"
        )
    united = pools(nodes, network.count, speedup)
    seconds = float(checks.real("communication", communication, low=0.0, ndim=0))
    steps = training.evaluate_every
    power = (steps / (steps / np.asarray(united.power, np.float64) + seconds)).astype(np.float32)
    united = Nodes(power, united.address)
    if phase is None and window is not None:
        raise ValueError(f"window has no meaning without a phase, got {checks.shown(window)}: leave it out")
    if phase is None:
        return Scenario(united, network, learned(training, threshold=threshold, **rules), difficulty=difficulty)
    checks.real("phase", phase, above=0.0)
    if window is None or not isinstance(training, Bank):
        raise ValueError(f"phase needs a bank and a window, got window {window!r}: give both, or leave phase out")
    if rules:
        raise ValueError(f"{min(rules)} has no meaning where the best model after a phase wins: leave it out")
    checks.real("window", window, low=0.0)
    return Scenario(united, network, TrainingPhase(training, phase), BestInWindow(window))


@checked
@single("nodes")
def pools(nodes: Nodes, count: int, speedup: float = 1.0) -> Nodes:
    """Miners dealt in turn to `count` pools: miner i joins pool i mod count; a pool has its first miner's address.

    Args:
      nodes: N miners.
      count: pools, 1 to N.
      speedup: s in [0, 1]: m members of total power p are as fast as p m^(s - 1).

    Raises:
      ValueError: nodes that are none, more pools than miners, or a speedup out of range.
    """
    if not isinstance(nodes, Nodes):
        raise ValueError(f"nodes must be polejax.nodes.Nodes, got {type(nodes).__name__}: pools add up their power")
    count = checks.whole("count", count, low=1, high=nodes.count)
    exponent = float(checks.real("speedup", speedup, low=0.0, high=1.0, ndim=0))
    pool = np.arange(nodes.count) % count
    power = np.bincount(pool, np.asarray(nodes.power, np.float64))
    members = np.bincount(pool)
    return Nodes((power * members ** (exponent - 1.0)).astype(np.float32), np.asarray(nodes.address)[:count])
