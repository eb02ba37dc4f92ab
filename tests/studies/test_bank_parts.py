"""Intervals of a study's table that hold the error of replayed banks."""

import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj
from polejax.studies import shards
from polejax.studies.bank_error import corrected

NODES, CLIQUE = pj.nodes.equal(2), pj.network.instant(2)
SEEDS, BLOCKS, PARTS = 64, 40, 8


def scenarios(seed):
    replay = pj.Replay(geometric_bank(seed, 128), 0.5, jitter=0.0)
    return [pj.Scenario(NODES, CLIQUE, mechanism) for mechanism in (replay, pj.PoW(4.0))]


def study(out, **options):
    options = {"records": "chains", "bank_parts": PARTS, "names": ["learned", "mined"], **options}
    return pj.study(scenarios(0), SEEDS, BLOCKS, out, **options)


def test_the_table_is_what_bank_estimate_tells(tmp_path):
    result = study(tmp_path / "study")
    frame = result.table(["interval_mean", "interval_cv"]).set_index(["scenario", "metric"])
    assert (frame["doubt"] == "").all()
    # By hand: the same seeds, shared out over the parts of the bank.
    keys = shards.seed_keys(0, 0, SEEDS).reshape(PARTS, -1)
    own = scenarios(0)[0]
    parts = [
        pj.summarise(pj.simulate_many(part, pj.Scenario(NODES, CLIQUE, pj.Replay(bank, 0.5, jitter=0.0)), BLOCKS))
        for part, bank in zip(keys, own.mechanism.bank.split(PARTS), strict=True)
    ]
    alone = result.summarise("learned")
    assert alone.replayed is not None
    expected = corrected(alone.interval_cv.value, np.array([part.interval_cv.value for part in parts]), 0.95)
    found = frame.loc[("learned", "interval_cv")]
    np.testing.assert_allclose(found[["value", "low", "high"]].tolist(), [expected.value, expected.low, expected.high])
    mean = frame.loc[("learned", "interval_mean")]
    assert mean["high"] - mean["low"] > 2 * (alone.interval_mean.high - alone.interval_mean.low)
    mined, told = frame.loc[("mined", "interval_mean")], result.summarise("mined").interval_mean
    assert (mined["value"], mined["low"], mined["high"]) == (told.value, told.low, told.high)
    shares = result.table(["win_share"])
    assert shares[shares["scenario"] == "learned"]["value"].sum() == pytest.approx(1.0)
    # More seeds: the parts have others, and until they are asked for the table says what it leaves out.
    grown = pj.study(scenarios(0), 80, BLOCKS, tmp_path / "study", records="chains", names=["learned", "mined"])
    assert grown.table(["interval_mean"])["doubt"].tolist()[0].startswith("without the bank's error")


def test_intervals_of_many_banks_hold_the_law(tmp_path):
    """Of 12 banks: the minimum of two geometric numbers has mean 1 / (1 - 0.8^2) evaluations of two seconds each."""
    with_parts = alone = 0
    law = 2.0 / (1 - 0.8**2)
    for seed in range(12):
        out = tmp_path / str(seed)
        result = pj.study(scenarios(seed)[0], SEEDS, BLOCKS, out, records="chains", bank_parts=PARTS)
        row = result.table(["interval_mean"]).iloc[0]
        with_parts += row["low"] <= law <= row["high"]
        seeds = result.summarise(0).interval_mean
        alone += seeds.low <= law <= seeds.high
    assert with_parts >= 10  # 11.4 expected
    assert alone <= 8


def test_what_cannot_be_split_is_refused_before_anything_is_simulated(tmp_path):
    for wrong, message in (
        ({"bank_parts": 3}, "bank_parts must be at least 4"),
        (
            {"bank_parts": 32},
            "bank_parts must leave at least 4 curves a node in each, 8 for 2 nodes, got 32 parts of 128",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            study(tmp_path / "no", **wrong)
    with pytest.raises(ValueError, match="bank_parts must be at most num_seeds, 4, got 8"):
        pj.study(scenarios(0), 4, BLOCKS, tmp_path / "no", bank_parts=8)
    with pytest.raises(ValueError, match="bank_parts must be None where no scenario replays a bank"):
        pj.study(scenarios(0)[1], SEEDS, BLOCKS, tmp_path / "no", bank_parts=8)
    assert not (tmp_path / "no").exists()
