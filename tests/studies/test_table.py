"""Tables of a study: estimates with what belongs beside them, and blocks as rows of narrow columns."""

import jax
import numpy as np
import pandas
import pytest
from banks import geometric_bank

import polejax as pj
from polejax.analysis import doubts
from polejax.studies.table import cells

NODES, CLIQUE = pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=1.0)
SCENARIOS = [
    pj.Scenario(NODES, CLIQUE, pj.PoW(work=60.0)),
    pj.Scenario(NODES, CLIQUE, pj.Replay(geometric_bank(0, 96), 0.5)),
]
NAMES = ["mined", "few"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return pj.study(SCENARIOS, 4, 6, tmp_path_factory.mktemp("table") / "study", names=NAMES)


def test_a_row_for_each_number_and_the_parameters_that_vary(result):
    frame = result.table()
    mined = result.summarise("mined")
    own = frame[frame["scenario"] == "mined"]
    assert {"interval_mean", "interval_cv", "stale_per_main", "score"} <= set(own["metric"])
    assert "claimed" not in set(own["metric"])
    assert "claimed" in set(frame["metric"])
    row = own[own["metric"] == "interval_mean"].iloc[0]
    assert (row["value"], row["low"], row["high"]) == (
        mined.interval_mean.value, mined.interval_mean.low, mined.interval_mean.high
    )  # fmt: skip
    assert row["unit"] == "s"
    assert "type" in frame
    assert "seconds" not in frame  # the same for all
    nodes = result.table(["win_share"])
    assert nodes["node"].tolist() == [0, 1, 2] * 2
    assert nodes["value"].sum() == pytest.approx(2.0)
    wide = result.table(["interval_mean", "win_share"], wide=True)
    assert len(wide) == 2
    assert wide["interval_mean_low"].iloc[0] == mined.interval_mean.low
    assert wide["win_share[2]"].iloc[0] == mined.win_share.value[2]
    narrow = result.table(["interval_mean"], confidence=0.5)
    assert (narrow["high"] < frame[frame["metric"] == "interval_mean"]["high"].to_numpy()).all()
    for wrong in (["interval"], [], "interval_mean", 3):
        with pytest.raises(ValueError, match="metrics must be"):
            result.table(wrong)


def test_replayed_numbers_say_what_their_intervals_leave_out(result):
    frame = result.table(["interval_cv"]).set_index("scenario")
    leaves_out = "without the bank's error: intervals leave out that of its {} curves, pj.bank_estimate covers it"
    assert frame.loc["mined", "doubt"] == ""
    assert doubts.replayed(256, 3) == leaves_out.format(256)  # 85 a node
    assert doubts.replayed(None, 3) is None
    assert frame.loc["few", "doubt"].startswith(leaves_out.format(96) + "; few curves: 32 a node make the CV too small")
    header, body, notes = cells(result.table(["interval_cv", "interval_mean"]), [])
    assert header == ["scenario", "interval_cv (ratio)", "interval_mean (s)", "doubt"]
    assert [row[-1] for row in body] == ["", "[1] without the bank's error and few curves"]
    assert body[1][1].endswith("] [1]")
    assert notes[0].startswith("[1] without the bank's error: ")
    assert body[0][1] == str(result.summarise("mined").interval_cv)
    # The same from chains alone, from a history, and in every summary of it.
    history = result.history("few")
    assert history.curves == 96
    for found in (pj.summarise(history), pj.analysis.paired(history, result.history("mined"))):
        assert leaves_out.format(96) in found.replayed
    for found in (pj.analysis.fairness(history, NODES), pj.analysis.rewards(history, 1.0)):
        assert leaves_out.format(96) in found.replayed
    assert leaves_out.format(96) in str(pj.summarise(history))
    assert pj.summarise(result.history("mined")).doubt is None
    assert jax.eval_shape(lambda key: pj.simulate(key, SCENARIOS[1], 3), jax.random.key(0)).curves == 96
    assert pj.analysis.tally(history).curves == 96


def test_rows_of_blocks_are_narrow_and_whole(result):
    frame = result.to_pandas()
    assert isinstance(frame["scenario"].dtype, pandas.CategoricalDtype)
    assert list(frame["scenario"].cat.categories) == NAMES
    assert frame["interval"].dtype == np.float32
    assert (frame["seed"].dtype, frame["height"].dtype) == (np.int32, np.int32)
    data = result.to_xarray()
    assert len(frame) == int(data["settled"].sum())
    one = frame[(frame["scenario"] == "few") & (frame["seed"] == 3) & (frame["height"] == 2)]
    assert one["interval"].item() == data["interval"].sel(scenario="few", seed=3, height=2)
    assert one["claimed"].item() == data["claimed"].sel(scenario="few", seed=3, height=2)
    assert frame[frame["scenario"] == "mined"]["claimed"].isna().all()  # no models
    assert frame["rejected"].dtype == "Int32"  # whole numbers, not NaN
    assert frame["diverged"].dtype == "boolean"
    assert frame["rejected"].isna().sum() == (frame["scenario"] == "mined").sum()
    assert len(frame.groupby("scenario", observed=True)) == 2
    words = frame["type"]
    assert isinstance(words.dtype, pandas.CategoricalDtype)
