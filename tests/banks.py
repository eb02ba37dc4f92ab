"""A small PoLe that trains in microseconds, and banks whose law is known."""

import jax
import numpy as np

import polejax as pj
from polejax.mechanisms.bank import Bank


def small_pole(task_seed=0, **changes):
    """Logistic regression on three classes of eight features."""
    task = pj.tasks.synthetic(
        task_seed, num_features=8, num_classes=3, num_train=128, num_validation=100, num_test=100, hidden=4
    )
    model = pj.models.MultilayerPerceptron(hidden=(), num_classes=3)
    fixed = {"batch_size": 16, "evaluate_every": 2, "max_steps": 60, "learning_rate": 0.05, "threshold": 0.7}
    return pj.PoLe(task, **{"model": model, **fixed, **changes})


def geometric_bank(seed, num_curves=256, success=0.2, num_evaluations=80):
    """Curves that pass any threshold first at a geometric evaluation, one step each, and never before."""
    passes = np.random.default_rng(seed).geometric(success, num_curves)
    curves = (np.arange(1, num_evaluations + 1) >= passes[:, None]).astype(np.float32)
    return Bank(curves, curves, np.zeros(num_curves, bool), 1, "{}")


def keys(seed, count):
    return jax.random.split(jax.random.key(seed), count)
