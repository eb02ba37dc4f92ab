"""Studies: the same numbers however they are run and cut up, whole or as sums alone."""

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import pickle
import socket
import sys

import jax
import numpy as np
import pytest
import studies
from banks import geometric_bank, small_pole
from studies import assert_same_parts, spawn

import polejax as pj
from polejax._core import timing
from polejax._core.describe import describe
from polejax.studies import shards


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study, run in one go on eight devices."""
    out = str(tmp_path_factory.mktemp("study") / "whole")
    studies.run(out)
    return out


def test_a_study_is_its_chains(whole):
    """What is read back is what `simulate` gives, seed by seed, under the keys that are promised."""
    result = pj.open_study(whole)
    assert result.complete
    data = result.to_xarray()
    assert data.sizes == {"scenario": 2, "seed": studies.SEEDS, "height": studies.BLOCKS, "node": 3}
    play = jax.jit(jax.vmap(lambda key, scenario: pj.simulate(key, scenario, studies.BLOCKS), (0, None)))
    for index, scenario in enumerate(studies.scenarios()):
        chains = play(shards.seed_keys(3, 0, studies.SEEDS), scenario)
        for name in ("producer", "published", "published_by", "settled"):
            np.testing.assert_array_equal(data[name].values[index], np.asarray(getattr(chains, name)), err_msg=name)
        # XLA before 2026 may round another batch otherwise in the last bit.
        np.testing.assert_allclose(data["interval"].values[index], chains.interval, rtol=1e-5)
        assert result.summarise(index).interval_mean.value == pytest.approx(pj.summarise(chains).interval_mean.value)
    # Common random numbers: without forks, twice the work is twice the interval, chain by chain.
    first = data.isel(height=0)
    alone = (first["published"] == 1).all("scenario").values
    assert alone.mean() > 0.8
    np.testing.assert_allclose(first["interval"][1, alone], 2 * first["interval"][0, alone], rtol=1e-5)


def test_parameters_are_coordinates_and_rows(whole, tmp_path):
    data = pj.open_study(whole).to_xarray()
    np.testing.assert_array_equal(data["mechanism.work"], [300.0, 600.0])
    assert (data["mechanism.type"] == "PoW").all()
    np.testing.assert_allclose(data["nodes.power"], [[0.5, 0.3, 0.2]] * 2)
    data.to_netcdf(tmp_path / "all.nc", engine="h5netcdf")
    frame = pj.open_study(whole).to_pandas()
    assert len(frame) == int(data["settled"].sum())
    assert frame["interval"].sum() == pytest.approx(float(data["interval"].where(data["settled"]).sum()))


def test_two_processes_of_one_device(whole, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = str(tmp_path / "ranks")
    ranks = [spawn("rank", out, rank, port) for rank in range(2)]
    for rank in ranks:
        rank.communicate(timeout=300)
    assert [rank.returncode for rank in ranks] == [0, 0]
    assert_same_parts(out, whole)


@pytest.mark.parametrize("kind", ["threads", "processes", "dask"])
def test_executors(whole, tmp_path, kind):
    out = str(tmp_path / kind)
    if kind == "threads":
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            studies.run(out, executor=executor)
    elif kind == "processes":
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
            studies.run(out, executor=executor)
    else:
        distributed = pytest.importorskip("distributed")
        with distributed.Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
            studies.run(out, executor=client.get_executor())
    assert_same_parts(out, whole)


def test_what_is_live_can_be_sent(tmp_path):
    """A study of live PoLe, functions wrapped by JAX and all, survives pickling and runs the same."""
    nodes = pj.nodes.equal(2)
    model = pj.models.MultilayerPerceptron(hidden=(4,), num_classes=3)
    scenario = pj.Scenario(nodes, pj.network.clique(2, 1.0), small_pole(model=model))
    programs = shards.programs_of((scenario,), ("rounds",))
    task = shards.Study((scenario,), 2, 0, (0,), "blocks", ("rounds",), programs)
    again = pickle.loads(pickle.dumps(task))
    assert describe(again.scenarios) == describe(task.scenarios)
    (one, _), (other, _) = (shards.run_shard(sent, shards.Shard(0, 0, 2, 2)) for sent in (task, again))
    for name in ("interval", "claimed", "computed"):
        np.testing.assert_array_equal(one[name], other[name])
    result = pj.study(scenario, 2, 2, tmp_path / "live")
    np.testing.assert_array_equal(result.history(0).learning.claimed, one["claimed"])


@pytest.mark.skipif(sys.platform == "win32", reason="has no getrusage")
def test_memory_does_not_grow_with_the_seeds(tmp_path):
    """Blocks of eight times as many seeds would take 47 MB more."""
    few, many = map(float, spawn("peaks", tmp_path / "study", 1_024, 8_192).communicate(timeout=300)[0].split())
    assert many - few < 16


def test_chains_alone_give_the_same_estimates(tmp_path):
    """Without its blocks a study summarises and compares as with them, whatever the shards."""
    nodes, network = pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=60.0)
    replay = pj.Replay(geometric_bank(0), 0.5)
    scenarios = [pj.Scenario(nodes, network, mechanism) for mechanism in (pj.PoW(work=300.0), replay)]
    blocks = pj.study(scenarios, 12, 9, tmp_path / "blocks", seeds_per_shard=12)
    chains = pj.study(scenarios, 12, 9, tmp_path / "chains", seeds_per_shard=5, records="chains")
    for index in range(2):
        whole, reduced = pj.summarise(blocks.history(index), nodes), chains.summarise(index, nodes)
        for field in dataclasses.fields(whole):
            one, other = getattr(whole, field.name), getattr(reduced, field.name)
            if field.name == "replayed":
                assert one == other
                continue
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), one, other)
    one, other = pj.analysis.paired(blocks.history(0), blocks.history(1)), chains.compare(0, 1)
    assert other.interval_cv_ratio.low == pytest.approx(one.interval_cv_ratio.low, rel=1e-6)
    data = chains.to_xarray()
    assert data["interval"].dims == ("scenario", "seed")
    assert data["wins"].dims == ("scenario", "seed", "node")
    np.testing.assert_array_equal(data["settled"], blocks.to_xarray()["settled"].sum("height"))
    assert len(chains.to_pandas()) == 24
    with pytest.raises(ValueError, match="keeps no blocks"):
        chains.history(0)


def test_scenarios_that_allow_it_are_drawn_as_a_poisson_process(tmp_path):
    nodes, replay = pj.nodes.from_shares([5, 3, 2]), pj.Replay(geometric_bank(0), 0.5)
    networks = [pj.network.clique(3, seconds=seconds) for seconds in (60.0, 0.0, 59.0)]
    mechanisms = (pj.PoW(work=300.0), replay, pj.PoW(work=300.0))
    scenarios = [pj.Scenario(nodes, *pair) for pair in zip(networks, mechanisms, strict=True)]
    study = functools.partial(pj.study, num_seeds=5, num_blocks=6, seeds_per_shard=4)
    drawn = study(scenarios, out=tmp_path / "drawn", method="poisson")
    with timing.compilation() as compiled:
        swept = study(scenarios[2], out=tmp_path / "swept", method="poisson")  # of a slightly shorter delay
    assert compiled.programs == 0
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), np.arange(5, dtype=np.uint32))
    for index, method in enumerate(("poisson", "rounds", "poisson")):
        alone = pj.simulate_many(keys, scenarios[index], 6, method=method)
        for name in ("interval", "producer", "settled", "published_by"):
            np.testing.assert_array_equal(getattr(drawn.history(index), name), getattr(alone, name))
    np.testing.assert_array_equal(swept.history(0).interval, drawn.history(2).interval)
    sums = study(scenarios, out=tmp_path / "sums", method="poisson", records="chains")
    for index in range(3):
        whole, reduced = drawn.summarise(index, nodes), sums.summarise(index, nodes)
        assert whole.replayed == reduced.replayed
        for name in (field.name for field in dataclasses.fields(whole) if field.name != "replayed"):
            one, other = getattr(whole, name), getattr(reduced, name)
            jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), other, one)
    assert sums.to_xarray()["wins"].dtype == np.float64
    with pytest.raises(pj.StudyError, match=r"holds another study; it has method\[0\]: 'poisson', not 'rounds'"):
        study(scenarios, out=tmp_path / "drawn")
    with pytest.raises(
        ValueError, match=r'method must be "rounds" where no scenario allows "poisson"; .*: mechanism must be PoW'
    ):
        study(scenarios[1], out=tmp_path / "no", method="poisson")


def test_arguments_are_checked(tmp_path):
    scenario = pj.Scenario(pj.nodes.equal(2), pj.network.instant(2), pj.PoW(work=10.0))
    for wrong, message in (
        ({"scenarios": []}, "scenarios must not be empty"),
        ({"scenarios": [scenario, 3]}, r"scenarios\[1\] must be a Scenario or a Grid, got int"),
        ({"num_seeds": 0}, "num_seeds must be at least 1, got 0"),
        ({"names": ["a", "b"]}, "names must be 1 different words"),
        ({"records": "all"}, "records must be one of blocks, chains; got 'all'"),
        ({"method": "no"}, "method must be one of rounds, poisson; got 'no'"),
    ):
        with pytest.raises(ValueError, match=message):
            pj.study(**{"scenarios": scenario, "num_seeds": 1, "num_blocks": 1, "out": tmp_path / "no", **wrong})
    assert not (tmp_path / "no").exists()


@pytest.mark.smoke
def test_progress_and_one_program_for_a_sweep(tmp_path):
    lines = []
    scenarios = [
        pj.Scenario(pj.nodes.from_shares(shares), pj.network.clique(2, seconds), pj.PoW(work=10.0))
        for shares, seconds in (([1, 2], 0.0), ([1, 1], 3.0), ([5, 1], 1.0))
    ]
    sizes = {"num_blocks": 7, "seeds_per_shard": 4}
    pj.study(scenarios[:1], 4, out=tmp_path / "one", **sizes)
    with timing.compilation() as compiled:
        result = pj.study(scenarios, 6, out=tmp_path / "all", progress=lines.append, **sizes)
    assert compiled.programs == 0  # neither another scenario nor the smaller last shard
    assert [line.done for line in lines] == [28, 56, 84, 98, 112, 126]
    assert str(lines[-1]).startswith("126 of 126 blocks (100%), ")
    assert lines[-1].left == 0.0
    assert result.timings()["compile_seconds"] == 0.0 < result.timings()["run_seconds"]
