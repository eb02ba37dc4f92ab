"""The claims job: laws of its parts, honest intervals, a page that escapes and resumes."""

import json
import re
import types
from pathlib import Path

import jax
import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj
from polejax import theory
from polejax.analysis.figure_style import Plot, canvas
from polejax.jobs import cli
from polejax.jobs.claims import fairness, job, page
from polejax.jobs.claims.section import Section
from polejax.jobs.claims.workbench import Bench, intervals, row, scenario
from polejax.mechanisms.architecture_spread import ArchitectureSpread
from polejax.studies import bank_error


def section(rows, plot=None):
    return Section("forks", "A <b> title", "claim", "measured", "holds", ("a",), ("b",), rows, plot)


@pytest.mark.parametrize("task_cv", [0.0, 0.5, 1.0])
def test_spread_tasks_have_the_law_s_variation(task_cv):
    """Gamma work of shape 4: c = 1/2 of one node alone; the spread multiplies second moments."""
    chain = pj.Scenario(
        pj.nodes.equal(1), pj.network.instant(1), ArchitectureSpread(pj.mechanisms.gamma(60.0, 4.0), task_cv)
    )
    keys = jax.random.split(jax.random.key(3), 128)
    history = pj.simulate_many(keys, chain, 256, devices=jax.devices()[:2])
    found = pj.summarise(history).interval_cv
    wanted = theory.task_spread_cv(0.5, task_cv)
    assert abs(found.value - wanted) < 5 * (found.high - found.low) / 3.92
    assert pj.summarise(history).interval_mean.value == pytest.approx(60.0, rel=0.03)


def test_a_part_draws_its_own_numbers():
    """Parts that shared what they draw would differ too little: intervals too short."""
    bench = Bench(None, None, jax.random.key(5), 8, 16, 4, True)
    drawn = []

    def statistic(history, key):
        drawn.append(int(jax.random.bits(key)))
        return {"blocks": float(history.settled.sum())}

    bench.measure(scenario(pj.PoW(160.0), 2), statistic, 1)
    bench.measure(scenario(pj.PoW(160.0), 2), statistic, 2)
    assert len(set(drawn)) == 2 * (8 + 1)  # of the parts, and of the whole


def test_intervals_over_parts_hold_the_truth_as_often_as_they_say():
    """Of means of 8 parts; the whole is their mean."""
    draw = np.random.default_rng(1)
    parts = draw.normal(2.0, 1.0, (2_000, 8))
    found = [bank_error.corrected(one.mean(), one, 0.95) for one in parts]
    assert 0.93 < np.mean([one.low < 2.0 < one.high for one in found]) < 0.97


def test_a_small_bank_is_split_into_fewer_parts_or_refused():
    replay = scenario(pj.Replay(geometric_bank(0, 512), 0.5), 16)
    bench = Bench(None, replay.mechanism.bank, jax.random.key(5), 16, 16, 4, True)
    assert bench.parts_of(replay) == 8  # of 64 curves, 4 a node
    assert [bench.enough(count) for count in (32, 33)] == [True, False]
    with pytest.raises(ValueError, match=r"^parts must leave at least 4 curves a node"):
        bench.measure(scenario(replay.mechanism, 64), intervals, 1)


def test_the_page_says_all_and_escapes_what_is_not_its_own(tmp_path):
    estimate = pj.Estimate(1.25, 1.0, 1.5)
    rows = [row("stale", estimate, 64, 128, 1.2, "ratio", mechanism="=<script>", nodes=16)]
    figure, axes = canvas(1.0)
    axes.plot([0, 1])
    paths = page.save([section(rows, Plot(figure, {"x": np.arange(2)}))], tmp_path / "out", "seed 0 & <more>")
    names = {path.name for path in paths}
    assert {"forks.csv", "claims.md", "claims.html", "claims_forks.png", "claims_forks.pdf"} <= names
    text, web = ((tmp_path / "out" / name).read_text() for name in ("claims.md", "claims.html"))
    assert "1.25 [1.00, 1.50]" in text
    assert "(figures/claims_forks.png)" in text
    assert "<script>" not in web
    assert "A &lt;b&gt; title" in web
    assert "data:image/png;base64," in web
    assert "http" not in web  # opened offline
    assert "'=<script>" in (tmp_path / "out" / "forks.csv").read_text()


def test_a_job_goes_on_from_the_sections_on_disk(tmp_path, monkeypatch):
    measured = []

    def measure(bench):
        measured.append(bench)
        found = bench.measure(scenario(pj.PoW(160.0), 2), intervals, 1, blocks=8)
        return [row(name, value, bench.seeds, 8) for name, value in found.items()]

    tiny = types.SimpleNamespace(measure=measure, tell=section)
    monkeypatch.setattr(job, "SECTIONS", {"forks": tiny})
    monkeypatch.setattr(job, "learning_curves", lambda *args, **options: None)
    settings = job.Settings(quick=True, out=tmp_path)
    told = []
    (first,) = job.run(settings, told.append)
    (again,) = job.run(settings, told.append)
    assert len(measured) == 1
    assert json.dumps(first.rows) == json.dumps(again.rows)
    assert isinstance(measured[0], Bench)
    assert told[-1].done == told[-1].total == 1
    with pytest.raises(pj.StudyError, match="seed"):
        job.run(job.Settings(quick=True, out=tmp_path, seed=1), told.append)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--curves=1023"], "curves must be at least 1,024, 4 for each of 64 nodes in each of 4 parts, got 1,023"),
        (["--load", "0.5", "1.5"], "loads must be"),
        (["--load=0"], "loads must be"),
        (["--load", "0.9", "0.9"], "loads must be different numbers in (0, 1)"),
        (["--seed=-1"], "seed must be"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line_before_training(
    options, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(job, "learning_curves", None)
    with pytest.raises(SystemExit) as stop:
        cli.main(["claims", f"--out={tmp_path / 'out'}", *options])
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert printed.startswith(f"polejax: {message}")
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_every_section_s_bank_is_large_enough_for_what_it_asks():
    bench = Bench(None, geometric_bank(0, job.LEAST_CURVES), jax.random.key(0), 16, 256, 256, False)
    assert bench.enough(fairness.COUNT)
    bank_error.check_parts(bench.bank, 8, 16)  # of the relatives


def test_a_page_s_figures_and_links_are_there():
    """What `make claims` wrote last: every figure, under 2 MB in all, and every file that it links."""
    docs = Path(__file__).parents[2] / "docs"
    text = (docs / "claims.md").read_text()
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert len(linked) > len(job.SECTIONS) - 2
    assert all((docs / link).is_file() for link in linked)
    figures = list((docs / "figures").glob("*.png"))
    assert {path.name for path in figures} == {link.split("/")[-1] for link in linked if link.endswith(".png")}
    assert sum(path.stat().st_size for path in figures) < 2e6
    anchors = re.findall(r"\]\(#([^)]+)\)", text)
    heads = {page._anchor(head) for head in re.findall(r"^## (.*)$", text, re.M)}
    assert set(anchors) == heads
    readme = (docs.parent / "README.md").read_text()
    assert set(re.findall(r"docs/claims\.md#([\w-]+)", readme)) <= heads
