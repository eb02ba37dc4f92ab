"""A script as a user writes it, whose every line type checkers understand: see test_typed_script.py."""

import jax
import jax.numpy as jnp
from jax import Array

import polejax as pj
from polejax.mechanisms import Claims, Listening, Profile, Views, draw


class Erlang(pj.Mechanism):
    mean: float | Array
    stages: int = pj.static(default=3)

    @property
    def initial_difficulty(self) -> Array:
        return jnp.asarray(self.mean, jnp.float32)

    @property
    def profile(self) -> Profile:
        return Profile(scored=False)

    def race(self, key: Array, views: Views, nodes: pj.nodes.Nodes, listening: Listening | None = None) -> Claims:
        pieces = [draw.exponential(jax.random.fold_in(key, stage), nodes.address) for stage in range(self.stages)]
        work = views.difficulty * jnp.stack(pieces).mean(axis=0)
        return Claims(work, score=jnp.ones_like(work), valid=jnp.ones(work.shape, bool))


m: pj.Mechanism = pj.PoW(1.0)
n: pj.network.Network = pj.network.clique(3, seconds=1.0)
own: pj.Mechanism = Erlang(600.0, stages=4)
nodes = pj.nodes.from_shares([3, 2, 1])
scenario = pj.Scenario(nodes, n, own, pj.elections.BestInWindow(2.0), pj.difficulty.window(10, 600.0))
attacked = pj.Scenario(nodes, n, m, adversary=pj.attacks.withholding(nodes, 5.0, [0]))
swept = pj.Scenario(nodes, pj.network.clique(3, seconds=jnp.float32([1.0, 2.0])), pj.PoW(work=jnp.float32([1.0, 2.0])))
late = pj.network.random_delays(n, pj.network.exponential_delay(2.0))
held = pj.attacks.Withholding(jnp.float32([1.0, 0.0, 0.0]))
weibull = pj.mechanisms.weibull(600.0, 3.0)
replay: type[pj.Mechanism] = pj.Replay

history: pj.History = pj.simulate(jax.random.key(0), scenario, num_blocks=20)
keys = jax.random.split(jax.random.key(1), 4)
many: pj.History = pj.simulate_many(keys, scenario, 20)
summary: pj.Summary = pj.summarise(many)
mean: float = summary.interval_mean.value
value, low, high = summary.interval_cv
half: float = (high - low) / 2 + float(summary.interval_mean)
pj.testing.check_mechanism(own)
pj.testing.check_network(n)
print(mean, history.interval.shape)
