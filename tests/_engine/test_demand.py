"""Demand: what would take more memory or time than the machine has is refused in one line, before it begins."""

import time

import jax
import numpy as np
import pytest

import polejax as pj
from polejax import analysis
from polejax._core import limits
from polejax._engine import demand
from polejax.network import graphs

KEYS = jax.random.split(jax.random.key(0), 4)
SCENARIO = pj.Scenario(pj.nodes.equal(3), pj.network.clique(3, 1.0), pj.PoW(600.0))


LINE = np.stack([np.arange(10**5 - 1), np.arange(1, 10**5)], axis=1)


@pytest.fixture
def small(monkeypatch):
    """A machine with 8 GB of memory free."""
    monkeypatch.setattr(limits, "free_memory", lambda: 8 * 10**9)


def served(sojourns, probes=1):
    history = pj.simulate_many(KEYS, SCENARIO, 50)
    return analysis.serve(
        KEYS, history, analysis.Load(analysis.MarkovModulated([1.0, 2.0], sojourns), 10), probes=probes
    )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda _: pj.simulate(KEYS[0], SCENARIO, 2**30), "num_blocks 1,073,741,824 would take at least 29.0 GB"),
        (lambda _: pj.simulate(KEYS[0], SCENARIO, 10**12), "num_blocks must be at most 2,147,418,112"),
        (lambda _: pj.simulate_many(KEYS, SCENARIO, 2**31 + 1), "at most 2,147,418,112, got 2,147,483,649: heights"),
        (lambda _: pj.simulate_many(KEYS, SCENARIO, 2**29), "4 chains of 536,870,912 blocks .* and 8.0 GB are free"),
        (lambda _: pj.simulate_many(KEYS, SCENARIO, 2**29, method="poisson"), "would take at least 34.4 GB"),
        (lambda _: pj.tally_many(KEYS, SCENARIO, 2**30, method="poisson"), "would take at least 68.7 GB"),
        (lambda out: pj.study(SCENARIO, 10**15, 10, out), "num_seeds must be at most 4,294,967,296"),
        (lambda out: pj.study(SCENARIO, 2**32, 10**8, out, seeds_per_shard=2**14), "at least .* years on this machine"),
        (
            lambda out: pj.study(SCENARIO, 2**32, 10, out, seeds_per_shard=1),
            "at most 1,000,000 shards, got 4,294,967,296",
        ),
        (lambda out: pj.study(SCENARIO, 4, 10**12, out), "num_blocks must be at most"),
        (lambda out: pj.study(SCENARIO, 4, 2**30, out), "chains of 1,073,741,824 blocks would take"),
        (lambda _: pj.nodes.equal(2**31), "count 2,147,483,648 would take at least 85.9 GB"),
        (lambda _: pj.nodes.zipf(2**33), "count must be at most 4,294,967,296"),
        (lambda _: pj.network.erdos_renyi(10**6, 0.9), "4.5e[+]11 links would take at least 28.8 TB"),
        (lambda _: pj.network.scale_free(10**10, 4), "take fewer nodes or links"),
        (lambda _: pj.network.small_world(10**10), "take fewer nodes or links"),
        (lambda _: pj.network.random_regular(10**10), "take fewer nodes or links"),
        (lambda _: pj.network.gossip(pj.network.from_edges(10**5, LINE), 1.0), "use polejax.network.regions"),
        (lambda _: served([1e-20, 1e-20]), "arrivals.sojourns must be long enough for 1e[+]10 changes"),
        (lambda _: served([1.0, 1.0], probes=10**10), "probes 10,000,000,000 would take at least 8.0 TB"),
        (lambda _: pj.PoLe(task=pj.tasks.digits(), curve_points=2**40), "curve_points must be .* at most 1048576"),
    ],
)
def test_more_than_the_machine_has_is_refused_before_it_begins(call, match, tmp_path):
    begun = time.monotonic()
    with pytest.raises(ValueError, match=match) as caught:
        call(tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 30
    assert not (tmp_path / "out" / "study.json").exists()


@pytest.mark.parametrize("mechanism", [pj.PoW(600.0), pj.HashedPoW(16.0)], ids=["pow", "hashed"])
def test_the_estimate_is_what_a_history_holds(mechanism):
    scenario = pj.Scenario(pj.nodes.equal(3), pj.network.clique(3, 1.0), mechanism)
    per_chain, per_height = demand.history_bytes(scenario)
    history = jax.eval_shape(jax.vmap(lambda key: pj.simulate(key, scenario, 40)), KEYS)
    held = sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(history))
    assert held == len(KEYS) * (per_chain + 40 * per_height)


@pytest.mark.usefixtures("small")
def test_what_fits_runs_on():
    assert 0 < limits._meminfo()
    demand.check_demand(SCENARIO, 1000, 100_000, "rounds")
    with pytest.raises(ValueError, match="free"):
        demand.check_demand(SCENARIO, 10_000, 100_000, "rounds")
    demand.check_demand(SCENARIO, 10_000, 100_000, "poisson", keeps_blocks=False)


def test_dense_regular_graphs_are_drawn_by_their_missing_links(monkeypatch):
    for count, degree in ((60, 57), (60, 58), (60, 59), (20, 15)):
        edges = pj.network.random_regular(count, degree, seed=1).edges
        assert (np.bincount(edges.ravel(), minlength=count) == degree).all()
        assert len(np.unique(edges, axis=0)) == len(edges) == count * degree // 2
    missing = np.ones((60, 60)) - np.eye(60)
    for low, high in pj.network.random_regular(60, 57, seed=1).edges:
        missing[low, high] = missing[high, low] = 0
    assert (missing.sum(axis=0) == 2).all()
    monkeypatch.setattr(graphs, "_TRIES", 0)
    with pytest.raises(ValueError, match="degree 4 of 60 nodes was not drawn in 0 tries"):
        pj.network.random_regular(60, 4)
