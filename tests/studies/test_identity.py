"""A folder's results are those of what is computed, whatever functions, classes and objects are called."""

import functools
import json
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from banks import small_pole

import polejax as pj
from polejax._core import identity
from polejax._core.folder import _digest
from polejax._core.record import replace
from polejax.mechanisms import draw
from polejax.network import DelayLaw
from polejax.studies import study as studies
from polejax.studies.plan import Plan
from polejax.studies.shards import Shard, run_shard

pytestmark = pytest.mark.usefixtures("light_compilation")


class Own(pj.Mechanism):
    """Exponential work, bent by a function."""

    bend: Callable = pj.static()

    @property
    def initial_difficulty(self):
        return jnp.float32(600.0)

    def race(self, key, views, nodes, listening=None):
        work = self.bend(draw.exponential(key, nodes.address) * views.difficulty)
        return pj.Claims(work, jnp.ones_like(work), jnp.ones(work.shape, bool))


class Factor:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, work):
        return work * self.factor

    def bend(self, work):
        return work * self.factor


def times(factor):
    return lambda work: work * factor


def multiplied(work, factor):
    return work * factor


def defined(factor):
    class Factor:
        def __call__(self, work):
            return work * factor

    return Factor()


def scenario(bend=None, law=None):
    nodes, network = pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=60.0)
    network = network if law is None else pj.network.random_delays(network, law())
    return pj.Scenario(nodes, network, pj.PoW(600.0) if bend is None else Own(bend))


def delayed(seconds):
    class Law(DelayLaw):
        def quantile(self, probability):
            return jnp.full(probability.shape, seconds, jnp.float32)

    return Law


KINDS = {
    "closure": lambda factor: scenario(times(factor)),
    "bound method": lambda factor: scenario(Factor(factor).bend),
    "callable object": lambda factor: scenario(Factor(factor)),
    "class defined again": lambda factor: scenario(defined(factor)),
    "partial": lambda factor: scenario(functools.partial(multiplied, factor=factor)),
    "delay law defined again": lambda factor: scenario(law=delayed(factor)),
}


def means(results):
    return results.to_xarray()["interval"].mean().item()


@pytest.fixture
def plan(monkeypatch):
    """Nothing is simulated: what is in a folder is decided before."""
    monkeypatch.setattr(studies, "_run", lambda *_: None)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_folder_is_of_one_program(kind, tmp_path, plan):
    pj.study(kind(50.0), 2, 3, tmp_path)
    pj.study(kind(50.0), 2, 3, tmp_path)
    with pytest.raises(pj.StudyError, match=r"another study; .*(computes something else|factor: 50\.0, not 0)") as told:
        pj.study(kind(0.0), 2, 3, tmp_path)
    assert "\n" not in str(told.value)


def test_copies_of_a_function_go_on_whatever_their_names(tmp_path, plan):
    pj.study(scenario(times(2.0)), 2, 3, tmp_path)
    for same in (Factor(2.0).bend, Factor(2.0), lambda work: work * 2.0):
        pj.study(scenario(same), 2, 3, tmp_path)
    with pytest.raises(pj.StudyError, match="scenarios\\[0\\] computes something else"):
        pj.study(scenario(lambda work: work + 2.0), 2, 3, tmp_path)


def test_versions_decide_only_where_programs_differ(tmp_path, plan, monkeypatch):
    others = {**identity.tracing_versions(), "jax": "0.0.1"}
    with monkeypatch.context() as patch:
        patch.setattr(identity, "tracing_versions", lambda: others)
        pj.study(scenario(), 2, 3, tmp_path)
    path = tmp_path / "study.json"
    manifest = json.loads(path.read_text())
    assert (manifest["generator"], manifest["versions"]["jax"]) == ("threefry2x32", "0.0.1")
    pj.study(scenario(), 2, 3, tmp_path)  # the same program
    manifest["programs"]["scenarios[0]"] = "0" * 64
    del manifest["sha256"]
    path.write_text(json.dumps({**manifest, "sha256": _digest(manifest)}))
    with pytest.raises(pj.StudyError, match=rf"begun with jax 0\.0\.1, not {jax.__version__}, of which scenarios"):
        pj.study(scenario(), 2, 3, tmp_path)


def test_an_object_that_has_changed_runs_as_it_is(tmp_path):
    """JAX alone would run the program that it compiled for the object as it was."""
    law = Factor(1.0)
    first = means(pj.study(scenario(law), 8, 4, tmp_path / "first"))
    law.factor = 3.0
    changed = means(pj.study(scenario(law), 8, 4, tmp_path / "second"))
    assert first != changed == means(pj.study(scenario(Factor(3.0)), 8, 4, tmp_path / "third"))


def test_workers_of_other_code_are_refused(tmp_path):
    task = Plan([scenario()], 2, 3, 0, None, "blocks", None, "rounds").task
    assert len(run_shard(task, Shard(0, 0, 2, 2))[0]["interval"]) == 2
    with pytest.raises(ValueError, match="in this process than where the study was begun"):
        run_shard(replace(task, programs=("0" * 64,)), Shard(0, 0, 2, 2))


def test_functions_on_the_host_are_refused(tmp_path):
    def bend(work):
        return jax.pure_callback(lambda value: value * 2, jax.ShapeDtypeStruct(work.shape, work.dtype), work)

    with pytest.raises(
        ValueError,
        match=r"^scenarios\[0\] calls \S+, a function that JAX does not trace,.*simulate_many, which stores nothing$",
    ):
        pj.study(scenario(bend), 2, 3, tmp_path)


class Law:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, learning_rate):
        return optax.sgd(learning_rate * self.rate)


def descent(rate):
    return lambda learning_rate: optax.sgd(learning_rate * rate)


def test_a_bank_is_of_one_program(tmp_path):
    def train(law, **options):
        pole = small_pole(make_optimiser=law)
        return pj.learning_curves(jax.random.key(0), pole, 2, num_steps=4, devices=jax.devices()[:1], **options)

    slow, fast = descent(1e-6), descent(20.0)
    kept = train(fast, out=tmp_path)
    again = train(Law(20.0), out=tmp_path)  # an object that does the same, as it resumes in a new process
    np.testing.assert_array_equal(kept.validation, again.validation)
    with pytest.raises(pj.StudyError, match="another bank; the recipe computes something else under the same names"):
        train(slow, out=tmp_path)
    pj.load_bank(tmp_path, small_pole(make_optimiser=descent(20.0)))
    with pytest.raises(ValueError, match="another program under the same names, as a function, a class or a constant"):
        pj.load_bank(tmp_path, small_pole(make_optimiser=slow))
    told = json.loads(kept.trained)
    older = replace(kept, trained=json.dumps({**told, "program": "0", "versions": {"jax": "0.0.1"}}))
    with pytest.raises(ValueError, match=r"as it was trained with jax 0\.0\.1, not"):
        older.check_matches(small_pole(make_optimiser=fast).recipe)


def test_a_bank_of_host_functions_stays_in_memory(tmp_path):
    def descent(learning_rate):
        def update(gradients, state, params=None):
            def host(leaf):
                shape = jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
                return jax.pure_callback(lambda value: -value, shape, leaf, vmap_method="sequential")

            return jax.tree.map(host, gradients), state

        return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

    with pytest.raises(ValueError, match=r"^out must be None for a recipe that calls functions on the host"):
        pj.learning_curves(jax.random.key(0), small_pole(make_optimiser=descent), 2, out=tmp_path)
