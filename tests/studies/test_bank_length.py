"""Banks of another length: bit for bit the same beginning, on disk too; and files that are no banks, told apart."""

import jax
import numpy as np
import pytest
from banks import geometric_bank, small_pole

import polejax as pj
from polejax._core import netcdf
from polejax._core.record import replace
from polejax.mechanisms.bank import Bank
from polejax.studies import bank_error

ARRAYS = ("validation", "test", "diverged")


def assert_same(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.max_steps, one.evaluate_every, one.trained) == (other.max_steps, other.evaluate_every, other.trained)


def test_longer_curves_begin_with_the_shorter_ones_in_memory_and_in_a_folder(tmp_path):
    pole, key, out = small_pole(), jax.random.key(1), tmp_path / "bank"
    short, long = (pj.learning_curves(key, pole, 40, num_steps=steps) for steps in (20, 60))
    assert (short.num_steps, short.max_steps, short.whole) == (20, 60, False)
    assert long.whole
    assert_same(long.until(10), short)
    assert_same(pj.learning_curves(key, pole, 40, num_steps=20, out=out), short)
    assert_same(pj.learning_curves(key, pole, 40, num_steps=60, out=out), long)
    assert pj.load_bank(out).num_evaluations == 30
    done = []
    assert_same(pj.learning_curves(key, pole, 40, num_steps=20, out=out, progress=done.append), short)
    assert not done or done[0].done == 40  # nothing is trained again
    assert pj.load_bank(out).num_evaluations == 30  # nor lost
    brief = pj.load_bank(out, small_pole(max_steps=31))  # whose nodes give up before the curves end
    assert (brief.num_evaluations, brief.whole) == (15, True)
    assert not pj.load_bank(out, small_pole(max_steps=90)).whole
    path = out / "parts" / "curves-00000000.nc"
    arrays, attributes = netcdf.read(path)
    other = Bank(*(arrays[name] for name in ARRAYS), 2, str(attributes["trained"]), max_steps=60).until(10)
    other = replace(other, validation=1.0 - other.validation)
    path.write_bytes(netcdf.encode(other.variables(), attributes))
    with pytest.raises(pj.StudyError, match="validation is another than they begin with"):
        pj.learning_curves(key, pole, 40, num_steps=60, out=out)


CURVES = np.full((2, 3), 0.5, np.float32)
NEVER = np.zeros(2, bool)


def test_a_stored_bank_that_is_none_is_refused_by_its_path(tmp_path):
    good, path = Bank(CURVES, CURVES, NEVER, 5, "{}"), tmp_path / "bank.nc"
    good.save(path)
    pj.load_bank(path)
    for changes, attributes, message in (
        ({"validation": CURVES * 100}, {}, "validation must be fractions"),
        ({"test": CURVES * np.nan}, {}, "test must be .*got nan"),
        ({}, {"evaluate_every": -5}, "evaluate_every must be at least 1, got -5"),
        ({}, {"max_steps": 3}, "max_steps must be at least 15, got 3"),
    ):
        variables = replace(good, **changes).variables()
        path.write_bytes(netcdf.encode(variables, {**good.attributes(), **attributes}))
        with pytest.raises(pj.StudyError, match=rf"bank\.nc is no bank: {message}"):
            pj.load_bank(path)


@pytest.mark.smoke
def test_each_kind_of_other_file_is_told_apart(tmp_path):
    (tmp_path / "notes.txt").write_text("not a bank at all")
    (tmp_path / "empty.nc").write_bytes(b"")
    (tmp_path / "else.nc").write_bytes(netcdf.encode({"x": (("i",), np.zeros(3))}, {}))
    for name, message in (
        ("notes.txt", r"is no bank \(not a netCDF 4 file\): check the path"),
        ("empty.nc", r"is no bank \(not a netCDF 4 file\): check the path"),
        ("else.nc", r"is no bank \(no 'validation'\): check the path"),
        ("none.nc", "does not exist: check the path"),
    ):
        with pytest.raises(pj.StudyError, match=message) as error:
            pj.load_bank(tmp_path / name)
        assert "damaged" not in str(error.value)
        assert "delete" not in str(error.value)


def test_the_banks_of_a_stream_s_tasks_are_split():
    banks = [geometric_bank(seed, 64) for seed in range(3)]
    tasks = [pj.Replay(bank, 0.5, jitter=0.0) for bank in banks]
    stream = pj.TaskStream(tasks[:2], [1.0, 1.0], [1.0, 1.0], tasks[2])
    scenario = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), stream)
    for index, piece in enumerate(bank_error.pieces(scenario, 16)):
        rows = slice(4 * index, 4 * index + 4)
        for number in range(2):
            found = piece.mechanism.tasks.bank.validation[number]
            np.testing.assert_array_equal(found, banks[number].validation[rows])
        np.testing.assert_array_equal(piece.mechanism.idle.bank.validation, banks[2].validation[rows])


def test_replayed_winners_diverged_as_far_as_their_claims_go():
    """Curves that pass at once and diverge later: their blocks carry finite networks."""
    late = np.zeros((8, 3), bool)
    late[:, 2] = True
    bank = Bank(np.ones((8, 3)), np.ones((8, 3)), late, 1, "{}")
    scenario = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), pj.Replay(bank, 0.5))
    history = pj.simulate_many(jax.random.split(jax.random.key(0), 2), scenario, 5)
    assert not history.learning.diverged.any()
