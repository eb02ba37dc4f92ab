"""More seeds in a finished study's folder: what is there stays and is verified, and only the others are computed."""

import os

import numpy as np
import pytest
from studies import assert_same_parts

import polejax as pj

SCENARIO = pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 1.0), pj.PoW(work=10.0))


def study(out, num_seeds, **options):
    return pj.study(SCENARIO, num_seeds, 4, out, **{"seeds_per_shard": 2, **options})


@pytest.fixture
def five(tmp_path):
    study(tmp_path / "grown", 5)
    return tmp_path / "grown"


def written(out):
    """When each part was written."""
    return {name: os.stat(out / "parts" / name).st_mtime_ns for name in os.listdir(out / "parts")}


def test_only_the_new_ones_are_computed(five, tmp_path):
    before, done = written(five), []
    grown = study(five, 9, progress=done.append)
    assert [told.done for told in done] == [28, 36]  # 20 blocks were there
    assert before.items() <= written(five).items()
    assert (grown.num_seeds, grown.complete) == (9, True)
    whole = study(tmp_path / "whole", 9).to_xarray()
    for name in ("interval", "producer", "settled", "published_by"):
        np.testing.assert_array_equal(grown.to_xarray()[name], whole[name])
    assert grown.summarise(0).num_seeds == 9
    assert study(five, 9).complete  # again: nothing to do
    assert study(five, 12, seeds_per_shard=3).to_xarray().sizes["seed"] == 12


def test_an_unfinished_study_may_grow(tmp_path):
    class Stop(Exception):
        pass

    def stop(progress):
        raise Stop

    for seeds in (5, 9):  # killed before it had its first ones, and again among the added
        with pytest.raises(Stop):
            study(tmp_path / "killed", seeds, progress=stop)
    killed = pj.open_study(tmp_path / "killed")
    assert (killed.num_seeds, killed.complete) == (9, False)
    study(tmp_path / "killed", 9)
    study(tmp_path / "grown", 5)
    study(tmp_path / "grown", 9)
    assert_same_parts(tmp_path / "killed", tmp_path / "grown")


def test_fewer_or_others_are_refused_and_damage_is_told(five):
    study(five, 9)
    before = written(five)
    for call, words in (
        (lambda: study(five, 5), r"holds another study; it has num_seeds: 9, not 5: .*ask for as many or more"),
        (lambda: study(five, 12, seed=1), r"holds another study; it has seed: 0, not 1"),
    ):
        with pytest.raises(pj.StudyError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
        assert written(five) == before
    path = five / "parts" / "scenario-0000-seed-00000002.nc"
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(pj.StudyError, match=r"is damaged .*delete it and run again"):
        study(five, 12)
    path.unlink()
    assert study(five, 12).complete
    assert path.read_bytes()[:4] == content[:4]


def test_a_lost_manifest_of_a_grown_study_is_written_again(five):
    study(five, 9)
    (five / "study.json").unlink()
    with pytest.raises(pj.StudyError, match=r"its study\.json is lost: run it again"):
        pj.open_study(five)
    with pytest.raises(pj.StudyError, match="is not the part that its name says: delete it and run again"):
        study(five, 9)  # in other shards than the folder's
    (five / "study.json").unlink()
    assert study(five, 5).complete
    assert study(five, 9).complete  # as it had grown
