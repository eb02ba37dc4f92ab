"""Experiments run, small, from their command lines to their files."""

import csv
from pathlib import Path

import numpy as np
import pytest

from polejax import theory


def test_double_spends_against_one_node_and_nine(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    import double_spend

    monkeypatch.setattr(double_spend, "SHAPES", (1.0, 16.0))
    paths = double_spend.main(["--races", "400", "--out", str(tmp_path)])
    assert [path.name for path in paths] == [f"double_spend.{kind}" for kind in ("pdf", "png", "svg", "csv")]
    assert all(path.stat().st_size > 1_000 for path in paths[:3])
    with paths[3].open() as file:
        first, last = csv.DictReader(file)
    assert (first["shape"], last["shape"]) == ("1", "16")
    for confirmations in double_spend.CONFIRMATIONS:
        law = theory.double_spend(double_spend.SHARE, confirmations)
        assert float(first[f"{confirmations} confirmations, Rosenfeld"]) == pytest.approx(law)
        for honest in double_spend.HONEST:  # memoryless work adds up: it does not matter whose it is
            chance = float(first[f"{confirmations} confirmations, {honest}"])
            assert abs(chance - law) < 5 * np.sqrt(law * (1 - law) / 400)
        assert float(last[f"{confirmations} confirmations, one honest node"]) < law
        assert float(last[f"{confirmations} confirmations, nine honest nodes, low"]) > law
