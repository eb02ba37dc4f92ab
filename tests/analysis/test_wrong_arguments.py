"""What is no history, scenario, load or callback is refused in one line that names the argument and the remedy."""

import functools

import jax
import numpy as np
import pytest
from handmade import history

import polejax as pj

KEY = jax.random.key(0)
LOAD = pj.Load(pj.analysis.Poisson(1.0), 10)
SOME = history(np.ones((2, 5), np.float32))
NODES = pj.nodes.equal(SOME.num_nodes)


@pytest.mark.parametrize("wrong", [None, 3.0, "history", NODES])
@pytest.mark.parametrize(
    "call",
    [
        pj.summarise,
        pj.analysis.tally,
        pj.analysis.winners_curse,
        functools.partial(pj.analysis.paired, SOME),
        lambda wrong: pj.analysis.paired(wrong, SOME),
        lambda wrong: pj.analysis.fairness(wrong, NODES),
        lambda wrong: pj.analysis.rewards(wrong, 1.0),
        lambda wrong: pj.analysis.cost(wrong, pj.Scenario(NODES, pj.network.instant(NODES.count), pj.PoW(1.0))),
        lambda wrong: pj.serve(KEY, wrong, LOAD),
        lambda wrong: pj.serve(jax.random.split(KEY, 2), wrong, LOAD),
    ],
)
def test_what_is_no_history_is_refused(call, wrong):
    with pytest.raises(ValueError, match=r"^(history|first|second) must be a polejax\.History, got \w+: simulate one$"):
        call(wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pj.analysis.cost(SOME, None), "scenario must be a polejax.Scenario, got NoneType: "),
        (lambda: pj.analysis.fairness(SOME, None), "nodes must be made by polejax.nodes, got None: "),
        (lambda: pj.serve(KEY, SOME, None), "load must be a polejax.Load, got NoneType: "),
        (lambda: pj.analysis.service(None, SOME, LOAD), "service must be a polejax.analysis.Service, got NoneType: "),
    ],
)
def test_other_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_cannot_be_called_is_no_progress():
    scenario = pj.Scenario(pj.nodes.equal(2), pj.network.instant(2), pj.PoW(1.0))
    with pytest.raises(ValueError, match="progress must be a function of a Progress, got 3: pass print, or None"):
        pj.simulate_many(jax.random.split(KEY, 2), scenario, 3, progress=3)
