"""Networks, elections and difficulty rules of a user's own: they run, and their faults are told early."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own import Erlang, Lazy, Ring, Steps

import polejax as pj

NODES = pj.nodes.equal(3)


def scenario(mechanism, **parts):
    return pj.Scenario(NODES, parts.pop("network", pj.network.clique(3, seconds=1.0)), mechanism, **parts)


@pytest.mark.smoke
def test_a_network_an_election_and_a_difficulty_rule_of_one_s_own_run():
    pj.testing.check_network(Ring(2.0, 7))
    for parts in ({"network": Ring(2.0, 3)}, {"election": Lazy(3.0)}, {"difficulty": Steps(100.0)}):
        own = scenario(Erlang(300.0), **parts)
        history = jax.jit(pj.simulate, static_argnums=2)(jax.random.key(0), own, 300)
        assert np.isfinite(history.interval).all()
        assert not np.asarray(history.flawed).any()
    assert np.median(history.interval[100:]) == pytest.approx(100.0, rel=0.2)  # Steps: as many blocks above as below


class WideRing(Ring):
    def delays_from(self, publisher):
        """A column."""
        return super().delays_from(publisher)[:, None]


class ListedElection(Lazy):
    def elect(self, publish, claims, network, views):
        """A tuple in place of `Elected`."""
        return tuple(super().elect(publish, claims, network, views))


class WholeSteps(Steps):
    def level(self, state):
        """Whole numbers."""
        return state.astype(jnp.int32)


class DriftingSteps(Steps):
    def extend(self, state, increment, height, uncles):
        """Another structure than `start` gave."""
        return state, height


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"network": WideRing(1.0, 3)}, r"WideRing.delays_from must be f32\[3\], got f32\[3, 1\]: one entry per node"),
        ({"election": ListedElection(1.0)}, r"ListedElection.elect must return Elected, got tuple"),
        ({"difficulty": WholeSteps(1.0)}, r"WholeSteps.level must be f32\[3\], got i32\[3\]"),
        ({"difficulty": DriftingSteps(1.0)}, r"DriftingSteps.extend must be what start returns, got PyTreeDef"),
    ],
)
def test_faults_of_own_networks_elections_and_rules_are_told_when_the_scenario_is_built(parts, message):
    with pytest.raises(ValueError, match=message):
        scenario(pj.PoW(600.0), **parts)


class Slanted(Ring):
    def delays_from(self, publisher):
        """Longer than the way over another node."""
        return super().delays_from(publisher) ** 2


class Talking(Ring):
    def delays_from(self, publisher):
        """A node does not hear itself at once."""
        return super().delays_from(publisher) + 1.0


class Short(Ring):
    @property
    def max_delay(self):
        """Too little."""
        return jnp.float32(0.5)


class Hasty(Ring):
    def arrivals(self, publish):
        """Everyone's own block."""
        return publish, jnp.arange(self.count)


class Backward(Ring):
    def between(self, publisher, node):
        """As if they stood in a line."""
        return jnp.abs(publisher - node).astype(jnp.float32)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Slanted(1.0, 4), r"delay\[1, 3\] = 4 must be at most delay\[1, 0\] \+ delay\[0, 3\] = 2 \(triangle"),
        (Talking(1.0, 7), r"delay\[0, 0\] must be 0, got 1"),
        (Ring(-1.0, 7), r"delay\[0, 1\] must be finite and at least 0, got -1"),
        (Short(1.0, 7), "max_delay must be at least the longest delay, 3, got 0.5"),
        (Hasty(1.0, 7), r"arrivals: arrival\[\d\] must be min_j"),
        (Backward(1.0, 7), r"between\(0, 4\) must be delays_from\(0\)\[4\] = 3, got 4"),
        (WideRing(1.0, 7), r"delays_from must be f32\[7\], got f32\[7, 1\]"),
        (7, "network must be a Network, got int"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_check_network_names_what_is_broken(network, message):
    with pytest.raises(ValueError, match=message):
        pj.testing.check_network(network)
