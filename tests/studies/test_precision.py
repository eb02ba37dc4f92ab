"""Precision on demand: where a study stops is what its arguments say, and its intervals still hold the truth."""

import concurrent.futures
import os

import jax
import numpy as np
import pytest
from banks import keys
from studies import assert_same_parts

import polejax as pj
from polejax.studies.precision import METRICS, Target, half_width
from polejax.studies.table import cells

BLOCKS = 16
SCENARIOS = [
    pj.Scenario(pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=seconds), pj.PoW(work=600.0))
    for seconds in (10.0, 60.0)
]
LOOSE, TIGHT = {"interval_cv": 0.13, "stale_per_main": 0.05}, {"interval_cv": 0.05}


def study(out, until=LOOSE, max_seeds=256, **options):
    options = {"num_seeds": 16, "num_blocks": BLOCKS, "records": "chains", **options}
    return pj.study(SCENARIOS, out=out, until=until, max_seeds=max_seeds, names=["near", "far"], **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study that stopped by itself."""
    return study(tmp_path_factory.mktemp("until") / "whole")


def test_looks_double_and_end_at_the_most():
    assert list(Target({}, 16, 200).looks()) == [16, 32, 48, 64, 96, 128, 192, 200]
    assert list(Target({}, 16, 16).looks()) == [16]
    short = {32, 64, 96}
    assert Target({}, 16, 200).stop(lambda seeds: seeds in short) == 96  # 32 alone is chance
    assert Target({}, 16, 200).stop(lambda seeds: False) == 200


@pytest.mark.smoke
def test_seeds_are_added_until_all_is_short_enough(whole):
    stopped = whole.precision
    assert stopped.missed == ()
    assert stopped.seeds == whole.num_seeds > 16
    assert whole.complete
    assert str(stopped) == f"precision reached at {stopped.seeds} seeds: interval_cv +-0.13, stale_per_main +-0.05"
    for name in whole.names:
        summary = whole.summarise(name)
        assert all(half_width(summary, metric) <= half for metric, half in LOOSE.items())
    plain = pj.study(SCENARIOS, whole.num_seeds, BLOCKS, f"{whole.path}-plain", records="chains", seeds_per_shard=16)
    assert plain.precision is None
    np.testing.assert_array_equal(plain.to_xarray()["interval"], whole.to_xarray()["interval"])


@pytest.mark.parametrize("kind", ["shards", "threads", "killed", "held"])
def test_the_stop_depends_on_the_arguments_alone(whole, tmp_path, kind):
    out = tmp_path / kind
    if kind == "shards":
        again = study(out, seeds_per_shard=8)
    elif kind == "threads":
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            again = study(out, executor=executor)
    elif kind == "killed":

        class Stop(Exception):
            pass

        def stop_at(blocks):
            def stop(progress):
                if progress.done == blocks:
                    raise Stop

            return stop

        for seeds in (16, 48):  # of both scenarios: before the first look, and between the first and the second
            with pytest.raises(Stop):
                study(out, progress=stop_at(seeds * BLOCKS))
        again = study(out)
        assert_same_parts(again.path, whole.path)
    else:  # seeds that are there already are not looked at before their time
        sizes = {"num_seeds": 200, "num_blocks": BLOCKS, "seeds_per_shard": 16}
        held = pj.study(SCENARIOS, out=out, records="chains", names=["near", "far"], **sizes)
        again = study(out)
        assert again.num_seeds == held.num_seeds == 200
    assert (again.precision.seeds, str(again.precision)) == (whole.precision.seeds, str(whole.precision))
    found = again.to_xarray()["interval"].isel(seed=slice(whole.num_seeds))
    np.testing.assert_array_equal(found, whole.to_xarray()["interval"])


def test_a_smaller_target_goes_on_as_if_it_had_been_told_at_once(tmp_path):
    first = study(tmp_path / "grown")
    grown = study(tmp_path / "grown", until=TIGHT, max_seeds=128)
    once = study(tmp_path / "once", until=TIGHT, max_seeds=128)
    assert first.precision.seeds < once.precision.seeds
    assert str(grown.precision) == str(once.precision)
    assert_same_parts(grown.path, once.path)
    back = study(tmp_path / "grown")  # and a larger one is reached where it was
    assert back.precision.seeds == first.precision.seeds < back.num_seeds


def test_what_is_not_reached_is_said_beside_each_number(tmp_path):
    missed = study(
        tmp_path / "missed", until={"stale_per_main": 0.02, "interval_mean": 1e9, "win_share": 1.0}, max_seeds=20
    )
    assert missed.num_seeds == missed.precision.max_seeds == 20
    assert [(one.scenario, one.metric) for one in missed.precision.missed] == [("far", "stale_per_main")]
    half = half_width(missed.summarise("far"), "stale_per_main")
    assert missed.precision.missed[0].half_width == half > 0.02
    told = (
        f"precision NOT reached at 20 seeds, the most allowed: stale_per_main +-{half:.2g} where +-0.02 was asked for"
    )
    assert str(missed.precision) == f"{told} (1 of the scenarios)"
    frame = missed.table(["stale_per_main", "interval_mean"])
    doubt = "less precise than asked for: +-0.02 was not reached at 20 seeds"
    assert frame["doubt"].tolist() == ["", "", doubt, ""]
    header, (near, far), notes = cells(frame, list(missed.parameters))
    assert header[-1] == "doubt"
    assert near[-1] == ""
    assert far[-1] == "[1] less precise than asked for"
    assert far[2].endswith("] [1]")
    assert notes == [f"[1] {doubt}"]
    assert pj.open_study(missed.path).precision.missed[0].half_width == half


def test_what_cannot_be_asked_is_told_in_one_line(tmp_path):
    for wrong, message in (
        ({"until": {"interval": 0.1}}, "until must be one of interval_mean, .*; got 'interval'"),
        ({"until": {"fairness": 0.1}}, "until must be one of"),  # needs the nodes
        ({"until": {"interval_cv": 0.0}}, r"until\['interval_cv'\] must be above 0, got 0"),
        ({"until": {}}, "until must name an estimate"),
        ({"max_seeds": None}, "max_seeds must be given with until"),
        ({"max_seeds": 15}, "max_seeds must be at least 16"),
        ({"num_seeds": 8}, "num_seeds must be at least 16 with until, got 8"),
        ({"until": None}, "max_seeds must be None without until, got 256"),
        ({"until": {"claimed": 0.1}}, "until names 'claimed', which no scenario has"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            study(tmp_path / "no", **wrong)
        assert "\n" not in str(error.value)
    assert {"interval_mean", "win_share", "optimism"} <= set(METRICS)


def test_intervals_at_the_stop_hold_the_truth():
    """400 studies of 16 seeds and more of 64 blocks: 93 to 97% of their intervals hold what all of them tell."""
    studies, most = 400, 96
    scenario = pj.Scenario(pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=30.0), pj.PoW(work=600.0))
    sums = pj.tally_many(keys(1, studies * most), scenario, 64, method="poisson")
    truth = pj.summarise(sums)
    wanted = {"interval_cv": 0.05, "interval_mean": 33.0, "stale_per_main": 0.01}
    held, stops = {name: [] for name in wanted}, set()
    for number in range(studies):
        own = jax.tree.map(lambda leaf, number=number: leaf[number * most : (number + 1) * most], sums)
        looked = {}

        def at(seeds, own=own, looked=looked):
            if seeds not in looked:
                looked[seeds] = pj.summarise(own.only(np.arange(most) < seeds))
            return looked[seeds]

        for name, half in wanted.items():
            target = Target({name: half}, 16, most)
            seeds = target.stop(lambda seeds, name=name, half=half: half_width(at(seeds), name) <= half)
            found = vars(at(seeds))[name]
            held[name].append(found.low <= vars(truth)[name].value <= found.high)
            stops.add(seeds)
    assert {32, 48, 64} <= stops  # chance decides when
    for name, hits in held.items():
        assert 0.93 <= np.mean(hits) <= 0.97, (name, np.mean(hits))


def test_jax_distributed_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match=r"until must be None under jax\.distributed"):
        study(tmp_path / "no")
    assert not os.path.exists(tmp_path / "no")
