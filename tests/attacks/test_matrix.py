"""The matrix of attacks against a model of a user's own: what applies, what does not and why, bounds, tables."""

import csv
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from flax import linen as nn
from small_tasks import small_pole

import polejax as pj
from polejax._core.record import replace
from polejax.attacks import matrix, matrix_table
from polejax.attacks.applicable import keyless_fits
from polejax.attacks.detection import Measures
from polejax.attacks.head_start import Run

README = Path(__file__).parents[2] / "README.md"
PLAYED = ("thief", "re-basing thief", "refitting thief", "refitting pre-trainer", "liar", "regression (control)")


class Network(nn.Module):
    """A network whose first layer is Flax's, under a name of its own."""

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3)(nn.tanh(nn.Dense(8, name="reader")(inputs)))


class Picky(Network):
    """The same for samples of 12 features and no others."""

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3)(nn.tanh(nn.Dense(8, name="reader")(inputs.reshape(-1, 12))))


@pytest.fixture(scope="module")
def found():
    """Four pairs behind one layer and behind none, and what was reported."""
    layers = {"square": pj.SecureMappingLayer(law="orthogonal"), "narrow": pj.SecureMappingLayer(features=5)}
    told = []
    made = pj.attacks.run(
        small_pole(model=Picky(), threshold=0.6),
        layers=layers,
        seeds=4,
        steps=20,
        strategies=PLAYED,
        progress=told.append,
    )
    return made, told


def test_strategies_that_apply_are_run_and_the_others_say_why_they_are_not(found):
    made, told = found
    assert list(made.cells) == ["none", "square"]  # no layer is always run, first
    assert list(made.not_tried) == ["narrow"]
    square = made.cells["square"]
    assert set(square.measures) == {*PLAYED[:-1], "liar, no margin", "early key"}
    assert set(square.not_tried) == {"regression (control)"}
    assert set(made.cells["none"].not_tried) == {"regression (control)", "re-basing thief"}
    accuracy = {name: float(one.accuracy.value) for name, one in square.measures.items()}
    assert accuracy["re-basing thief"] > accuracy["thief"] + 0.1  # Flax's own layer was found and changed
    assert accuracy["refitting pre-trainer"] > accuracy["thief"] + 0.1  # from a network without a layer
    assert {one.label for one in told} == {"none", "square"}
    assert told[-1].done == told[-1].total == len(PLAYED)


def test_the_table_and_the_csv_hold_every_number_and_what_was_not_tried(found, tmp_path):
    made, _ = found
    text = str(made)
    assert "layer narrow NOT TRIED: the model does not fit it (TypeError" in text
    assert "re-basing thief       NOT TRIED: there is no layer to re-base from" in text
    assert "NOT TRIED means that nothing here tells whether the layer stops that strategy." in text
    assert repr(made).startswith("Matrix(title=")
    assert all(len(line) <= 112 for line in text.splitlines() if "NOT TRIED" not in line)
    with open(made.write_csv(tmp_path / "matrix.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(made.rows()) == 7 + 6 + 3 + 1
    row = next(row for row in rows if (row["layer"], row["strategy"]) == ("square", "re-basing thief"))
    measured = made.cells["square"].measures["re-basing thief"]
    assert float(row["saved_high"]) == pytest.approx(float(measured.saved.high), rel=1e-5)
    assert [row["why_not"] for row in rows if row["tried"] == "no"] == [
        *made.cells["none"].not_tried.values(),
        *made.cells["square"].not_tried.values(),
        *made.not_tried.values(),
    ]


def test_the_readme_s_snippet_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snippet,) = [
        one for one in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "attacks.run" in one
    ]
    for written, small in (
        ("pj.tasks.digits()", "pj.tasks.synthetic(0, 12, 10, num_train=64, num_validation=32, num_test=32)"),
        ("seeds=32", 'seeds=2, steps=5, strategies=("thief", "re-basing thief")'),
        ("features=32", "features=5"),
        ("nn.Dense(64)", "nn.Dense(4)"),
    ):
        assert snippet.count(written) == 1
        snippet = snippet.replace(written, small)
    names: dict = {}
    exec(compile(snippet, str(README), "exec"), names)
    assert list(names["found"].cells) == ["none", "gaussian", "narrow"]
    assert (tmp_path / "attacks.csv").exists()


def cell(honest_steps, cheat_steps, bare_steps):
    """A cell of runs that pass at given evaluations, None for never."""
    mechanism = small_pole(threshold=0.5, margin=0.0, evaluate_every=5)

    def curves(evaluations):
        passes = [np.arange(5) >= (99 if at is None else at) for at in evaluations]
        return np.where(passes, 0.9, 0.1).astype(np.float32)

    def run(evaluations):
        return Run(curves(evaluations), curves(evaluations), {}, {})

    tried = pj.attacks.theft.Attempt(curves(cheat_steps), curves(cheat_steps), np.float32(0.0), True)
    honest = run(honest_steps)
    return matrix.measured(mechanism, honest, {"thief": tried}, mechanism, run(bare_steps), {})


@pytest.mark.parametrize(
    ("honest", "cheat", "bare", "wanted"),
    [
        ([1, 2], [1, 1], [1, 1], {"steps": "", "saved": "", "net": ""}),
        ([1, 2], [1, None], [1, 1], {"steps": "lower", "saved": "upper", "net": "upper"}),
        ([1, None], [1, 1], [1, 1], {"steps": "", "saved": "lower", "net": "lower"}),
        ([1, None], [None, None], [1, None], {"steps": "lower", "saved": "unknown", "net": "unknown"}),
    ],
)
def test_numbers_of_runs_that_ended_before_a_claim_are_bounds(honest, cheat, bare, wanted):
    made = cell(honest, cheat, bare)
    assert matrix_table.bounds(made, made.measures["thief"]) == wanted
    told = matrix_table.honest_bounds(made)
    assert told["steps"] == ("lower" if None in honest else "")
    assert (
        told["slowdown"]
        == {(False, False): "", (True, False): "lower", (True, True): "unknown"}[None in honest, None in bare]
    )


def test_a_bound_without_spread_is_one_number_and_no_interval_leaves_what_is_possible():
    made = cell([1, None], [None, None], [1, 1])
    assert matrix_table.shown(made.measures["thief"].steps, "lower") == ">= 20"
    assert matrix_table.shown(made.honest.steps, "lower").startswith(">= 12 [")
    assert matrix_table.shown(made.measures["thief"].saved, "unknown", 100.0).startswith("? ")
    assert float(cell([1, 1], [0, 4], [1, 1]).measures["thief"].steps.low) == 0.0
    one_has_all = cell([0, 4], [0, 4], [0, 4])
    assert (one_has_all.slowdown.low, one_has_all.slowdown.high) == (-np.inf, np.inf)
    few = pj.Estimate(np.float64(1.0), np.float64(1.0 - 1e-15), np.float64(1.0 + 1e-15))
    assert matrix_table.shown(few) == "1.000 [1.000, 1.000]"


def test_what_fits_a_model_without_a_layer_is_told_by_shapes():
    own = small_pole(model=Network(), sml=pj.SecureMappingLayer(features=9)).recipe
    assert keyless_fits(own)  # the first kernel alone has another shape
    assert keyless_fits(replace(own, sml=None))
    assert not keyless_fits(replace(small_pole(model=Picky()).recipe, sml=pj.SecureMappingLayer(features=9)))


def test_wrong_arguments_are_refused_in_one_line():
    pole = small_pole()
    for arguments, words in (
        ({"layers": {"one": "gaussian"}}, r"layers\['one'\] must be a SecureMappingLayer, got str"),
        ({"layers": {"none": pj.SecureMappingLayer()}}, 'layers must not call a layer "none"'),
        ({"strategies": ["burglar"]}, "strategies must be one of thief, .*; got 'burglar'"),
        ({"first_kernel": "Dense_7/weight"}, "first_kernel must be one of Dense_0/bias, .*; got 'Dense_7/weight'"),
        ({"seeds": 1}, "seeds must be at least 2"),
        (
            {"seeds": 2**31 - 1},
            "seeds 2,147,483,647 would take at least .* of memory, and .* are free: give fewer seeds",
        ),
        ({"steps": 201}, "steps must be at least 5 and at most 200"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            pj.attacks.run(pole, **arguments)
        assert "\n" not in str(error.value)
    assert {field.name for field in dataclasses.fields(Measures)} >= {"steps", "saved", "net"}
