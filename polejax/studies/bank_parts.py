"""Bank parts: a study's replayed scenarios again with parts of their banks, so that tables hold the banks' error."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from polejax._core import checks
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.summaries import Summary
from polejax.consensus.recorded import fewest_curves
from polejax.consensus.scenario import Scenario
from polejax.studies import bank_error
from polejax.studies.parameters import Manifest

LEAST_PARTS = 4
"""Parts of a bank, whose number less one is the interval's degrees of freedom."""


def split(scenarios: Sequence[Scenario], parts: int, num_seeds: int) -> list[Scenario]:
    """The scenarios that replay banks, each with every part of its banks, one after the other.

    Raises:
      ValueError: none of them does, a bank is too small for as many parts, or there are fewer seeds than parts.
    """
    parts = checks.whole("bank_parts", parts, low=LEAST_PARTS)
    replayed = [scenario for scenario in scenarios if fewest_curves(scenario) is not None]
    if not replayed:
        raise ValueError(f"bank_parts must be None where no scenario replays a bank, got {parts}: leave it out")
    if num_seeds < parts:
        raise ValueError(f"bank_parts must be at most num_seeds, {num_seeds}, got {parts}: simulate more seeds")
    try:
        return [piece for scenario in replayed for piece in bank_error.pieces(scenario, parts)]
    except ValueError as error:
        raise ValueError(f"bank_{error}") from None


def first_seeds(count: int, parts: int, num_seeds: int) -> tuple[int, ...]:
    """Number of the first seed of each of `count` pieces: those of one scenario share the study's seeds out."""
    return tuple(piece % parts * (num_seeds // parts) for piece in range(count))


def folder(path: str, num_seeds: int, parts: int) -> str:
    """Where the parts' chains are; of another number of seeds each part has others."""
    return os.path.join(path, f"bank-parts-{parts}-of-{num_seeds}-seeds")


class Honest:
    """Estimates of replayed scenarios whose intervals hold the error of their banks.

    Args:
      manifest: of the study.
      pieces: summaries of the scenarios that `split` gives.
      confidence: of the intervals.
    """

    def __init__(self, manifest: Manifest, pieces: Sequence[Summary], confidence: float) -> None:
        replayed = [index for index, curves in enumerate(manifest["curves"]) if curves is not None]
        parts = len(pieces) // len(replayed)
        self._of = {index: pieces[place * parts : (place + 1) * parts] for place, index in enumerate(replayed)}
        self._confidence = confidence

    def estimate(self, index: int, metric: str, unit: str, whole: Summary) -> Estimate | None:
        """The whole bank's value without its bias, with the parts' interval; None: of chains that repeat no bank."""
        found, parts = vars(whole)[metric], [vars(part)[metric] for part in self._of.get(index, ())]
        if found is None or not parts or any(part is None for part in parts):
            return None
        values = np.stack([np.asarray(part.value) for part in parts])
        low, high = _POSSIBLE.get(metric, (0.0, 1.0) if unit in ("share", "fraction") else (0.0, np.inf))
        return estimate.within(bank_error.corrected(np.asarray(found.value), values, self._confidence), low, high)


_POSSIBLE: Mapping[str, tuple[float, float]] = {"optimism": (-1.0, 1.0)}
