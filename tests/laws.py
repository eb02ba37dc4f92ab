"""Shared measures of agreement between a simulation and a law."""

import numpy as np


def assert_within(estimate, expected, standard_error, sigmas=5.0):
    """Fail when an estimate lies more than `sigmas` of its own standard errors from the expected value."""
    z = (np.asarray(estimate, np.float64) - expected) / standard_error
    assert np.all(np.abs(z) < sigmas), f"estimate {estimate}, expected {expected}, z = {z}"


def mean_and_error(per_seed):
    """Mean over seeds (leading axis) and its standard error; seeds are independent, blocks within one are not."""
    per_seed = np.asarray(per_seed, np.float64)
    return per_seed.mean(axis=0), per_seed.std(axis=0, ddof=1) / np.sqrt(len(per_seed))
