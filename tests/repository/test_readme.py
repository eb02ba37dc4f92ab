"""What the README shows runs as written; its bank is smaller here, and as large as written where CI is set."""

import os
import re
from pathlib import Path

import jax
import numpy as np
import pytest

README = Path(__file__).parents[2] / "README.md"
# Training 4,096 curves takes half a minute of processor time. Continuous integration (.github) trains them all.
CURVES = ("num_curves=4_096", "num_curves=4_096" if "CI" in os.environ else "num_curves=512")


SWEPT = (("num_seeds=64", "num_seeds=16"), ("num_blocks=200", "num_blocks=8"), ("4_096", "32"), ("parts=16", "parts=8"))


def snippets():
    """The README's Python, block by block."""
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The names that the README's snippet leaves behind, run in an empty folder."""
    snippet = snippets()[0]
    assert snippet.count(CURVES[0]) == 1
    snippet = snippet.replace(*CURVES)
    found: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("readme"))
        exec(compile(snippet, str(README), "exec"), found)
        found["saved"] = found["result"].to_xarray()
    return found


def test_the_contract_s_snippet_runs_as_written(names):
    assert names["history"].interval.shape == (1_000,)
    assert names["batch"].interval.shape == (256, 1_000)
    summary = names["summary"]
    assert summary.interval_mean.low < summary.interval_mean.value < summary.interval_mean.high
    assert abs(summary.interval_cv.value - 1) < 0.05
    assert summary.stale_per_main.value > summary.stale_per_block.value > 0
    assert summary.win_share.value.shape == summary.stale_share.value.shape == (9,)
    np.testing.assert_allclose(summary.win_share.value.sum(), 1)


def test_the_sweep_runs_as_written(names, tmp_path, monkeypatch):
    """But for its size."""
    monkeypatch.chdir(tmp_path)
    sweep = next(snippet for snippet in snippets() if "pj.grid" in snippet)
    for written, smaller in SWEPT:
        assert sweep.count(written) == 1
        sweep = sweep.replace(written, smaller)
    exec(compile(sweep, str(README), "exec"), names)
    swept = names["swept"]
    assert swept.to_xarray()["threshold"].values.tolist() == [0.8, 0.9]
    assert list(swept.table().columns[:3]) == ["threshold", "seconds", "metric"]
    assert swept.precision.seeds == 32


def test_the_study_keeps_everything(names):
    saved = names["saved"]
    assert {"scenario": 2, "seed": 4_096, "height": 1_000, "node": 9}.items() <= dict(saved.sizes).items()
    assert saved["mechanism.threshold"].values[1] == pytest.approx(0.9)
    deviation = saved.interval.where(saved.settled).std(("seed", "height")) / saved.interval.where(saved.settled).mean(
        ("seed", "height")
    )
    assert deviation[0] > 0.95
    assert deviation[1] < 0.3
    assert jax.tree.structure(names["batch"]) == jax.tree.structure(names["history"])
