"""Calibration: nominal 95% intervals of 2,000 small simulated studies hold the truth 93 to 97% of the time.

The truth is that of all studies together, whose own error is 1/45 of a single one's.
"""

import numpy as np
import pytest
from banks import geometric_bank, keys

import polejax as pj
from polejax.analysis.seed_tally import tally

STUDIES, SEEDS, BLOCKS = 2_000, 16, 64
STATISTICS = ("interval_mean", "interval_cv", "stale_per_block", "stale_per_main", "win_share")


@pytest.mark.parametrize("mechanism", ["PoW", "Replay"])
def test_intervals_hold_the_truth(mechanism):
    law = {"PoW": pj.PoW(work=600.0), "Replay": pj.Replay(geometric_bank(0), 0.5, jitter=0.3)}[mechanism]
    seconds = {"PoW": 30.0, "Replay": 0.1}[mechanism]
    scenario = pj.Scenario(pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds), law)
    studies = tally(pj.simulate_many(keys(0, STUDIES * SEEDS), scenario, BLOCKS))
    truth = pj.summarise(studies)
    assert 0.01 < truth.stale_per_block.value < 0.2
    held = {name: [] for name in STATISTICS}
    for study in range(STUDIES):
        summary = pj.summarise(studies.only(np.arange(len(studies.settled)) // SEEDS == study))
        for name in STATISTICS:
            found, value = getattr(summary, name), getattr(truth, name).value
            held[name].append((found.low <= value) & (value <= found.high))
    for name, hits in held.items():
        assert (np.abs(np.mean(hits, axis=0) - 0.95) <= 0.02).all(), (name, np.mean(hits, axis=0))
