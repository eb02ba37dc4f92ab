"""Precision: how many seeds a study needs until its intervals are short enough, and where it stopped."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from polejax._core import checks, limits
from polejax._core.record import record, static
from polejax.analysis.seed_tally import Tally, join
from polejax.analysis.summaries import Summary, summarise
from polejax.studies.stored import Stored

CONFIDENCE = 0.95
"""Of the intervals whose half-widths have targets."""
LEAST_SEEDS = 16
"""Seeds of the first look: with fewer, intervals that are short by chance stop a study too often."""

_ESTIMATES = tuple(
    field.name for field in dataclasses.fields(Summary) if "Estimate" in str(field.type) and field.name != "fairness"
)
METRICS = _ESTIMATES
"""Names of a summary's estimates that need no more than a study's chains."""


@record
class Missed:
    """An interval that is longer than was asked for.

    Attributes:
      scenario: its name.
      metric: the estimate's name.
      half_width: of its 95% interval; inf: unknown.
    """

    scenario: str = static()
    metric: str = static()
    half_width: float = static()


@record
class Precision:
    """What precision was asked for, and whether it was reached; `Results.precision`.

    Attributes:
      targets: largest half-widths of 95% intervals, by the estimate's name.
      first_seeds: seeds of the first look.
      max_seeds: most seeds that were allowed.
      seeds: seeds at which the study stopped; the folder may hold more.
      missed: what is longer than its target all the same.
    """

    targets: Mapping[str, float] = static()
    first_seeds: int = static()
    max_seeds: int = static()
    seeds: int = static()
    missed: tuple[Missed, ...] = static()

    def __str__(self) -> str:
        """One line: the targets, and of each that was missed how far."""
        asked = ", ".join(f"{name} +-{half:g}" for name, half in self.targets.items())
        if not self.missed:
            return f"precision reached at {self.seeds:,} seeds: {asked}"
        worst = {
            name: max((one.half_width for one in self.missed if one.metric == name), default=None)
            for name in self.targets
        }
        told = ", ".join(
            f"{name} +-{half:.2g} where +-{self.targets[name]:g} was asked for ({self._count(name)} of the scenarios)"
            for name, half in worst.items()
            if half is not None
        )
        return f"precision NOT reached at {self.seeds:,} seeds, the most allowed: {told}"

    def _count(self, metric: str) -> int:
        return sum(one.metric == metric for one in self.missed)

    def doubt(self, scenario: str, metric: str) -> str | None:
        """What to say beside a number of a scenario that is less precise than was asked for."""
        if any((one.scenario, one.metric) == (scenario, metric) for one in self.missed):
            return f"less precise than asked for: +-{self.targets[metric]:g} was not reached at {self.seeds:,} seeds"
        return None


@dataclasses.dataclass(frozen=True)
class Target:
    """What half-widths are asked for, and at how many seeds they are looked at."""

    halves: Mapping[str, float]
    first_seeds: int
    max_seeds: int

    def looks(self) -> Iterator[int]:
        """Numbers of seeds: `first_seeds` times 1, 2, 3, 4, 6, 8, 12, ..., and `max_seeds`.

        They do not depend on what is found, so that a study that is told of a smaller target goes on as if it had been
        told at once; and they are near enough to each other that few seeds are more than needed.
        """
        for times in itertools.chain((1,), (n for power in itertools.count() for n in (2 * 2**power, 3 * 2**power))):
            if times * self.first_seeds >= self.max_seeds:
                break
            yield times * self.first_seeds
        yield self.max_seeds

    def stop(self, reached: Callable[[int], bool]) -> int:
        """Seeds of the second look in a row at which all targets are reached, or of the last.

        Intervals at the first such look are short by chance too often: 92 to 95% of them hold the truth, and 94 to 96%
        one look later (measured by `experiments/stopping_coverage.py` on Proof of Work, of means, CV and stale rates).

        Args:
          reached: whether all targets are reached by so many seeds.
        """
        before = False
        for seeds in self.looks():
            now = reached(seeds)
            if now and before:
                return seeds
            before = now
        return self.max_seeds


def check_target(until: Mapping[str, float] | None, max_seeds: int | None, num_seeds: int) -> Target | None:
    """The target that a study's arguments tell of; None: none; raises ValueError where they are impossible."""
    if until is None:
        if max_seeds is not None:
            raise ValueError(f"max_seeds must be None without until, got {max_seeds}: say how precise, or leave it out")
        return None
    if not until:
        raise ValueError("until must name an estimate, got none: {'interval_cv': 0.01}, or None")
    halves = {
        checks.one_of("until", name, METRICS): checks.number(f"until[{name!r}]", half, above=0.0)
        for name, half in until.items()
    }
    num_seeds = checks.whole("num_seeds", num_seeds, low=1)
    if num_seeds < LEAST_SEEDS:
        raise ValueError(
            f"num_seeds must be at least {LEAST_SEEDS} with until, got {num_seeds}: of few seeds some intervals are "
            "short by chance"
        )
    if max_seeds is None:
        raise ValueError("max_seeds must be given with until, got None: a target that is never reached has no end")
    if jax.process_count() > 1:
        raise ValueError(
            "until must be None under jax.distributed, got targets: no process sees all shards; use an executor"
        )
    limits.counted("max_seeds", max_seeds, 2**32, "keys fold in 32 bits")
    return Target(halves, num_seeds, checks.whole("max_seeds", max_seeds, low=num_seeds))


class Watch:
    """Looks at a study's first seeds, reading every shard once.

    Args:
      target: of the study.
      path: of its folder.
    """

    def __init__(self, target: Target, path: str) -> None:
        self._target, self._path = target, path
        self._read: dict[int, list[Tally]] = {}
        self._seeds, self._missed = 0, tuple[Missed, ...]()

    def reached(self, num_seeds: int) -> bool:
        """Whether all targets are reached by the first `num_seeds` seeds, which are on the disk."""
        stored, known = Stored(self._path), set[str]()
        missed = []
        for index, name in enumerate(stored.manifest["names"]):
            parts = self._read.setdefault(index, [])
            held = sum(part.settled.size for part in parts)
            parts += stored.tallies(index, first=held)
            seeds = join(parts)
            summary = summarise(seeds.only(np.arange(seeds.settled.size) < num_seeds), confidence=CONFIDENCE)
            for metric, half in self._target.halves.items():
                found = half_width(summary, metric)
                if found is not None:
                    known.add(metric)
                    if not found <= half:
                        missed.append(Missed(name, metric, found))
        for metric in self._target.halves:
            if metric not in known:
                raise ValueError(
                    f"until names {metric!r}, which no scenario has: what is on disk is kept; leave it out"
                )
        self._seeds, self._missed = num_seeds, tuple(missed)
        return not missed

    def outcome(self) -> dict[str, Any]:
        """What a manifest says of the last look."""
        target = self._target
        missed = [
            [one.scenario, one.metric, one.half_width if np.isfinite(one.half_width) else None] for one in self._missed
        ]
        return {
            "targets": dict(target.halves),
            "first_seeds": target.first_seeds,
            "max_seeds": target.max_seeds,
            "seeds": self._seeds,
            "missed": missed,
        }


def of_manifest(entry: Mapping[str, Any] | None) -> Precision | None:
    """What a manifest says of precision; None: none was asked for, or the study has not stopped yet."""
    if entry is None:
        return None
    missed = tuple(Missed(name, metric, np.inf if half is None else half) for name, metric, half in entry["missed"])
    return Precision(entry["targets"], entry["first_seeds"], entry["max_seeds"], entry["seeds"], missed)


def half_width(summary: Summary, metric: str) -> float | None:
    """Half the length of an estimate's interval, the longest of an array's; None: the chains have no such number."""
    found = vars(summary)[metric]
    return None if found is None else float(np.max((np.asarray(found.high) - np.asarray(found.low)) / 2))
