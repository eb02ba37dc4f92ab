"""Coverage of intervals where seeds are added until they are short enough (`polejax.study(..., until=...)`).

Many studies of cheap chains stop by the rule of `polejax.studies.precision`; printed is how often the 95% interval at
the stop holds the truth, which is that of all studies' chains together, by law, target and seeds of the first look. Run
it by `python experiments/stopping_coverage.py`; it takes some minutes on two CPU cores.
"""

import argparse

import jax
import numpy as np

import polejax as pj
from polejax.analysis.seed_tally import Tally
from polejax.studies.precision import CONFIDENCE, Target, half_width


def stopped(chains: Tally, target: Target) -> tuple[pj.Summary, int]:
    """The summary at the look at which the rule stops, and the seeds of that look."""

    def at(seeds: int) -> pj.Summary:
        return pj.summarise(chains.only(np.arange(chains.settled.size) < seeds), confidence=CONFIDENCE)

    def reached(seeds: int) -> bool:
        summary = at(seeds)
        return all((half_width(summary, name) or 0.0) <= half for name, half in target.halves.items())

    seeds = target.stop(reached)
    return at(seeds), seeds


def coverage(scenario: pj.Scenario, halves: dict[str, float], first: int, most: int, studies: int, seed: int) -> None:
    """Print how often intervals at the stop hold the truth."""
    blocks, target = 64, Target(halves, first, most)
    sums = pj.tally_many(jax.random.split(jax.random.key(seed), studies * most), scenario, blocks, method="poisson")
    truth, held, seeds = pj.summarise(sums), {name: [] for name in halves}, []
    for study in range(studies):
        rows = slice(study * most, (study + 1) * most)
        summary, at = stopped(jax.tree.map(lambda leaf, rows=rows: leaf[rows], sums), target)
        seeds.append(at)
        for name, hits in held.items():
            found = vars(summary)[name]
            hits.append(bool(found.low <= vars(truth)[name].value <= found.high))
    for name, hits in held.items():
        print(
            f"{name:16} +-{halves[name]:<8g} first look {first:4}, most {most:4}: stopped at {np.mean(seeds):6.1f} "
            f"seeds on average; {np.mean(hits):.3f} hold the truth ({studies:,} studies)",
            flush=True,
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2_000)
    studies = parser.parse_args().studies
    nodes = pj.nodes.from_shares([5, 3, 2])
    scenario = pj.Scenario(nodes, pj.network.clique(3, seconds=30.0), pj.PoW(work=600.0))
    for first in (16, 32):
        for halves in (
            {"interval_cv": 0.06},
            {"interval_cv": 0.04},
            {"interval_mean": 40.0},
            {"interval_mean": 25.0},
            {"stale_per_main": 0.012},
            {"stale_per_main": 0.008},
            {"interval_cv": 0.05, "interval_mean": 30.0, "stale_per_main": 0.01},
        ):
            coverage(scenario, halves, first, 160, studies, 1)


if __name__ == "__main__":
    main()
