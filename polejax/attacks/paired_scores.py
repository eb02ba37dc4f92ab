"""Scores paired by seed: what tells honest nodes' numbers from cheats', as estimates over seeds."""

from typing import Any

import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.types import Array
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.attacks.seed_numbers import along_seeds, paired_seeds

CONFIDENCE = 0.95


@checked
def roc(honest: Array, cheats: Array) -> tuple[Array, Array, Array]:
    """Rates at every threshold that tells scores apart.

    Args:
      honest, cheats: test accuracies [S] of claims.

    Returns:
      Accept thresholds, rising; the share of honest claims below each (false rejections) and of cheats' (detections).
    """
    honest, cheats = (np.sort(along_seeds(name, value)) for name, value in (("honest", honest), ("cheats", cheats)))
    scores = np.unique(np.concatenate([honest, cheats]))
    thresholds = np.append(scores, np.nextafter(scores[-1], np.inf))
    rejected, detected = (np.searchsorted(found, thresholds, side="left") / found.size for found in (honest, cheats))
    return thresholds, rejected, detected


@checked
def auc(honest: Array, cheats: Array, confidence: float = CONFIDENCE) -> Estimate:
    """Area under the ROC curve: the probability that an honest claim scores above a cheat's, ties half.

    Mann and Whitney's statistic over all pairs; the jackknife leaves a seed's honest claim and cheat out together.

    Args:
      honest, cheats: test accuracies [S], paired by seed.
      confidence: of the interval.
    """
    confidence = checks.confidence(confidence)
    honest, cheats = paired_seeds(honest=honest, cheats=cheats)
    wins = (honest[:, None] > cheats[None]) + 0.5 * (honest[:, None] == cheats[None])
    value, count = wins.mean(), honest.size
    if count < 2:
        return estimate.unknown(value)
    others = wins.sum() - wins.sum(axis=0) - wins.sum(axis=1) + np.diag(wins)
    found = estimate.real(value, others / (count - 1) ** 2, confidence)
    return bounded(found, count, confidence)


@checked
def saved(honest: Array, steps: Array, confidence: float = CONFIDENCE) -> Estimate:
    """Share of honest steps f64[S] that a cheat's steps f64[S] on the same seeds save; below 0 where it takes more.

    Where all seeds' cheats take no step, the interval is that of a share of seeds that save all or nothing.
    """
    honest, steps = paired_seeds(honest=honest, steps=steps)
    return bounded(ratio(honest - steps, honest, confidence), len(honest), confidence, low=-np.inf)


@checked
def ratio(parts: Array, wholes: Array, confidence: float = CONFIDENCE) -> Estimate:
    """Ratio of the sums over seeds of what is paired by seed, [S] each."""
    confidence = checks.confidence(confidence)
    parts, wholes = paired_seeds(parts=parts, wholes=wholes)
    if not wholes.sum():
        raise ValueError("wholes must not add up to 0: there is nothing to divide by")
    value = parts.sum() / wholes.sum()
    if not estimate.left_out(wholes).all():  # one seed has all there is to divide by: nothing tells how it varies
        return estimate.unknown(value)
    return estimate.real(value, estimate.left_out(parts) / estimate.left_out(wholes), confidence)


def bounded(found: Estimate, count: int, confidence: float, low: float = 0.0, high: float = 1.0) -> Estimate:
    """The estimate, from `count` seeds, of what lies between `low` and `high`."""
    if found.value in (low, high):  # nothing to resample: as many independent trials as seeds, all alike
        share = estimate.share(np.full(count, int(found.value == high)), np.ones(count, int), confidence)
        return Estimate(*(high * part for part in (share.value, share.low, share.high)))
    return Estimate(found.value, np.maximum(found.low, low), np.minimum(found.high, high))


@checked
def mean(values: Any, confidence: float = CONFIDENCE) -> Estimate:
    """Mean over seeds, [S]."""
    values = along_seeds("values", values)
    return ratio(values, np.ones_like(values), confidence)
