"""Array fields are swept without compiling again: other values of a part, one trace."""

import chex
import jax
import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

NODES = pj.nodes.equal(3)
DELAYS = 1.0 - np.eye(3)
BANK = geometric_bank(0, num_curves=16, num_evaluations=8)


def scenario(**parts):
    usual = {"nodes": NODES, "network": pj.network.clique(3, 1.0), "mechanism": pj.PoW(600.0)}
    return pj.Scenario(**(usual | parts))


SWEEPS = {
    "power": lambda value: scenario(nodes=pj.nodes.from_shares([value, 1.0, 1.0])),
    "clique": lambda value: scenario(network=pj.network.clique(3, value)),
    "matrix": lambda value: scenario(network=pj.network.from_matrix(value * DELAYS)),
    "random delays": lambda value: scenario(
        network=pj.network.random_delays(pj.network.clique(3, 1.0), pj.network.exponential_delay(value))
    ),
    "PoW": lambda value: scenario(mechanism=pj.PoW(100.0 * value)),
    "weibull": lambda value: scenario(mechanism=pj.mechanisms.weibull(600.0, value)),
    "Replay": lambda value: scenario(mechanism=pj.Replay(BANK, threshold=0.2 * value)),
    "window": lambda value: scenario(difficulty=pj.difficulty.window(8, 100.0 * value)),
    "election": lambda value: scenario(election=pj.elections.BestInWindow(value)),
    "withholding": lambda value: scenario(adversary=pj.attacks.withholding(NODES, value, [0])),
}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_other_values_compile_nothing_new(sweep):
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(scenario):
        return pj.simulate(jax.random.key(0), scenario, 20).interval

    intervals = [np.asarray(run(SWEEPS[sweep](value))) for value in (1.5, 2.0, 3.5)]
    assert (intervals[0] != intervals[2]).any() or sweep == "Replay"  # its curves pass any threshold at once


@pytest.mark.parametrize("sweep", SWEEPS)
def test_stacked_scenarios_are_a_sweep(sweep):
    several = [SWEEPS[sweep](value) for value in (1.5, 3.5)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *several)
    together = jax.vmap(lambda one: pj.simulate(jax.random.key(0), one, 10).interval)(stacked)
    apart = jax.jit(lambda one: pj.simulate(jax.random.key(0), one, 10).interval)(several[1])
    np.testing.assert_allclose(together[1], apart, rtol=1e-5)
