"""An array where one number belongs is a sweep: it runs under `jax.vmap` alone, and is refused everywhere else."""

import dataclasses
import inspect
import re
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj
from polejax._core.record import Record
from polejax._core.types import Array, Numeric

NODES = pj.nodes.equal(3)
CLIQUE = pj.network.clique(3, 1.0)
POW = pj.PoW(600.0)
BANK = geometric_bank(0, num_curves=16, num_evaluations=8)
KEY = jax.random.key(0)
THREE = [1.0, 2.0, 3.0]  # as many as nodes, so that they would fit as one number per node


def scenario(**parts):
    return pj.Scenario(**({"nodes": NODES, "network": CLIQUE, "mechanism": POW} | parts))


def delayed(law):
    return scenario(network=pj.network.random_delays(CLIQUE, law))


def replayed(**rules):
    return scenario(mechanism=pj.Replay(BANK, **rules))


SWEPT = {
    "network.seconds": lambda: scenario(network=pj.network.clique(3, [0.0, 60.0, 600.0])),
    "network.law.mean": lambda: delayed(pj.network.exponential_delay(THREE)),
    "network.law.seconds": lambda: delayed(pj.network.constant_delay(THREE)),
    "network.law.low": lambda: delayed(pj.network.uniform_delay(THREE, 5.0)),
    "network.law.median": lambda: delayed(pj.network.lognormal_delay(THREE, 1.0)),
    "network.law.sigma": lambda: delayed(pj.network.lognormal_delay(1.0, THREE)),
    "network.law.quantiles": lambda: delayed(pj.network.empirical_delay([THREE] * 3)),
    "election.seconds": lambda: scenario(election=pj.elections.BestInWindow(THREE)),
    "difficulty.target": lambda: scenario(difficulty=pj.difficulty.asert(THREE)),
    "difficulty.half_life": lambda: scenario(difficulty=pj.difficulty.asert(600.0, [1e5] * 3)),
    "difficulty.blocks": lambda: scenario(difficulty=pj.difficulty.ema(600.0, [9.0] * 3)),
    "difficulty.clamp": lambda: scenario(difficulty=pj.difficulty.window(9, clamp=[4.0] * 3)),
    "difficulty.step": lambda: scenario(difficulty=pj.difficulty.homestead(THREE)),
    "mechanism.work": lambda: scenario(mechanism=pj.PoW(THREE)),
    "mechanism.shape": lambda: scenario(mechanism=pj.mechanisms.weibull(600.0, THREE)),
    "mechanism.rules.threshold": lambda: replayed(threshold=[0.5] * 3),
    "mechanism.rules.jitter": lambda: replayed(jitter=THREE),
    "mechanism.rules.margin": lambda: replayed(margin=[0.1] * 3),
    "mechanism.rules.accept": lambda: replayed(accept=[0.5] * 3),
    "mechanism.rules.deadline": lambda: replayed(deadline=THREE),
    "mechanism.rules.verification": lambda: replayed(verification=THREE),
    "nodes.power": lambda: scenario(nodes=pj.nodes.Nodes(np.ones((2, 3), np.float32), np.arange(3))),
    "nodes.growth": lambda: scenario(nodes=pj.nodes.growth(NODES, [0.1] * 3)),
    "adversary.hold": lambda: scenario(adversary=pj.attacks.Withholding(np.ones((2, 3)))),
    "adversary.release": lambda: scenario(adversary=pj.attacks.EarlyKey(np.ones(3), release=THREE)),
}


@pytest.mark.parametrize("field", SWEPT)
def test_a_sweep_is_refused_outside_vmap_and_named(field, tmp_path):
    swept = SWEPT[field]()
    message = rf"^{field} must (be one number|have one axis), got shape .*, a sweep: run it under jax\.vmap, or give"
    for run in (
        lambda: pj.simulate(KEY, swept, 5),
        lambda: jax.jit(lambda: pj.simulate(KEY, swept, 5))(),
        lambda: pj.simulate_many(jax.random.split(KEY, 2), swept, 5),
        lambda: pj.tally_many(jax.random.split(KEY, 2), swept, 5),
        lambda: pj.study(swept, 2, 5, tmp_path / "out"),
    ):
        with pytest.raises(ValueError, match=message):
            run()


def test_vmap_takes_the_leading_axes_away():
    swept = scenario(network=pj.network.clique(3, [0.0, 60.0]))
    leaves, tree = jax.tree.flatten(swept)
    where = jax.tree.unflatten(tree, [0 if np.shape(leaf) == (2,) else None for leaf in leaves])
    intervals = jax.jit(jax.vmap(lambda one: pj.simulate(KEY, one, 5).interval, in_axes=(where,)))(swept)
    assert intervals.shape == (2, 5)
    assert (intervals[0] != intervals[1]).any()


def test_a_swept_load_is_refused_outside_vmap():
    history = pj.simulate(KEY, scenario(), 5)
    for field, load in (
        ("capacity", pj.Load(pj.analysis.Poisson(1.0), [10, 20])),
        ("arrivals.rate", pj.Load(pj.analysis.Poisson(THREE), 10)),
    ):
        with pytest.raises(ValueError, match=rf"^load\.{field} must be one number, got shape .*, a sweep"):
            pj.serve(KEY, history, load)


def records(kind=Record):
    for sub in kind.__subclasses__():
        yield sub
        yield from records(sub)


PARTS = (
    *(pj.Network, pj.Mechanism, pj.elections.Election, pj.difficulty.Difficulty, pj.attacks.Adversary),
    *(pj.network.DelayLaw, pj.analysis.Arrivals),
)
CLASSES = [
    kind
    for kind in {*records(), pj.nodes.Nodes, pj.nodes.Scheduled, pj.Load}
    if kind.__module__.startswith("polejax.")
    and (
        issubclass(kind, PARTS)
        or kind in (pj.nodes.Nodes, pj.nodes.Scheduled, pj.Load, pj.Bank, pj.ClaimRules, pj.Recipe)
    )
    and not inspect.isabstract(kind)
]


@pytest.mark.parametrize("kind", sorted(CLASSES, key=lambda kind: kind.__qualname__))
def test_every_array_field_declares_its_axes_as_its_docstring_does(kind):
    if not dataclasses.is_dataclass(kind):
        return  # a base without fields
    hints = typing.get_type_hints(kind, localns={"ArrayTree": typing.Any})
    for field in dataclasses.fields(kind):
        arrays = hints[field.name] in (Array, Numeric, Array | None, Numeric | None)
        if not arrays or field.metadata.get("static"):
            continue
        assert "axes" in field.metadata, f"{kind.__name__}.{field.name} must be declared with axes(...)"
        told = re.search(rf"^\s+{field.name}(?:, \w+)*: (?:f32|i32|u32|bool)\[([^\]]*)\]", kind.__doc__, re.MULTILINE)
        if told:
            assert len(told[1].split(",")) * bool(told[1]) == field.metadata["axes"], f"{kind.__name__}.{field.name}"


def test_negative_numbers_within_jit_settle_nothing():
    parts = {
        "delay": lambda value: scenario(network=pj.network.clique(3, value)),
        "hold": lambda value: scenario(adversary=pj.attacks.Withholding(value * jnp.ones(3))),
    }
    for name, build in parts.items():
        history = jax.jit(lambda value, build=build: pj.simulate(KEY, build(value), 5))(jnp.float32(-5000.0))
        assert not np.asarray(history.settled)[1:].any(), name
        with pytest.raises(ValueError, match="history must hold settled heights"):
            pj.summarise(history)
