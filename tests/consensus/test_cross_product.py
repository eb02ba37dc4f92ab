"""The whole cross product: every combination of parts runs, or is refused when the scenario is built, never later.

All combinations are built. Those that are refused must be those that the rules below name. Of those that are built, a
set in which every pair of parts occurs is played abstractly, and a few are played for real.
"""

import functools
import itertools

import jax
import numpy as np
import pytest
from banks import geometric_bank, small_pole

import polejax as pj
from polejax.attacks.adversary import Leaked

COUNT = 4
NODES = pj.nodes.Nodes(np.float32([4, 3, 2, 1]) / 10, np.array([7, 300, 2, 11]))
PLAYS = np.array([True, False, False, True])


@functools.cache
def bank(seed):
    return geometric_bank(seed, num_curves=8, num_evaluations=6)


def replay(seed=0, threshold=0.5):
    return pj.Replay(bank(seed), threshold=threshold)


def stream(tasks, idle, **options):
    return pj.TaskStream(tasks, [0.01, 0.02], [1.0, 2.0], idle, capacity=3, **options)


MECHANISMS = {
    "PoW": lambda: pj.PoW(600.0),
    "HashedPoW": lambda: pj.HashedPoW(100.0, chunk=16),
    "gamma": lambda: pj.mechanisms.gamma(600.0, 3.0),
    "weibull": lambda: pj.mechanisms.weibull(600.0, 3.0),
    "lognormal": lambda: pj.mechanisms.lognormal(600.0, 0.5),
    "PoLe": small_pole,
    "Replay": replay,
    "stream of Replay, idle PoW": lambda: stream([replay(0), replay(1, 0.6)], pj.PoW(600.0)),
    "stream of Replay, idle Replay": lambda: stream([replay(0), replay(1)], replay(2), order="reward"),
    "stream of gamma, idle HashedPoW": lambda: stream(
        [pj.mechanisms.gamma(600.0, 3.0), pj.mechanisms.gamma(300.0, 3.0)], pj.HashedPoW(100.0, chunk=16)
    ),
    "stream of PoLe, idle PoW": lambda: stream([small_pole(), small_pole(1)], pj.PoW(600.0)),
    "stream of Leaked, idle Replay": lambda: stream(
        [Leaked(replay(0), np.float32([5, 0, 0, 0])), Leaked(replay(1), np.float32([0, 0, 5, 0]))], replay(2)
    ),
}

NETWORKS = {
    "clique": lambda: pj.network.clique(COUNT, seconds=2.0),
    "matrix": lambda: pj.network.from_matrix(3.0 * (1.0 - np.eye(COUNT))),
    "regions": lambda: pj.network.regions([0, 0, 1, 1], [[1.0, 2.0], [2.0, 1.0]]),
    "gossip": lambda: pj.network.gossip(pj.network.random_regular(COUNT, 2, seed=1), 0.5),
    "random delays": lambda: pj.network.random_delays(pj.network.clique(COUNT, 1.0), pj.network.exponential_delay(2.0)),
}

ELECTIONS = {
    "first seen": pj.elections.FirstSeen,
    "best in window": lambda: pj.elections.BestInWindow(5.0),
    "best at deadline": lambda: pj.elections.BestAtDeadline(50.0),
}

DIFFICULTIES = {
    "fixed": pj.difficulty.fixed,
    "window": lambda: pj.difficulty.window(4, 600.0),
    "homestead": pj.difficulty.homestead,
    "byzantium": pj.difficulty.byzantium,
    "asert": pj.difficulty.asert,
    "ema": pj.difficulty.ema,
    "accuracy": lambda: pj.difficulty.accuracy(600.0),
}

ADVERSARIES = {
    "none": lambda: None,
    "withholding": lambda: pj.attacks.withholding(NODES, 5.0, [7]),
    "leak": lambda: pj.attacks.leak(NODES, 5.0, [7]),
    "early key": lambda: pj.attacks.early_key(NODES, 5.0, [7], release=2.0),
    "cheating": lambda: pj.attacks.Cheating(bank(3), PLAYS),
    "live theft": lambda: pj.attacks.LiveTheft(PLAYS),
}

AXES = (MECHANISMS, NETWORKS, ELECTIONS, DIFFICULTIES, ADVERSARIES)


@functools.cache
def part(axis, name):
    return AXES[axis][name]()


def build(names):
    mechanism, network, election, difficulty, adversary = (part(axis, name) for axis, name in enumerate(names))
    return pj.Scenario(NODES, network, mechanism, election, difficulty, adversary)


def refusal(names):
    """What a combination is refused with by the rules of its parts; None: it runs."""
    mechanism, _, election, difficulty, adversary = names
    by_accuracy = mechanism in ("PoLe", "Replay") or "idle Replay" in mechanism
    if difficulty == "accuracy" and not by_accuracy:
        return "difficulty Accuracy moves an accuracy, but .* asks for work"
    if difficulty not in ("fixed", "accuracy") and by_accuracy:
        return "difficulty .* moves work, but .* asks for an accuracy"
    if adversary == "withholding" and election != "first seen":
        return "election must be FirstSeen for withholding"
    if adversary == "cheating" and mechanism != "Replay":
        return "mechanism must be Replay for cheats"
    if adversary == "live theft" and mechanism != "PoLe":
        return "mechanism must be PoLe for live theft"
    return None


def product():
    return itertools.product(*AXES)


def pairs(names):
    return set(itertools.combinations(enumerate(names), 2))


@functools.cache
def covering():
    """Combinations that run, in which every two parts that run together do so at least once."""
    left = {names: pairs(names) for names in product() if refusal(names) is None}
    open_pairs = set().union(*left.values())
    chosen = []
    while open_pairs:
        # Cheap mechanisms come first in the order of the table, so that equals go to them.
        best = max(left, key=lambda names: len(left[names] & open_pairs))
        chosen.append(best)
        open_pairs -= left[best]
    return chosen


@pytest.mark.smoke
def test_every_combination_is_built_or_refused_as_the_rules_of_its_parts_say():
    built = 0
    for names in product():
        expected = refusal(names)
        if expected is None:
            build(names)
            built += 1
            continue
        with pytest.raises(ValueError, match=expected):
            build(names)
    assert built == sum(refusal(names) is None for names in product()) > 2_000


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_pair_of_parts_plays_rounds(mechanism):
    chosen = [names for names in covering() if names[0] == mechanism]
    assert chosen
    for names in chosen:
        shapes = jax.eval_shape(lambda key, scenario: pj.simulate(key, scenario, 3), jax.random.key(0), build(names))
        assert shapes.interval.shape == (3,)


SAMPLE = [
    ("PoW", "random delays", "first seen", "byzantium", "withholding"),
    ("PoW", "regions", "best in window", "window", "leak"),
    ("gamma", "gossip", "best at deadline", "asert", "early key"),
    ("weibull", "matrix", "first seen", "homestead", "withholding"),
    ("lognormal", "random delays", "best in window", "ema", "leak"),
    ("Replay", "clique", "first seen", "accuracy", "cheating"),
    ("Replay", "random delays", "best at deadline", "fixed", "cheating"),
    ("stream of Replay, idle PoW", "clique", "first seen", "asert", "leak"),
    ("stream of Replay, idle Replay", "regions", "best in window", "accuracy", "early key"),
    ("stream of Leaked, idle Replay", "random delays", "first seen", "accuracy", "withholding"),
    ("HashedPoW", "gossip", "best in window", "window", "none"),
    ("PoLe", "random delays", "first seen", "accuracy", "live theft"),
]


@pytest.mark.parametrize("names", SAMPLE, ids=lambda names: ", ".join(names))
def test_a_sample_of_them_for_real(names):
    history = jax.jit(pj.simulate, static_argnums=2)(jax.random.key(0), build(names), 3)
    assert np.isfinite(history.interval).all()
    assert not np.asarray(history.flawed).any()
    assert (np.asarray(history.published) >= 1).all()


@pytest.mark.smoke
def test_streams_are_refused_what_they_cannot_hold():
    inner = stream([replay(0), replay(1)], pj.PoW(600.0))
    with pytest.raises(
        ValueError, match="tasks must keep nothing of a branch, as the stream's queue does, got TaskStr"
    ):
        stream([inner, inner], pj.PoW(600.0))
    with pytest.raises(ValueError, match="idle must keep nothing of a branch"):
        stream([replay(0), replay(1)], inner)


@pytest.mark.parametrize("law", ["gauss", "", None])
def test_an_unknown_law_of_the_layer_is_refused_when_the_mechanism_is_built(law):
    with pytest.raises(ValueError, match="law"):
        small_pole(sml=pj.SecureMappingLayer(law=law))
