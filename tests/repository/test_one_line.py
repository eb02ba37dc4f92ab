"""Every public record prints as one line of at most 120 characters, whatever its arrays hold."""

import dataclasses
import inspect

import calls_of_results
import calls_of_scenarios
import calls_of_theory
import jax
import numpy as np
import pytest
from test_bad_values import found

import polejax as pj

pytestmark = pytest.mark.smoke
NAMED = "_fields"
BASES = (pj.models.ColumnModel, pj.models.LayeredModel)  # Flax modules that only their subclasses can be called by
KINDS = {
    path: it
    for path, it in found().items()
    if isinstance(it, type) and (dataclasses.is_dataclass(it) or NAMED in vars(it)) and not inspect.isabstract(it)
    if it not in BASES
}


def collect(value, into):
    """Records of public kinds in a value, one of each kind."""
    if isinstance(value, type):
        return
    if type(value) in KINDS.values():
        into.setdefault(type(value), value)
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        collect(part, into)


def filled(kind, leaf):
    """A record of a kind that holds one and the same value in every field."""
    if NAMED in vars(kind):
        return kind(*[leaf] * len(kind._fields))
    value = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(value, field.name, leaf)
    return value


MADE = {}
for calls in (calls_of_scenarios, calls_of_results, calls_of_theory):
    collect({name: value for name, value in vars(calls).items() if not name.startswith("__")}, MADE)


def assert_brief(value):
    text = repr(value)
    assert text.startswith(f"{type(value).__name__}("), text
    assert text.endswith(")"), text
    assert len(text) <= 120, text
    assert text.isprintable(), text


def test_the_walk_finds_the_records():
    assert len(KINDS) > 80
    assert len(MADE) > 30


@pytest.mark.parametrize("path", KINDS)
def test_records_are_one_line(path):
    kind = KINDS[path]
    big = np.linspace(0.0, 1.0, 64_000).reshape(64, 1_000)
    if kind in MADE:
        one = MADE[kind]
        assert_brief(one)
        leaves = [leaf for leaf in jax.tree.leaves(one) if not jax.tree_util.all_leaves([one])]
        if leaves:  # larger ones, a program's tracers, and what JAX puts in a tree's place for its leaves
            assert_brief(jax.tree.map(lambda _: big, one))
            assert_brief(jax.tree.map(lambda _: object(), one))
            jax.eval_shape(lambda traced: assert_brief(traced), one)
    elif not issubclass(kind, pj.models.ColumnModel | pj.models.Dense | pj.models.LayeredModel):
        for leaf in (big, None, 10**12, "two\nlines" * 100, {"a": big}, [big] * 9, 0.1, object()):
            assert_brief(filled(kind, leaf))


def test_a_record_tells_what_differs_from_the_defaults():
    task = calls_of_scenarios.TASK
    assert "sml=None" in repr(pj.PoLe(task, sml=None))
    assert "threshold=0.8" in repr(pj.PoLe(task, threshold=0.8))
    assert "threshold" not in repr(pj.PoLe(task))
    assert repr(pj.PoW(work=np.float32([1.0, 2.0]))) == "PoW(work=[1, 2])"
    assert repr(pj.models.Dense(features=3)) == "Dense(features=3)"
    assert repr(pj.SecureMappingLayer(law="uniform")) == "SecureMappingLayer(law='uniform')"
    assert repr(pj.models.ConvolutionalNetwork((8, 8))).startswith("ConvolutionalNetwork(shape=(8, 8)")


def test_sizes_are_told():
    scenario = calls_of_scenarios.SCENARIO
    history = pj.simulate_many(jax.random.split(jax.random.key(0), 4), scenario, 5)
    assert repr(history) == "History(4 seeds x 5 blocks, 3 nodes)"
    assert repr(jax.tree.map(lambda leaf: leaf[0], history)) == "History(5 blocks, 3 nodes)"
    assert repr(pj.analysis.tally(history)) == "Tally(4 seeds x 3 nodes, 5 settled heights each)"
    assert "4 seeds, 20 blocks" in repr(pj.summarise(history))
    assert repr(pj.tasks.digits()) == "Task('digits': 1,000 + 397 + 400 samples of 64 features, 10 classes)"


def test_a_scenario_prints_what_differs_from_the_defaults():
    nodes, network = pj.nodes.from_shares([3, 2, 1]), pj.network.clique(3, 10.0)
    told = str(pj.Scenario(nodes, network, pj.PoLe(calls_of_scenarios.TASK, threshold=0.8, sml=None)))
    lines = {line.split()[0]: line.split()[1:] for line in told.splitlines()}
    assert lines["mechanism.threshold"] == ["0.8", "0.9"]
    assert lines["mechanism.sml"] == ["None", "SecureMappingLayer()"]
    assert lines["network.seconds"] == ["10"]
    assert not {"election", "difficulty", "mechanism.margin", "mechanism.batch_size"} & set(lines)
    other = pj.Scenario(nodes, network, pj.PoW(600.0), difficulty=pj.difficulty.window(10, 600.0))
    assert "difficulty.blocks" in str(other)
    assert "<table>" in other._repr_html_()
