"""Training against the machine's limit and against others, as ratios measured in one run; compile time apart.

    .venv/bin/python benchmarks/training_rates.py [--quick] [--torch-python PATH] [--network 64-32-10]

Three networks: 64-32-10 behind a frozen 64 x 64 layer, as PoLe's nodes train by default; 784-128-10 and a small
convolutional network on images of 28 x 28, without a layer. Batches of 32 of 1,000 samples, plain gradient descent. A
lane-step is one step of one network.

Useful FLOPs: two for every multiply-add of the matrix products that a step cannot do without. A dense layer of D
inputs and F outputs needs 2 M D F for M samples forward, as much again for its kernel's gradient, and as much for its
input's, which the first layer's inputs, being data, do not need; a 3 x 3 convolution is a dense layer of 9 C inputs at
every pixel. A Secure Mapping Layer applied ahead counts nothing. The limit is the fastest large product of float32
matrices, one on every device at once. Preparation (layers, shuffles, mapping, initial weights) is in all rates; what a
further step costs is the difference to three times as many steps.

Baselines: plain `jit(vmap(scan))` on one XLA device, in a process of its own; benchmarks/torch_training.py where a
Python with torch is at hand.
"""

import argparse
import functools
import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import polejax as pj
from polejax._core import devices, lanes
from polejax.learning import models, training
from polejax.learning.recipe import Recipe

BATCH, RATE = 32, 0.1


class Network(NamedTuple):
    """A network, how many train, and for how many steps; `layered` puts a square frozen layer before it.

    `products` are its matrix products: rows a sample, inputs and outputs of each.
    """

    name: str
    model: Any
    products: tuple[tuple[int, int, int], ...]
    layered: bool
    lanes: int
    steps: int

    @property
    def lane_steps(self) -> int:
        """Of one run."""
        return self.lanes * self.steps

    @property
    def features(self) -> int:
        """Of a sample."""
        return 64 if self.name == "64-32-10" else 784

    @property
    def flops(self) -> int:
        """Useful floating-point operations of a lane-step."""
        first, *others = (2 * BATCH * rows * inputs * outputs for rows, inputs, outputs in self.products)
        return 2 * first + 3 * sum(others)


IMAGES = models.ConvolutionalNetwork((28, 28))
NETWORKS = (
    Network("64-32-10", models.MultilayerPerceptron((32,)), ((1, 64, 32), (1, 32, 10)), True, 1_024, 100),
    Network("784-128-10", models.MultilayerPerceptron((128,)), ((1, 784, 128), (1, 128, 10)), False, 64, 50),
    Network("convolutional", IMAGES, ((784, 9, 8), (196, 72, 16), (1, 784, 10)), False, 32, 20),
)


def median_time(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median seconds of a call, and how much longer the first took, which compiled."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - begin)
    typical = statistics.median(times[1:])
    return typical, max(0.0, times[0] - typical)


@functools.cache
def task_of(network: Network) -> Any:
    """The digits, or random data of the size of MNIST's images: speed does not depend on the data."""
    if network.features == 64:
        return pj.tasks.digits()
    rng = np.random.default_rng(0)
    images, labels = rng.random((1_250, 28, 28), np.float32), np.arange(1_250) % 10
    return pj.tasks.from_arrays(images, labels, fractions=(0.8, 0.1, 0.1))


class PlainPerceptron(nn.Module):
    """A perceptron of Flax's own layers."""

    hidden: int

    @nn.compact
    def __call__(self, inputs: Any) -> Any:
        """Return logits f32[M, 10]."""
        return nn.Dense(10)(nn.relu(nn.Dense(self.hidden)(inputs)))


class PlainConvolutional(nn.Module):
    """The small convolutional network of Flax's own layers."""

    @nn.compact
    def __call__(self, inputs: Any) -> Any:
        """Return logits f32[M, 10]."""
        image = inputs.reshape(-1, 28, 28, 1)
        for channels in (8, 16):
            image = nn.max_pool(nn.relu(nn.Conv(channels, (3, 3))(image)), (2, 2), (2, 2))
        return nn.Dense(10)(image.reshape(image.shape[0], -1))


def plain(network: Network) -> Callable[[], Any]:
    """Training as anyone would write it: `jit(vmap(scan))` over Flax's layers, the frozen one in every step."""
    dense = isinstance(network.model, models.MultilayerPerceptron)
    model = PlainPerceptron(*network.model.hidden) if dense else PlainConvolutional()
    task = jax.tree.map(jnp.asarray, task_of(network))
    inputs, labels = task.train_inputs, task.train_labels
    keys = jax.random.split(jax.random.key(0), network.lanes)

    def train(key: Any) -> Any:
        begin, layer_key, batches = jax.random.split(key, 3)
        params = model.init(begin, inputs[:1])
        layer = jax.random.normal(layer_key, (network.features,) * 2) / network.features**0.5

        def loss(params: Any, inputs: Any, labels: Any) -> Any:
            logits = model.apply(params, inputs @ layer if network.layered else inputs)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        def step(params: Any, key: Any) -> Any:
            chosen = jax.random.randint(key, (BATCH,), 0, inputs.shape[0])
            gradient = jax.grad(loss)(params, inputs[chosen], labels[chosen])
            return jax.tree.map(lambda p, g: p - RATE * g, params, gradient), None

        return jax.lax.scan(step, params, jax.random.split(batches, network.steps))[0]

    return functools.partial(jax.jit(jax.vmap(train)), keys)


def blocked(network: Network, steps: int) -> Callable[[], Any]:
    """The same training as polejax's rounds do it: layers and shuffles derived and data mapped inside."""
    recipe = Recipe(
        task_of(network),
        model=network.model,
        sml=pj.SecureMappingLayer() if network.layered else None,
        make_optimiser=optax.sgd,
        learning_rate=RATE,
        batch_size=BATCH,
    )
    recipe = jax.tree.map(jnp.asarray, recipe)
    keys = jax.random.split(jax.random.key(0), network.lanes)
    tips = jax.random.bits(jax.random.key(1), (network.lanes, 8), jnp.uint32)

    def block(keys: Any, tips: Any, recipe: Recipe) -> Any:
        material = training.prepare(recipe, keys, tips, jnp.arange(keys.shape[0], dtype=jnp.uint32))
        return training.train(recipe, material, training.begin(recipe, keys, material), steps).params

    share = network.lanes // len(jax.devices())
    width = lanes.in_lockstep(share, recipe.cached_lanes, recipe.node_bytes, jax.devices())
    return functools.partial(lanes.sharded(block, width, tuple(jax.devices()), (2,), 3), keys, tips, recipe)


def gemm_peak(repeats: int) -> float:
    """FLOP/s of the fastest large product of float32 matrices, one on every device."""
    best = 0.0
    for size in (1_024, 2_048, 4_096):
        left, right = (jax.random.normal(jax.random.key(i), (len(jax.devices()), size, size)) for i in (0, 1))
        product = lanes.sharded(lambda left, right: left @ right, 1, tuple(jax.devices()), (), 2)
        seconds, _ = median_time(functools.partial(product, left, right), repeats)
        best = max(best, 2.0 * size**3 * len(jax.devices()) / seconds)
    return best


def from_process(command: list[str]) -> list[dict[str, Any]]:
    """What a process printed, a JSON object a line."""
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def torch_python(given: str | None) -> str | None:
    """A Python that has torch: the one given, else this one if it can import it."""
    candidate = given or sys.executable
    probe = subprocess.run([candidate, "-c", "import torch"], stderr=subprocess.DEVNULL)
    return candidate if probe.returncode == 0 else None


def rows(quick: bool = False, torch: str | None = None, names: tuple[str, ...] = ()) -> list[tuple[str, float, str]]:
    """Measure everything.

    Args:
      quick: fewer repeats.
      torch: a Python that has torch; None for this one, if it has.
      names: of the networks to measure; () for all.

    Returns:
      (label, value, note) of every measurement; a ratio's note says what the issue asks for.
    """
    chosen = [network for network in NETWORKS if not names or network.name in names]
    flags = [*(["--quick"] if quick else []), *(part for one in chosen for part in ("--network", one.name))]
    repeats = 3 if quick else 7
    others = from_process([sys.executable, __file__, "--plain", *flags])
    if python := torch_python(torch):
        script = pathlib.Path(__file__).with_name("torch_training.py")
        others += from_process([python, str(script), *flags])
    found = []
    for network in chosen:
        peak = gemm_peak(repeats)
        seconds, compiling = median_time(blocked(network, network.steps), repeats)
        rate = network.lane_steps / seconds
        longer, _ = median_time(blocked(network, 3 * network.steps), repeats)
        further = 2 * network.lane_steps / max(longer - seconds, 1e-9)
        useful = rate * network.flops
        found += [
            (f"{network.name}: polejax, lane-steps/s", rate, f"compile {compiling:.1f} s"),
            (f"{network.name}: useful FLOPs a lane-step", float(network.flops), ""),
            (f"{network.name}: useful GFLOP/s", useful / 1e9, f"large product {peak / 1e9:.0f} GFLOP/s"),
            (f"{network.name}: useful / large product", useful / peak, "preparation included"),
            (f"{network.name}: the same of every further step", further * network.flops / peak, "at least 0.5"),
        ]
        for other in (line for line in others if line["network"] == network.name):
            found += [
                (f"{network.name}: {other['way']}, lane-steps/s", other["rate"], f"compile {other['compile']:.1f} s"),
                (f"{network.name}: polejax / {other['way']}", rate / other["rate"], WANTED.get(other["way"], "")),
            ]
    return found


WANTED = {
    "plain": "at least 2.5",
    "torch compiled": "at least 3",
    "torch compiled, mapped ahead": "at least 3",
    "torch loop": "at least 50",
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--plain", action="store_true", help="only the plain baseline, in this process, as JSON")
    parser.add_argument("--torch-python", help="a Python that has torch (this one, if it has)")
    parser.add_argument("--network", action="append", default=[], help="only this one (may be repeated)")
    options = parser.parse_args()
    if options.plain:
        for network in (one for one in NETWORKS if not options.network or one.name in options.network):
            seconds, compiling = median_time(plain(network), 3 if options.quick else 7)
            line = {"network": network.name, "way": "plain", "rate": network.lane_steps / seconds, "compile": compiling}
            print(json.dumps(line), flush=True)
        return
    devices.use_all_cores()
    print({**devices.versions(), **devices.machine()})
    for label, value, note in rows(options.quick, options.torch_python, tuple(options.network)):
        print(f"{label:52} {value:14,.2f}   {note}")


if __name__ == "__main__":
    main()
