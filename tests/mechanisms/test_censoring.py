"""Heights that may be decided by where a bank's curves end: of unequal nodes, in studies, among cheats and streams."""

import numpy as np
import pytest
from banks import geometric_bank, keys

import polejax as pj
from polejax._core.record import replace
from polejax.mechanisms import censoring


def cut_bank(num_evaluations=4, num_curves=512):
    """Curves of which (1 - 0.2)^4 = 41% have not passed at the end, though training would go on to step 80."""
    return replace(geometric_bank(0, num_curves).until(num_evaluations), max_steps=80)


def one_node(bank, **rules):
    return pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), pj.Replay(bank, 0.5, **rules))


def test_of_unequal_nodes_those_heights_are_marked_whose_number_was_foretold():
    """Nothing else differs from the same chains of whole curves."""
    whole, powers = geometric_bank(0, 512), (4.0, 3.0, 2.0)
    nodes = pj.nodes.from_shares(powers, total=sum(powers))
    network = pj.network.instant(len(powers))

    def played(bank):
        return pj.simulate_many(
            keys(1, 64), pj.Scenario(nodes, network, pj.Replay(bank, 0.5, jitter=0.0, censored=True)), 200
        )

    short, long = played(cut_bank()), played(whole)
    assert long.censored is None
    np.testing.assert_array_equal(short.interval[~short.censored], long.interval[~short.censored])
    assert (short.interval[short.censored] != long.interval[short.censored]).mean() > 0.5
    bank, rules = cut_bank(), pj.Replay(whole, 0.5).rules
    passes = np.asarray(rules.passes(bank.validation, bank.test))
    expected = censoring.share_of_heights(passes, 1, np.inf, np.asarray(nodes.power))
    assert short.censored.mean() == pytest.approx(expected, abs=5 * (expected / short.censored.size) ** 0.5)


def test_the_doubt_is_in_the_record_and_beside_the_numbers(tmp_path):
    scenario = one_node(cut_bank(), censored=True, verification=0.5)
    summary = pj.summarise(pj.simulate_many(keys(0, 8), scenario, 40))
    assert 0.3 < summary.num_censored / summary.num_blocks < 0.5
    assert str(summary).splitlines()[1] == summary.doubt
    assert f"({summary.num_censored:,}) a recorded curve ended before training does" in summary.doubt
    for records in ("blocks", "chains"):
        result = pj.study([scenario], 8, 40, tmp_path / records, records=records)
        assert result.summarise(0).num_censored > 80
    whole = pj.summarise(pj.simulate_many(keys(0, 8), one_node(geometric_bank(0)), 40))
    assert whole.doubt == whole.replayed != summary.doubt
    moved = replace(scenario, difficulty=pj.difficulty.accuracy(5.0))
    assert pj.simulate_many(keys(0, 2), moved, 40).censored.any()


def test_cheats_and_friends_with_short_curves_are_marked():
    nodes, network, plays = pj.nodes.equal(2), pj.network.instant(2), np.array([False, True])
    honest = pj.Replay(geometric_bank(0, 512), 0.5, jitter=0.0)
    cheats = pj.attacks.Cheating(cut_bank(), plays)
    cheated = pj.simulate_many(keys(0, 16), pj.Scenario(nodes, network, honest, adversary=cheats), 100)
    assert 0.05 < cheated.censored.mean() < 0.41
    early = pj.attacks.leak(nodes, 2.0, [0])
    short = replace(honest, bank=cut_bank(), censored=True)
    leaked = pj.simulate_many(keys(0, 16), pj.Scenario(nodes, network, short, adversary=early), 100)
    # The friend's curve ends 2 s early, when the other may still claim: 0.41 times 1 - (1 - 0.8^2), not 0.41^2.
    never = 1 - short.bank.share_reaching(0.5)
    assert leaked.censored.mean() == pytest.approx(never * 0.8**2, abs=0.05)


def test_streams_mark_the_heights_of_tasks_with_short_curves():
    one, tasks = (pj.nodes.equal(1), pj.network.instant(1)), [pj.Replay(cut_bank(), 0.5, censored=True)]
    history = pj.simulate_many(keys(0, 2), pj.Scenario(*one, pj.TaskStream(tasks, [1.0], [1.0], pj.PoW(1.0))), 40)
    assert 0.1 < history.censored.mean() < 0.6
    assert not history.censored[history.taken.task == 1].any()  # Proof of Work's
    with pytest.raises(ValueError, match=r"threshold 0\.5 is never passed by"):
        pj.Scenario(*one, pj.TaskStream([pj.Replay(cut_bank(), 0.5)], [1.0], [1.0], pj.PoW(1.0)))
