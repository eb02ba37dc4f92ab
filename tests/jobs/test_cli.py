"""The command line: the main job from end to end, and what a mistake gets."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray

import polejax as pj
from polejax._core import timing
from polejax._core.describe import describe
from polejax.analysis import figures
from polejax.jobs import cli, compare, compare_files, compare_tables, pow_baselines

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The main job, small, and what it printed."""
    out = tmp_path_factory.mktemp("compare")
    options = "--nodes 3 --seeds 2 --blocks 16 --learning.task synthetic --learning.threshold 0.5 --learning.hidden 8"
    options += " --delay 20"  # so that blocks go stale, however few they are
    settings = cli.parse(["compare", *options.split(), "--out", str(out)])
    reports = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "SERVICE_BLOCKS", 512)  # too few for the highest load, and told so
        outcome = compare.run(settings, lambda told: reports.append((told.label, told.done, told.total)))
        yield settings, outcome, reports, compare_files.save(outcome, settings, 1.0)


def test_the_main_job_reports_progress_and_pairs_its_chains(job):
    settings, outcome, reports, _ = job
    assert reports[0] == ("PoLe", 0, 32)
    assert ("PoLe", 32, 32) in reports
    assert ("PoW", 32, 32) in reports
    assert outcome.histories["PoW"].interval.shape == outcome.histories["PoLe"].interval.shape == (2, 16)
    assert isinstance(settings, compare.Settings)


def test_a_second_job_compiles_nothing_and_the_first_says_what_it_compiled(job):
    settings, outcome, _, _ = job
    parts = {"PoLe", "calibration", "PoW", "stale rate", "PoW, equal stale", "transactions"}
    assert set(outcome.compiling) == set(outcome.seconds) == parts
    assert 0 < outcome.compiling["PoLe"] < outcome.seconds["PoLe"]
    with timing.compilation() as counter:
        again = compare.run(settings, lambda progress: None)
    assert counter.programs == 0
    np.testing.assert_array_equal(again.histories["PoLe"].tip, outcome.histories["PoLe"].tip)


def test_proof_of_work_is_given_the_same_mean_interval(job):
    _, outcome, _, _ = job
    wanted = outcome.summaries["PoLe"].interval_mean.value
    work = outcome.scenarios["PoW"].mechanism.work
    delay = float(outcome.scenarios["PoW"].network.seconds)
    power = outcome.scenarios["PoW"].nodes.power.sum()
    assert wanted - 2 * delay < work / power < 1.02 * wanted  # forks cost some of the work


def test_proof_of_work_at_the_same_stale_rate_has_shorter_intervals(job):
    _, outcome, _, _ = job
    stale = outcome.summaries["PoLe"].stale_per_main.value
    works = [float(outcome.scenarios[label].mechanism.work) for label in ("PoW", "PoW, equal stale")]
    assert works[1] < works[0]
    keys = jax.random.split(jax.random.key(9), 64)
    history = pj.simulate_many(keys, outcome.scenarios["PoW, equal stale"], 2_048)
    assert pj.summarise(history).stale_per_main.value == pytest.approx(stale, rel=0.03)
    for wrong in (0.0, 2.0, 1e-9):
        with pytest.raises(ValueError, match=r"^stale_per_main [^\n]*$"):
            pow_baselines.at_stale_rate(outcome.scenarios["PoLe"], wrong, 60.0, 0)


def test_the_table_can_be_redone_in_python_from_the_readme(job):
    """README's snippet, with this job's options in place of the defaults: every number is equal."""
    settings, outcome, *_ = job
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (snippet,) = [one for one in snippets if "pj.baselines.at_interval" in one]
    for written, here in (
        ("= 16, 16, 64, 0", "= 3, 2, 16, 0"),
        ("pj.tasks.digits()", "pj.tasks.synthetic(0)"),
        ("(32,)", "(8,)"),
        ("threshold=0.9", "threshold=0.5"),
        ("seconds=2.0", "seconds=20.0"),
        ("4_096", "512"),
        ("verification=1.0", "verification=1.0, curve_points=80"),  # as the job has: nothing is compiled anew
    ):
        assert snippet.count(written) == 1, written
        snippet = snippet.replace(written, here)
    found: dict = {}
    exec(compile(snippet, str(README), "exec"), found)
    assert set(found["table"]) == set(outcome.summaries)
    for label, summary in outcome.summaries.items():
        assert describe(found["table"][label]) == describe(summary), label
    assert found["served"].rows() == outcome.service.rows()
    assert settings.verification == 1.0  # as the snippet says


def test_results_and_summary_hold_what_repeats_them(job):
    _, outcome, _, paths = job
    with xarray.open_dataset(paths[0], engine="h5netcdf") as saved:
        assert list(saved.scenario.values) == ["PoW", "PoLe", "PoW, equal stale"]
        np.testing.assert_array_equal(saved.interval.sel(scenario="PoLe"), outcome.histories["PoLe"].interval)
        np.testing.assert_array_equal(saved.tip.sel(scenario="PoLe"), outcome.histories["PoLe"].tip)
        assert json.loads(saved.attrs["scenario PoLe"])["mechanism"]["threshold"] == pytest.approx(0.5)
        assert json.loads(saved.attrs["settings"])["seed"] == 0
        assert "jax" in json.loads(saved.attrs["versions"])
        assert saved.interval.attrs["units"] == "s"
        assert saved["mechanism.type"].dims == ("scenario",)
        assert list(saved["mechanism.type"].values) == ["PoW", "PoLe", "PoW"]
        assert saved["mechanism.threshold"].sel(scenario="PoLe") == 0.5
        assert saved["mechanism.work"].sel(scenario="PoW") == pytest.approx(outcome.scenarios["PoW"].mechanism.work)
        assert saved["network.seconds"].values.tolist() == [20.0] * 3
        assert saved["nodes.power"].dims == ("scenario", "node")
    summary = json.loads(paths[1].read_text())
    assert summary["PoLe"]["interval_cv"]["value"] == pytest.approx(outcome.summaries["PoLe"].interval_cv.value)
    assert {"versions", "machine", "settings", "seconds", "PoLe against PoW"} <= set(summary)


def test_a_second_run_writes_the_same_bytes(job, tmp_path):
    _, outcome, _, paths = job
    again = figures.write_all(outcome.histories, outcome.scenarios, tmp_path, service=outcome.service)
    first = [path for path in paths if path.parent.name == "figures"]
    assert [path.name for path in again] == [path.name for path in first]
    assert len(again) >= 21
    for one, other in zip(again, first, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_the_table_shows_both_mechanisms_with_intervals(job):
    text = compare_tables.mechanisms(job[1].summaries).text(160)
    for words in (
        "interval, mean (s)",
        "coefficient of variation",
        "stale / canonical",
        "rounds nobody finished",
        "PoLe",
        "PoW",
        "[",
    ):
        assert words in text


def test_the_service_table_has_every_load_and_says_where_chains_are_too_short(job):
    text = job[1].service.tables()[0].text(160)
    for words in ("load 0.5: confirmation latency, mean (s)", "load 0.95: confirmation", "blocks a chain", "1,000"):
        assert words in text


@pytest.mark.parametrize("width", [60, 200])
def test_no_table_is_wider_than_the_terminal(job, width):
    for table in (compare_tables.mechanisms(job[1].summaries), *job[1].service.tables()):
        lines = table.text(width).splitlines()
        assert 30 < max(map(len, lines)) <= width
        told = " ".join(lines)
        assert "PoLe" in told
        assert "PoW" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "--nodez", "3"], "--nodez"),
        (["compare", "--nodes", "x"], "--nodes"),
        (["frob"], "frob"),
        ([], "compare"),
        (["compare", "--nodes", "0"], "nodes must be at least 1"),
        (["compare", "--learning.task", "/nowhere"], "task must be digits, synthetic, or an existing file"),
        (["compare", "--learning.threshold", "1.5"], "threshold must be at least 0 and at most 1, got 1.5"),
        (["compare", "--delay", "nan"], "delay must be at least 0, got nan"),
        (["compare", "--load", "0.5", "1.0"], "loads must be above 0 and below 1, got 1 at index 1"),
        (["compare", "--capacity", "0"], "capacity must be at least 1 and at most 2147483646, got 0"),
        (["compare", "--learning.hidden", "0"], "hidden must be at least 1"),
        (["compare", "--out", "README.md/inside"], "out must be a folder that can be written to, got README.md/inside"),
        (["study", "/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    """Even where older results of other options are, as after `make compare`: the mistake comes first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").touch()
    (tmp_path / "results" / "compare").mkdir(parents=True)
    (tmp_path / "results" / "compare" / "summary.json").write_text('{"settings": {"nodes": 5}}')
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert words in printed
    assert "Traceback" not in printed


def test_info_names_versions_and_devices(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["info"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "jaxlib" in printed
    assert "platform" in printed


def test_help_tells_what_there_is(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in ("compare", "study", "validate", "info"))
