"""Rates of training and of racing, as ratios measured in one run against named baselines; compile time apart.

    .venv/bin/python experiments/throughput.py [--quick]

Baselines: plain `jit(vmap(scan))` on one XLA device, training the same networks as anyone would write it; drawing the
random numbers of a PoW race and doing nothing with them; importing jax, flax and optax.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import polejax as pj
from polejax import devices, draw, lanes, learning
from polejax.scenario import ready

LANES, STEPS = 1_024, 100


def measure(label, run, count, repeats):
    """Median rate of `run`, which does `count` units of work; the first call is reported apart."""
    begin = time.perf_counter()
    jax.block_until_ready(run())
    first = time.perf_counter() - begin
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
    rate = count / statistics.median(seconds)
    spread = (max(seconds) - min(seconds)) / statistics.median(seconds)
    compiling = max(0.0, first - statistics.median(seconds))
    print(f"{label:58} {rate:14,.0f} /s   spread {spread:4.0%}   compile {compiling:5.1f} s", flush=True)
    return rate


def plain_training(repeats):
    """Networks of 64-32-10 units behind a frozen 64 x 64 layer, batch 32, as plain `jit(vmap(scan))`."""
    task = jax.tree.map(jnp.asarray, pj.tasks.digits())
    learner = pj.learners.MultilayerPerceptron((32,), 10)
    keys = jax.random.split(jax.random.key(0), LANES)

    def train(key):
        begin, layer_key, batches = jax.random.split(key, 3)
        layer = jax.random.normal(layer_key, (64, 64)) / 8
        params = learner.init(begin, jnp.zeros((1, 64)))

        def loss(params, inputs, labels):
            logits = learner.apply(params, inputs @ layer)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        def step(params, key):
            chosen = jax.random.randint(key, (32,), 0, 1_000)
            gradient = jax.grad(loss)(params, task.train_inputs[chosen], task.train_labels[chosen])
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient), None

        return jax.lax.scan(step, params, jax.random.split(batches, STEPS))[0]

    compiled = jax.jit(jax.vmap(train))
    return measure("training, plain jit(vmap(scan)), one XLA device", lambda: compiled(keys), LANES * STEPS, repeats)


def blocked_training(repeats):
    """The same training as polejax's rounds do it, layers and shuffles derived and data mapped inside."""
    pole = pj.PoLe(pj.tasks.digits(), make_optimiser=optax.sgd, learning_rate=0.1)
    mechanism = ready(pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), pole)).mechanism
    keys = jax.random.split(jax.random.key(0), LANES)
    tips = jax.random.bits(jax.random.key(1), (LANES, 8), jnp.uint32)

    def block(keys, tips, mechanism):
        material = learning.prepare(mechanism, keys, tips, jnp.arange(keys.shape[0], dtype=jnp.uint32))
        return learning.train(mechanism, material, learning.begin(mechanism, keys, material), STEPS).params

    compiled = lanes.sharded(block, mechanism.cached_lanes, tuple(jax.devices()), (2,), 3)
    return measure(
        "training, lanes in blocks over devices (preparation incl.)",
        lambda: compiled(keys, tips, mechanism),
        LANES * STEPS,
        repeats,
    )


def live_rounds(repeats, blocks):
    """Whole PoLe rounds: preparation, training, evaluation, early stopping, verification, headers."""
    scenario = pj.Scenario(pj.nodes.equal(16, total=16.0), pj.network.clique(16, 2.0), pj.PoLe(pj.tasks.digits()))
    keys = jax.random.split(jax.random.key(0), 16)
    history = pj.simulate_many(keys, scenario, blocks)
    steps = float(history.computed.sum(dtype=np.float64))
    rate = measure(
        "live PoLe rounds, lane-steps (all included)",
        lambda: pj.simulate_many(keys, scenario, blocks).interval,
        steps,
        repeats,
    )
    return rate, float(history.useful.sum(dtype=np.float64)) / steps


def races(count, repeats, blocks=2_000, seeds=512):
    """PoW with delay and forks, and its random numbers alone, blocks a second."""
    shares = [30, 29, 12, 11, 8, 5, 3, 1, 1] if count == 9 else np.ones(count)
    scenario = pj.Scenario(pj.nodes.from_shares(shares), pj.network.clique(count, 10.0), pj.PoW(600.0))
    keys = jax.random.split(jax.random.key(0), seeds)
    address = jnp.arange(count, dtype=jnp.uint32)

    def numbers(key):
        def draw_height(total, height):
            return total + draw.exponential(jax.random.fold_in(key, height), address), None

        return jax.lax.scan(draw_height, jnp.zeros(count), jnp.arange(blocks))[0]

    alone = 0.0
    for chains in (32, 64, 128, 256):  # the baseline at its best
        compiled = lanes.sharded(lanes.each(numbers, chains, (), 1), chains, tuple(jax.devices()), (), 1)
        label = f"PoW's random numbers alone, N = {count}, {chains} chains in lockstep"
        alone = max(alone, measure(label, functools.partial(compiled, keys), seeds * blocks, repeats))
    raced = measure(
        f"PoW with delay and forks, N = {count}",
        lambda: pj.simulate_many(keys, scenario, blocks).interval,
        seeds * blocks,
        repeats,
    )
    return raced / alone


def import_time(statement):
    """Median seconds of an import in a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    return statistics.median(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))


def main():
    """Measure everything and print the table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--plain", action="store_true", help="only the plain baseline, in this process")
    options = parser.parse_args()
    repeats = 3 if options.quick else 7
    if options.plain:
        print(json.dumps(plain_training(repeats)))
        return
    devices.use_all_cores()
    print({**devices.versions(), **devices.machine()})
    output = subprocess.check_output(
        [sys.executable, __file__, "--plain", *(["--quick"] if options.quick else [])], text=True
    )
    line, plain = output.strip().rsplit("\n", 1)
    print(line)
    blocked = blocked_training(repeats)
    live, useful = live_rounds(min(repeats, 3), 8 if options.quick else 16)
    nine, sixteen = races(9, repeats), races(16, repeats)
    base = import_time("import jax, flax, optax, flax.linen")
    added = import_time("import jax, flax, optax, flax.linen, polejax") - base
    print(f"\nblocked training / plain            {blocked / float(plain):6.2f}   (at least 1.5)")
    print(f"live rounds / plain                 {live / float(plain):6.2f}")
    print(f"useful share of lane-steps          {useful:6.2f}   (at least 0.7)")
    print(f"PoW / its random numbers, N = 9     {nine:6.2f}   (at least 0.5)")
    print(f"PoW / its random numbers, N = 16    {sixteen:6.2f}   (at least 0.5)")
    print(f"import polejax adds                 {added:6.2f} s (at most 0.5; jax, flax, optax take {base:.2f} s)")


if __name__ == "__main__":
    main()
