"""Results of other options are not overwritten by habit; those of the same options are, by any version of polejax."""

import dataclasses
import json

import numpy as np
import pytest
import xarray

from polejax._core.describe import describe
from polejax.jobs import attack, cli, compare, compare_files, kept_options
from polejax.jobs.claims import job as claims

SETTINGS = compare.Settings(nodes=3, load=(0.5, 0.9))


def written(folder, settings=SETTINGS, **changes):
    """What a comparison leaves of its options, and those that a version before had not."""
    told = describe(dataclasses.asdict(settings)) | {"out": str(folder)}
    for name, value in changes.items():
        told = {key: part for key, part in told.items() if key != name} | ({} if value is None else {name: value})
    (folder / "summary.json").write_text(json.dumps({"settings": told}))
    return dataclasses.replace(settings, out=folder)


def test_the_same_options_go_on_and_others_are_told_in_one_line(tmp_path):
    settings = written(tmp_path)
    compare_files.open_folder(settings)
    for change, words in (
        ({"nodes": 4}, "nodes: 3, not 4"),
        ({"load": (0.5, 0.95)}, r"load\[1\]: 0\.9, not 0\.95"),
        ({"deadline": 60.0}, "deadline: 'inf', not 60.0"),
        ({"learning": compare.Learning(hidden=(8,))}, r"learning\.hidden\[0\]: 32, not 8"),
    ):
        other = dataclasses.replace(settings, **change)
        with pytest.raises(
            ValueError, match=rf"^out {tmp_path} holds .*{words}: choose another --out.*--overwrite$"
        ) as e:
            compare_files.open_folder(other)
        assert "\n" not in str(e.value)
        compare_files.open_folder(dataclasses.replace(other, overwrite=True))


def test_options_that_an_older_version_did_not_have_count_as_their_defaults(tmp_path):
    compare_files.open_folder(written(tmp_path, capacity=None, gone="option of an older version"))
    with pytest.raises(ValueError, match="capacity: 1000, not 5"):
        compare_files.open_folder(dataclasses.replace(written(tmp_path, capacity=None), capacity=5))
    old = describe(dataclasses.asdict(SETTINGS.learning))
    compare_files.open_folder(written(tmp_path, learning={key: it for key, it in old.items() if key != "sml"}))


def test_a_job_killed_before_its_summary_is_known_by_its_results(tmp_path):
    text = json.dumps(describe(dataclasses.asdict(SETTINGS)))
    xarray.Dataset({"a": ("x", np.ones(2))}, attrs={"settings": text}).to_netcdf(
        tmp_path / "results.nc", engine="h5netcdf"
    )
    settings = dataclasses.replace(SETTINGS, out=tmp_path)
    compare_files.open_folder(settings)
    with pytest.raises(ValueError, match="nodes: 3, not 4"):
        compare_files.open_folder(dataclasses.replace(settings, nodes=4))


@pytest.mark.parametrize("content", ["", "no JSON", "[]", "{}", '{"settings": 3}', '{"settings": {}}'])
def test_what_is_not_polejax_s_is_not_overwritten_either(tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    if content == '{"settings": {}}':  # all options at their defaults, as far as is known
        compare_files.open_folder(compare.Settings(out=tmp_path))
        return
    with pytest.raises(ValueError, match="holds other results, which do not tell what of: choose another --out"):
        compare_files.open_folder(compare.Settings(out=tmp_path))


@pytest.mark.parametrize("name", ["study", "attack", "claims", "bank"])
def test_a_comparison_does_not_move_in_with_others(tmp_path, name):
    (tmp_path / f"{name}.json").write_text("{}")
    with pytest.raises(ValueError, match=rf"holds .*\({name}\.json\): choose another --out"):
        compare_files.open_folder(dataclasses.replace(SETTINGS, out=tmp_path, overwrite=True))


@pytest.mark.parametrize(("job", "settings"), [(attack, attack.Settings), (claims, claims.Settings)])
def test_other_jobs_do_not_move_in_with_a_comparison(tmp_path, job, settings):
    (tmp_path / "results.nc").write_bytes(b"")
    small = {"task": "synthetic"} if job is attack else {}
    with pytest.raises(ValueError, match=r"holds a comparison's results \(results\.nc\): choose another --out"):
        job.run(settings(out=tmp_path, **small), print)
    assert [path.name for path in tmp_path.iterdir()] == ["results.nc"]


def test_the_command_line_refuses_before_it_trains_and_prints_nothing_else(tmp_path, capsys):
    written(tmp_path)
    for options, words in ((["--nodes", "4"], "holds results of other options"), (["--load", "2"], "loads must be")):
        out = tmp_path if "--nodes" in options else tmp_path / "new"
        with pytest.raises(SystemExit) as stop:
            cli.main(["compare", *options, "--out", str(out)])
        printed = capsys.readouterr()
        assert (stop.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
        assert words in printed.err


def test_options_kept_in_a_file_of_their_own(tmp_path):
    path, results = tmp_path / "new" / "kept.json", tmp_path / "new" / "results.csv"
    usual = {"seeds": 16, "out": "here"}
    kept_options.check(path, results, {"seeds": 8, "out": "here"}, usual, overwrite=False)
    kept_options.keep(path, {"seeds": 8, "out": "here"})
    kept_options.check(path, results, {"seeds": 8, "out": "here"}, usual, overwrite=False)
    kept_options.check(path, results, usual, usual, overwrite=True)
    with pytest.raises(ValueError, match="seeds: 8, not 16"):
        kept_options.check(path, results, usual, usual, overwrite=False)
    path.unlink()
    results.write_text("")
    with pytest.raises(ValueError, match="do not tell what of"):
        kept_options.check(path, results, usual, usual, overwrite=False)


@pytest.mark.parametrize("settings", [compare.Settings, attack.Settings, claims.Settings])
def test_every_job_with_a_folder_can_overwrite_it_and_does_not_by_itself(settings):
    assert settings().overwrite is False
    assert settings().out.parts[0] == "results"
