"""Banks whose curves end before training does: refused, or told beside every number, and made longer."""

import numpy as np
import pytest
from banks import geometric_bank, keys

import polejax as pj
from polejax._core.record import replace
from polejax.jobs import validate, validation_replay
from polejax.mechanisms import censoring
from polejax.mechanisms.bank import Bank
from polejax.studies import bank_error

SHORT = replace(geometric_bank(3, num_curves=512, success=0.2, num_evaluations=6), max_steps=80)  # 0.26 never pass
WHOLE = geometric_bank(3, num_curves=512, success=0.2, num_evaluations=80)
BLOCKS = 400


def scenario(bank, count=1, threshold=0.5, **options):
    mechanism = pj.Replay(bank, threshold, jitter=0.0, **options)
    return pj.Scenario(pj.nodes.equal(count, total=float(count)), pj.network.instant(count), mechanism)


@pytest.mark.smoke
def test_a_bank_that_would_give_another_law_is_refused_in_one_line_with_three_remedies():
    with pytest.raises(ValueError, match=r"^threshold 0\.5 is never passed by 2\d\.\d% of the bank's[^\n]*$") as told:
        scenario(SHORT)
    for words in ("end after 6 steps", "go on to 80", "num_steps=", "lower the threshold", "censored=True"):
        assert words in str(told.value)
    scenario(WHOLE)  # as long as training
    scenario(replace(SHORT, max_steps=6))  # nodes give up as early as the curves end
    scenario(SHORT, deadline=5.0)  # or before
    with pytest.raises(ValueError, match="threshold"):
        scenario(SHORT, deadline=50.0)


@pytest.mark.usefixtures("light_compilation")
def test_where_it_seldom_decides_it_runs_and_the_blocks_it_decides_are_told():
    few = scenario(SHORT, count=4)  # 0.26 ** 4 = 0.5% of the heights
    summary = pj.summarise(pj.simulate_many(keys(0, 8), few, BLOCKS))
    expected = censoring.share_of_heights(SHORT.validation > 0.5, 1, float("inf"), np.ones(4))
    share, blocks = summary.num_censored / summary.num_blocks, summary.num_blocks
    assert abs(share - expected) < 5 * np.sqrt(expected / blocks)
    assert summary.doubt in str(summary)
    assert "\n" not in summary.doubt
    sure = pj.summarise(pj.simulate_many(keys(0, 8), scenario(WHOLE, count=4), BLOCKS))
    assert (sure.num_censored, sure.doubt) == (0, sure.replayed)


def test_unmarked_blocks_are_those_of_longer_curves():
    """Up to the first marked height a chain of short curves is the one of whole curves, bit for bit."""
    short = pj.simulate_many(keys(1, 64), scenario(SHORT, count=4), 64)
    whole = pj.simulate_many(keys(1, 64), scenario(WHOLE, count=4), 64)
    before = np.cumsum(short.censored, axis=1) == 0
    assert 0.5 < before.mean() < 1.0
    np.testing.assert_array_equal(short.interval[before], whole.interval[before])
    assert (short.interval[short.censored] < whole.interval[short.censored]).any()  # a marked one came too early


@pytest.mark.usefixtures("light_compilation")
def test_accepted_as_it_is_every_decided_block_is_marked():
    history = pj.simulate_many(keys(0, 8), scenario(SHORT, censored=True), BLOCKS)
    np.testing.assert_array_equal(history.censored[history.settled], history.fallback[history.settled])
    tallied = pj.summarise(pj.tally_many(keys(0, 8), scenario(SHORT, censored=True), BLOCKS))
    assert tallied.num_censored == history.censored[history.settled].sum()
    paired = pj.analysis.paired(history, pj.simulate_many(keys(0, 8), scenario(WHOLE), BLOCKS))
    assert paired.num_censored == tallied.num_censored


def test_streams_and_wrappers_ask_the_banks_they_hold():
    tasks = [pj.Replay(bank, 0.5, jitter=0.0) for bank in (WHOLE, WHOLE)]
    stream = pj.TaskStream(tasks, rates=[0.1, 0.1], rewards=[1.0, 2.0], idle=pj.Replay(SHORT, 0.5, jitter=0.0))
    with pytest.raises(ValueError, match=r"^threshold 0\.5 is never passed"):
        pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), stream)


def test_every_bank_of_a_scenario_is_split_for_its_error():
    honest, cheats = geometric_bank(0, 64), geometric_bank(1, 64)
    cheated = pj.Scenario(
        pj.nodes.equal(3),
        pj.network.instant(3),
        pj.Replay(honest, 0.5),
        adversary=pj.attacks.Cheating(cheats, np.array([True, False, False])),
    )
    pieces = list(bank_error.pieces(cheated, 4))
    assert len(pieces) == 4
    for name, bank, found in (
        ("honest", honest, [piece.mechanism.bank for piece in pieces]),
        ("cheats", cheats, [piece.adversary.bank for piece in pieces]),
    ):
        assert [part.num_curves for part in found] == [16] * 4, name
        np.testing.assert_array_equal(np.concatenate([part.validation for part in found]), bank.validation)


GOOD = {
    "validation": np.full((2, 3), 0.5),
    "test": np.full((2, 3), 0.5),
    "diverged": np.zeros(2, bool),
    "evaluate_every": 5,
    "trained": "{}",
}


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("validation", np.full((2, 3), 50.0)),
        ("validation", np.full((2, 3), np.nan)),
        ("validation", np.full((2, 3), -0.1)),
        ("validation", np.zeros((0, 3))),
        ("validation", np.zeros(3)),
        ("test", np.full((3, 2), 0.5)),
        ("test", np.full((2, 3), 90)),
        ("test", "accuracy"),
        ("holdout", np.full((2, 3), 2.0)),
        ("holdout", np.full((1, 3), 0.5)),
        ("diverged", np.zeros((2, 3))),
        ("diverged", np.zeros(3, bool)),
        ("evaluate_every", -5),
        ("evaluate_every", 0),
        ("evaluate_every", 2.5),
        ("max_steps", -1),
        ("max_steps", 14),
        ("trained", "digits"),
        ("trained", None),
    ],
)
def test_what_is_no_bank_is_refused_by_the_name_of_its_part(field, bad):
    assert Bank(**GOOD).num_curves == 2
    with pytest.raises(ValueError, match=rf"^{field} [^\n]*$"):
        Bank(**{**GOOD, field: bad})


def test_another_file_is_not_called_a_damaged_bank(tmp_path, monkeypatch):
    notes = tmp_path / "notes.txt"
    notes.write_text("not a bank")
    with pytest.raises(pj.StudyError, match="is no bank") as told:
        pj.load_bank(notes)
    assert "delete" not in str(told.value)
    pj.Bank(**GOOD).save(tmp_path / "bank.nc")

    def forbidden(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    with pytest.raises(pj.StudyError, match="may not be read by this user: give access"):
        pj.load_bank(tmp_path / "bank.nc")


@pytest.mark.usefixtures("light_compilation")
def test_live_and_replayed_training_have_one_law_at_every_threshold():
    """At a low, a middle and a high threshold, which many curves never pass (`polejax validate`: means, too)."""
    rows = validate.run(chosen=[case for case in validation_replay.replays(1) if "CV" in case.name])
    assert len(rows) == 3
    assert validate.passed(rows), rows
    for row in rows:
        assert row.error < 0.2


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [
        (np.array([[0], [1], [2]]), "labels[:, 0]"),
        (np.eye(3)[[0, 1, 2]], "argmax(axis=1)"),
        (np.array([0.0, 1.0, 2.0]), "astype(int)"),
        (np.array([0.2, 1.4, 2.0]), "number the classes"),
        (np.array(["a", "b", "c"]), "number the classes"),
        (np.array([[0, 1], [1, 1], [2, 0]]), "one label per sample"),
    ],
)
def test_the_remedy_for_labels_keeps_every_class(labels, remedy):
    inputs = np.random.default_rng(0).random((3, 4), np.float32)
    with pytest.raises(ValueError, match="labels must be integers") as told:
        pj.tasks.from_splits((inputs, labels), (inputs, labels), (inputs, labels))
    assert remedy in str(told.value)
