"""Whoever needs one scenario refuses a sweep in one line, whatever it is that would be swept."""

import warnings

import calls_of_results
import calls_of_scenarios
import jax
import numpy as np
import pytest
from test_bad_values import FOUND, outcome

import polejax as pj

SWEPT = pj.nodes.Nodes | pj.Scenario | pj.PoLe | pj.Recipe | pj.Network
TAKE_SWEEPS = (
    "pj.Scenario",
    "pj.nodes.",
    "pj.protocols.",
    "pj.attacks.early_key",
    "pj.attacks.leak",
    "pj.attacks.with",
)
"""Constructors, whose result is a sweep then."""
BUILT_AROUND = ("pj.grid", "pj.network.random_delays", "pj.network.verified", "pj.testing.")
"""The same, and contract tests, which play rounds: `simulate` refuses the sweep there."""
CALLS = {
    (path, name): arguments
    for path, arguments in {**calls_of_scenarios.CALLS, **calls_of_results.CALLS}.items()
    for name, value in arguments.items()
    if isinstance(value, SWEPT) and not path.startswith(TAKE_SWEEPS + BUILT_AROUND)
}


def test_every_argument_that_must_be_single_refuses_a_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = []
    for (path, name), arguments in CALLS.items():
        swept = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), arguments[name])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = outcome(FOUND[path], {**arguments, name: swept}, path)
        if told is None or "\n" in told or not ("a sweep" in told or "axes" in told or "one axis" in told):
            wrong.append(f"{path}({name}): {told}")
    assert not wrong, "\n".join(wrong)
    assert len(CALLS) > 40


@pytest.mark.parametrize(
    "call",
    [
        lambda nodes: pj.analysis.fairness(calls_of_results.HISTORY, nodes),
        lambda nodes: pj.analysis.cost(
            calls_of_results.HISTORY, pj.Scenario(nodes, calls_of_scenarios.CLIQUE, calls_of_scenarios.POW)
        ),
    ],
)
def test_the_message_names_the_field_and_the_way(call):
    swept = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), calls_of_scenarios.NODES)
    with pytest.raises(
        ValueError, match=r"nodes\.power must have one axis, got shape \(2, 3\), a sweep: run it under jax"
    ):
        call(swept)
