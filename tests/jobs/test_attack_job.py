"""The attack job: a small matrix from end to end, gone on with after a kill, and its tables and figures."""

import csv
import dataclasses
import os
import shutil

import numpy as np
import pytest

from polejax._core.folder import StudyError
from polejax.attacks import matrix
from polejax.jobs import attack, attack_report


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Two layers, two seeds, a synthetic task; and what was reported."""
    out = tmp_path_factory.mktemp("attack")
    settings = attack.Settings(quick=True, task="synthetic", samples=256, seeds=2, steps=20, threshold=0.3, out=out)
    with pytest.MonkeyPatch.context() as patch:
        few = list(attack.layers(attack.load_task(settings), quick=True))
        patch.setattr(attack, "layers", lambda task, quick: [row for row in few if row[1] in ("none", "orthogonal")])
        patch.setattr(
            matrix, "STRATEGIES", {name: matrix.STRATEGIES[name] for name in ("thief", "re-basing thief", "liar")}
        )
        reported = []
        cells = attack.run(settings, reported.append)
        parts = out / "parts"
        before = {name: os.stat(parts / name).st_mtime_ns for name in os.listdir(parts)}
        (parts / "dense-orthogonal.nc").unlink()  # as if killed before
        again = attack.run(settings, lambda progress: None)
        for change, named in (({"seed": 1}, "seed: 0, not 1"), ({"margin": 0.125}, r"margin: .*, not 0\.125")):
            other = attack.Settings(**{**settings.__dict__, **change})
            with pytest.raises(StudyError, match=f"holds another attack; it has {named}: choose another folder"):
                attack.run(other, lambda progress: None)
        copy = tmp_path_factory.mktemp("copies") / "attack"
        shutil.copytree(out, copy)
        anew = dataclasses.replace(settings, seed=1, out=copy)
        replaced = attack.run(dataclasses.replace(anew, overwrite=True), lambda progress: None)
        assert list(attack_report.attack_rows(replaced)) == list(
            attack_report.attack_rows(attack.run(anew, lambda progress: None))
        )
        assert list(attack_report.attack_rows(replaced)) != list(attack_report.attack_rows(cells))
        patch.setattr(attack, "program_of", lambda recipe, memo: "of another optimiser under the same name")
        with pytest.raises(StudyError, match="holds another attack; dense, none computes something else"):
            attack.run(settings, lambda progress: None)
    after = {name: os.stat(parts / name).st_mtime_ns for name in os.listdir(parts)}
    return settings, cells, again, before, after


def test_a_killed_job_goes_on_where_it_was_and_finds_the_same(job):
    _, cells, again, before, after = job
    assert set(before) == set(after) == {"dense-none.nc", "dense-orthogonal.nc"}
    assert before["dense-none.nc"] == after["dense-none.nc"]
    assert list(attack_report.attack_rows(cells)) == list(attack_report.attack_rows(again))


def test_the_tables_and_figures_hold_what_was_measured(job):
    settings, cells, *_ = job
    paths = attack_report.save(cells, settings, 1.0)
    assert {path.name for path in paths} >= {
        "layers.csv",
        "attacks.csv",
        "mending.csv",
        "roc.csv",
        "price.png",
        "matrix.pdf",
        "roc.png",
    }
    with open(settings.out / "attacks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    tried = [row for row in rows if row["tried"] == "yes"]
    assert len(tried) == 5 + 4  # without a layer there is nothing to re-base; the liar is judged twice
    (left_out,) = [row for row in rows if row["tried"] == "no"]
    assert (left_out["layer"], left_out["why_not"]) == ("none", "there is no layer to re-base from")
    for row in tried:
        assert (row["steps_bound"] == "lower") == (float(row["finished"]) < 1)
    carried = next(row for row in tried if row["strategy"] == "re-basing thief")
    found = cells["dense", "orthogonal"].measures["re-basing thief"]
    assert float(carried["accuracy"]) == pytest.approx(float(found.accuracy.value), rel=1e-5)
    with open(settings.out / "roc.csv", newline="") as file:
        points = [row for row in csv.DictReader(file) if (row["layer"], row["strategy"]) == ("none", "thief")]
    rates = [(float(row["false_rejection_share"]), float(row["detection_share"])) for row in points]
    assert (rates[0], rates[-1]) == ((0, 0), (1, 1))
    rejected, detected = zip(*rates, strict=True)
    area = cells["dense", "none"].measures["thief"].auc.value
    assert np.trapezoid(detected, rejected) == pytest.approx(float(area), abs=1e-5)
    with open(settings.out / "mending.csv", newline="") as file:
        rules = [row for row in csv.DictReader(file) if row["strategy"] == "early key"]
    finished = sum(cell.honest.finished.value > 0.5 for cell in cells.values())
    assert len(rules) == 4 * finished
    assert cells["dense", "none"].cost.value == 0
    table = attack_report.overview(cells)
    assert [row[0] for row in table.rows] == ["dense, none", "dense, orthogonal"]
    assert max(map(len, table.text(60).splitlines())) <= 60
    assert table.notes[-1] == "NOT TRIED: re-basing thief (dense, none), as there is no layer to re-base from"
