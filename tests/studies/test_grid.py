"""Grids: every combination of parameters, their values exact, each a dimension of what a study gives."""

import jax
import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj
from polejax._core import timing
from polejax._core.describe import describe
from polejax.studies.grid import listed
from polejax.studies.parameters import column, short_names

NODES, CLIQUE = pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=1.0)
MINED = pj.Scenario(NODES, CLIQUE, pj.PoW(work=60.0))
REPLAYED = pj.Scenario(NODES, CLIQUE, pj.Replay(geometric_bank(0), 0.5))


def study(scenarios, out, **options):
    return pj.study(scenarios, **{"num_seeds": 8, "num_blocks": 5, "out": out, "records": "chains", **options})


def test_every_combination_is_the_scenario_that_python_builds():
    grid = pj.grid(
        REPLAYED, {"mechanism.threshold": [0.4, 0.8], "network.seconds": (0.1, 60), "mechanism.fallback": ["empty"]}
    )
    expected = [
        pj.Scenario(NODES, pj.network.clique(3, seconds), pj.Replay(geometric_bank(0), threshold, fallback="empty"))
        for threshold in (0.4, 0.8)
        for seconds in (0.1, 60.0)
    ]
    assert describe(list(grid)) == describe(expected)
    assert len({jax.tree.structure(one) for one in grid}) == 1  # one program
    assert [leaf.dtype for leaf in jax.tree.leaves(grid[3])] == [leaf.dtype for leaf in jax.tree.leaves(expected[3])]
    assert grid.parameters == {
        "mechanism.threshold": (0.4, 0.8), "network.seconds": (0.1, 60), "mechanism.fallback": ("empty",)
    }  # fmt: skip
    assert repr(grid) == "Grid(4 scenarios: 2 mechanism.threshold x 2 network.seconds x 1 mechanism.fallback)"
    built = pj.grid(lambda work, count: pj.Scenario(pj.nodes.equal(count), pj.network.instant(count), pj.PoW(work)),
                    {"work": np.array([1.0, 2.0]), "count": [2, 3]})  # fmt: skip
    assert [one.nodes.count for one in built] == [2, 3, 2, 3]
    parts = pj.grid(MINED, {"mechanism": {"mined": pj.PoW(9.0), "learned": REPLAYED.mechanism}, "network.seconds": [2]})
    assert [type(one.mechanism).__name__ for one in parts] == ["PoW", "Replay"]
    inner = pj.grid(MINED, {"mechanism": {"a": pj.PoW(9.0), "b": pj.PoW(8.0)}, "mechanism.work": [7.0]})
    assert [float(one.mechanism.work) for one in inner] == [7.0, 7.0]
    assert float(pj.grid(pj.Scenario(NODES, CLIQUE, pj.PoW(9.0), difficulty=pj.difficulty.asert(9.0)),
                         {"difficulty.target": [5.0]})[0].difficulty.target) == 5.0  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mechanism.thresh": [0.8]}, r"mechanism\.thresh=0\.8: mechanism\.thresh must name a field: PoW has work"),
        ({"mechanism.work": [60.0, -1.0]}, r"mechanism\.work=-1\.0: work must be .*, got -1"),
        ({"network.seconds": [-1.0]}, "seconds must be at least 0, got -1"),
        ({"network.num_nodes": [4]}, "network connects 4 nodes, but there are 3"),
        ({"mechanisms.work": [1.0]}, "must begin with a field of Scenario: nodes, network, mechanism"),
        ({"mechanism.work": 3.0}, r"parameters\['mechanism.work'\] must be a list of values, got 3.0"),
        ({"mechanism.work": "ab"}, "must be a list of values, got 'ab'"),
        ({"mechanism.work": [1.0, 1.0]}, "must be all different, got 1.0 twice"),
        ({"mechanism.work": []}, "must not be empty"),
        ({"mechanism": [pj.PoW(1.0)]}, "must be numbers or words, .*give others a label"),
        ({"mechanism.work": [float("nan")]}, "must be numbers or words, got nan"),
        ({"mechanism.work": ["60"]}, "mechanism.work must be a number or an array of numbers, got '60'"),
        ({"mechanism.work.x": [1.0]}, "must lead to a field, but .* has none"),
        ({"mechanism.work": range(1, 400), "network.seconds": range(400)}, "at most 65,536 scenarios, got 159,600"),
        ({}, "parameters must map names to values"),
    ],
)
def test_mistakes_are_told_in_one_line(parameters, message):
    with pytest.raises(ValueError, match=message) as error:
        pj.grid(MINED, parameters)
    assert "\n" not in str(error.value)


def test_a_part_that_its_constructor_alone_checks_is_refused():
    regions = pj.network.regions([0, 0, 0], [[1.0]])
    scenario = pj.Scenario(NODES, regions, pj.PoW(60.0), difficulty=pj.difficulty.window(10, 60.0))
    for path in ("network.up", "difficulty.target"):
        with pytest.raises(ValueError, match="is checked by its constructor only: pass a function that calls it"):
            pj.grid(scenario, {path: [-1.0]})
    with pytest.raises(ValueError, match="must be a function of the parameters by their names"):
        pj.grid(lambda work: MINED, {"mechanism.work": [1.0]})
    with pytest.raises(ValueError, match="scenario must be made like"):
        pj.grid(lambda work: work, {"work": [1.0]})


def test_parameters_are_dimensions_and_exact(tmp_path):
    values = {"mechanism.work": [60.3, 80.7], "network.seconds": [0.1, 0.7, 3.3]}
    mined = pj.Scenario(NODES, CLIQUE, pj.PoW(9.0), difficulty=pj.difficulty.Fixed())
    result = study(pj.grid(mined, values), tmp_path / "grid")
    data = result.to_xarray()
    assert data["interval"].dims == ("work", "seconds", "seed")
    assert data["work"].values.tolist() == [60.3, 80.7]
    assert data["mechanism.work"].dims == ("work",)
    alone = data.sel(work=80.7, seconds=0.7)  # would raise KeyError at 0.699999988
    assert str(alone["scenario"].values) == "mechanism.work=80.7, network.seconds=0.7"
    np.testing.assert_array_equal(alone["interval"], result.tally(4).about(0.0).interval)
    assert data["network.num_nodes"].shape == ()
    assert data["network.num_nodes"] == 3
    assert data["nodes.power"].dims == ("work", "seconds", "node")
    assert data["nodes.power"].values[0, 0].tolist() == [0.5, 0.3, 0.2]
    frame = result.table(["interval_mean", "win_share"])
    assert list(frame.columns) == ["work", "seconds", "metric", "node", "unit", "value", "low", "high", "doubt"]
    assert len(frame) == 6 * 4
    data.to_netcdf(tmp_path / "all.nc", engine="h5netcdf")
    # The same grid among others: one dimension, the same values beside it.
    mixed = study([MINED, pj.grid(mined, values)], tmp_path / "mixed").to_xarray()
    assert mixed["interval"].dims == ("scenario", "seed")
    assert mixed["mechanism.work"].values.tolist() == [60.0, *[60.3] * 3, *[80.7] * 3]
    assert mixed["network.seconds"].values.tolist() == [1.0, *[0.1, 0.7, 3.3] * 2]
    np.testing.assert_array_equal(mixed["interval"][5], alone["interval"])


def test_names_that_are_taken_or_alike_are_whole_paths():
    names = short_names(
        ["mechanism.threshold", "network.base.seconds", "network.seconds", "mechanism.score", "difficulty"]
    )
    assert list(names.values()) == [
        "threshold", "network.base.seconds", "network.seconds", "mechanism.score", "scenario.difficulty"
    ]  # fmt: skip
    assert column([np.float32(0.8).item(), 600.0, None, "inf"])[:2].tolist() == [0.8, 600.0]
    assert column([1 / 3])[0] == 1 / 3  # no float32
    assert column([True, False]).dtype == bool
    found = listed([MINED, pj.grid(MINED, {"mechanism.work": [1.0]})])
    assert found.names == ("0", "1, mechanism.work=1.0")
    assert found.grid is None


def test_a_hundred_scenarios_compile_once(tmp_path):
    study(MINED, tmp_path / "one")
    grid = pj.grid(MINED, {"mechanism.work": list(range(60, 85)), "network.seconds": [0.0, 0.5, 1.0, 2.0]})
    with timing.compilation() as compiled:
        result = study(grid, tmp_path / "all")
    assert compiled.programs == 0
    data = result.to_xarray()
    assert dict(data.sizes) == {"work": 25, "seconds": 4, "seed": 8, "height": 5, "node": 3}
    works = data["interval"].sel(seconds=0.0).mean("seed")
    np.testing.assert_allclose(works / works[0], np.arange(60, 85) / 60, rtol=1e-5)  # common random numbers
