"""Banks: reproducible curves that match live training, mismatches by name, and an error that includes the bank's."""

import jax
import numpy as np
import pytest
from banks import geometric_bank, small_pole

import polejax as pj
from polejax.learning import training
from polejax.studies import bank_error
from polejax.studies.bank_error import bank_estimate

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits


@pytest.fixture(scope="module")
def pole():
    return small_pole()


@pytest.fixture(scope="module")
def bank(pole):
    return pj.learning_curves(jax.random.key(1), pole, 40)


def test_a_curve_depends_on_its_number_alone(pole, bank):
    done = []
    larger = pj.learning_curves(jax.random.key(1), pole, 150, devices=jax.local_devices()[:2], progress=done.append)
    np.testing.assert_array_equal(larger.validation[:40], bank.validation)
    np.testing.assert_array_equal(larger.test[:40], bank.test)
    assert (done[-1].done, done[-1].total, done[-1].unit) == (150, 150, "curves")
    assert len(np.unique(larger.validation, axis=0)) > 140  # and each is another one
    assert bank.validation.shape == bank.test.shape == (40, pole.recipe.max_steps // pole.recipe.evaluate_every)


def test_a_curve_is_what_live_training_gives(pole, bank):
    """The first curve again, with the functions that live PoLe calls, one evaluation after the other."""
    key = jax.random.fold_in(jax.random.key(1), 0)
    identity, order, start = jax.random.split(key, 3)
    words = jax.random.bits(identity, (9,), np.uint32)
    recipe = jax.tree.map(jax.numpy.asarray, pole.recipe)

    @jax.jit
    def begun():
        material = training.prepare(recipe, order[None], words[None, :8], words[8:])
        return material, training.begin(recipe, start[None], material)

    @jax.jit
    def stretch(material, networks):
        networks = training.train(recipe, material, networks, recipe.evaluate_every)
        validation = training.validate(recipe, material, networks.params)
        return networks, validation, training.verify(recipe, material.layer, networks.params)

    material, networks = begun()
    for index in range(5):
        networks, validation, test = stretch(material, networks)
        # Another batch of lanes may round otherwise, and move one sample in a hundred over the edge.
        assert abs(validation[0] - bank.validation[0, index]) < 0.011
        assert abs(test[0] - bank.test[0, index]) < 0.011


def test_a_bank_prints_its_size_and_not_its_data(bank):
    sizes = f"{bank.num_curves:,} curves of {bank.num_evaluations} evaluations, every {bank.evaluate_every} steps"
    assert repr(bank) == f"Bank({sizes})"


def test_budgets(pole):
    assert pj.learning_curves(jax.random.key(0), pole, 1, num_steps=7).num_steps == 6  # evaluated every 2
    with pytest.raises(ValueError, match="num_steps must be at least 2 and at most 60, got 61"):
        pj.learning_curves(jax.random.key(0), pole, 1, num_steps=61)
    with pytest.raises(ValueError, match="mechanism must be a PoLe or a Recipe, got PoW"):
        pj.learning_curves(jax.random.key(0), pj.PoW(work=1.0), 1)


@pytest.mark.smoke
def test_a_mismatch_is_named(pole, bank):
    bank.check_matches(small_pole(threshold=0.5).recipe)  # one bank serves every threshold
    with pytest.raises(ValueError, match=r"it has learning_rate: 0\.05.*, not 0\.1"):
        bank.check_matches(small_pole(learning_rate=0.1).recipe)
    with pytest.raises(ValueError, match=r"sml\.law: 'gaussian', not 'rademacher'"):
        bank.check_matches(small_pole(sml=pj.SecureMappingLayer(law="rademacher")).recipe)
    with pytest.raises(ValueError, match=r"task\.test_inputs: other numbers in shape \(100, 8\) \(and"):
        bank.check_matches(small_pole(task_seed=1).recipe)


@pytest.mark.smoke
def test_saved_and_loaded(pole, bank, tmp_path):
    bank.save(tmp_path / "bank.nc")
    again = pj.load_bank(tmp_path / "bank.nc", pole)
    for name in ("validation", "test", "diverged"):
        np.testing.assert_array_equal(getattr(again, name), getattr(bank, name))
    assert (again.trained, again.evaluate_every) == (bank.trained, bank.evaluate_every)
    with pytest.raises(ValueError, match="it has batch_size: 16, not 8"):
        pj.load_bank(tmp_path / "bank.nc", small_pole(batch_size=8))
    content = (tmp_path / "bank.nc").read_bytes()
    (tmp_path / "bank.nc").write_bytes(content[:-100])
    with pytest.raises(pj.StudyError, match=r"bank\.nc is damaged"):
        pj.load_bank(tmp_path / "bank.nc")
    with pytest.raises(pj.StudyError, match="does not exist: check the path"):
        pj.load_bank(tmp_path / "none.nc")
    with pytest.raises(pj.StudyError, match="No such file or directory"):
        bank.save(tmp_path / "none" / "bank.nc")


def test_stopped_and_gone_on(pole, bank, tmp_path):
    """Stopped after the first of several chunks, a bank goes on; for more curves, it grows."""

    class Stop(Exception):
        pass

    def stop(progress):
        raise Stop

    out = tmp_path / "bank"
    with pytest.raises(Stop):
        pj.learning_curves(jax.random.key(1), pole, 1_100, out=out, progress=stop)
    partial = pj.load_bank(out, pole)
    assert 0 < partial.num_curves < 1_100
    np.testing.assert_array_equal(partial.validation[:40], bank.validation)
    done = []
    grown = pj.learning_curves(jax.random.key(1), pole, 1_200, out=out, progress=done.append)
    assert done[0].done > partial.num_curves  # what was saved is not trained again
    np.testing.assert_array_equal(grown.validation, pj.learning_curves(jax.random.key(1), pole, 1_200).validation)
    with pytest.raises(pj.StudyError, match=r"holds another bank; it has key\.key\[1\]: 1, not 2: choose another"):
        pj.learning_curves(jax.random.key(2), pole, 1_200, out=out)


def test_an_honest_interval_includes_the_bank():
    """Of 40 banks of 256 curves, replayed long, seeds alone cover the law's mean rarely, split banks nearly always."""
    scenario = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), pj.Replay(geometric_bank(0), 0.5, jitter=0.0))
    truth = 1 / 0.2
    covered = naive = 0
    for index in range(40):
        replay = pj.Replay(geometric_bank(index), 0.5, jitter=0.0)
        scenario = pj.Scenario(scenario.nodes, scenario.network, replay)
        found = bank_estimate(
            jax.random.key(index), scenario, 32, 200, lambda summary: summary.interval_mean.value, parts=8
        )
        covered += found.low < truth < found.high
        history = pj.simulate_many(jax.random.split(jax.random.key(index), 16), scenario, 400)
        alone = pj.summarise(history).interval_mean
        naive += alone.low < truth < alone.high
    assert covered >= 34  # 38 expected of 40; 34 is 3 sigma below
    assert naive <= 25


def test_many_nodes_do_not_bias_the_estimate_and_too_many_are_refused():
    """The fastest of 16 nodes: its mean number of evaluations is known, and a part's curves have it too high."""
    bank, count = geometric_bank(5, 2_048), 16
    scenario = pj.Scenario(
        pj.nodes.equal(count, total=float(count)), pj.network.instant(count), pj.Replay(bank, 0.5, jitter=0.0)
    )
    made = np.arange(1, 400)
    passed = (bank.validation > 0.5).argmax(axis=1) + 1  # of the bank itself, whose law replaying must give
    later = (passed[None] > made[:, None] - 1).mean(axis=1)
    exact = (later**count).sum()
    found = bank_estimate(jax.random.key(3), scenario, 64, 400, lambda s: s.interval_mean.value, parts=32)
    law = sum((0.8 ** (count * (step - 1))) for step in range(1, 400))
    assert found.low < law < found.high
    assert abs(found.value - exact) < 0.01
    with pytest.raises(
        ValueError, match=r"^parts must leave at least 4 curves a node in each, 64 for 16 nodes, got 64"
    ):
        bank_estimate(jax.random.key(3), scenario, 64, 4, lambda s: s.interval_mean.value, parts=64)


def test_the_cheats_bank_is_split_as_the_honest_one_is():
    nodes, plays = pj.nodes.equal(2), np.array([False, True])
    adversary = pj.attacks.Cheating(geometric_bank(1, 128), plays)
    replay = pj.Replay(geometric_bank(0, 128), 0.5, jitter=0.0)
    scenario = pj.Scenario(nodes, pj.network.instant(2), replay, adversary=adversary)
    pieces = list(bank_error.pieces(scenario, 16))
    for index, piece in enumerate(pieces):
        rows = slice(8 * index, 8 * index + 8)
        np.testing.assert_array_equal(piece.mechanism.bank.validation, replay.bank.validation[rows])
        np.testing.assert_array_equal(piece.adversary.bank.validation, adversary.bank.validation[rows])
    found = bank_estimate(jax.random.key(0), scenario, 32, 50, lambda summary: summary.win_share.value)
    assert found.value.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="scenario must replay a bank, got mechanism PoW"):
        bank_estimate(
            jax.random.key(0), pj.Scenario(nodes, pj.network.instant(2), pj.PoW(1.0)), 32, 5, lambda summary: summary
        )
