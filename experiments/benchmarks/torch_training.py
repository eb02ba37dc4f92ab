"""Training the networks of training_rates.py in PyTorch, as its users would: `python benchmarks/torch_training.py`.

Runs under any Python that has torch (`pip install polejax[bench]`) and needs nothing else, polejax included. Every line
of standard output is one JSON object: {"network": ..., "way": "torch ...", "rate": lane-steps a second, "compile":
seconds}. Ways, each on all cores:

- "compiled": all lanes in one `torch.func.vmap(grad)` step under `torch.compile`, a layer's frozen product inside every
  step;
- "compiled, mapped ahead": the data mapped once before the first step, which the time includes, as polejax does it;
- "eager": the better of the two without `torch.compile`;
- "loop": node after node, each with its own module, `torch.optim.SGD` and `loss.backward()`; a few nodes, per step.

Plain gradient descent on random data in batches of 32, gathered from 1,000 samples: speed does not depend on the data.
"""

import argparse
import functools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

SAMPLES, BATCH, RATE = 1_000, 32, 0.1

NETWORKS: dict[str, tuple[int, int, bool, int]] = {  # features, lanes, behind a square layer, steps
    "64-32-10": (64, 1_024, True, 100),
    "784-128-10": (784, 64, False, 50),
    "convolutional": (784, 32, False, 20),
}


def make(network: str) -> nn.Module:
    """Build one node's network."""
    if network == "convolutional":
        stages = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        stages += [nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(nn.Unflatten(-1, (1, 28, 28)), *stages, nn.Flatten(), nn.Linear(16 * 7 * 7, 10))
    features, units, classes = map(int, network.split("-"))
    return nn.Sequential(nn.Linear(features, units), nn.ReLU(), nn.Linear(units, classes))


def vectorised(network: str, ahead: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """One step of all lanes, and a run of all steps that takes the step, compiled or not."""
    features, lanes, layered, steps = NETWORKS[network]
    data, labels = torch.randn(SAMPLES, features), torch.randint(0, 10, (SAMPLES,))
    modules = [make(network) for _ in range(lanes)]
    start = {name: value.detach() for name, value in stack_module_state(modules)[0].items()}
    layer = torch.randn(lanes, features, features) / features**0.5 if layered else None
    lane = torch.arange(lanes)[:, None]

    def loss(params: Any, layer: Any, inputs: Any, labels: Any) -> Any:
        mapped = inputs if layer is None else inputs @ layer
        return functional.cross_entropy(functional_call(modules[0], params, (mapped,)), labels)

    def step(params: Any, mapped: Any, chosen: Any) -> Any:
        if layer is None or not ahead:
            inputs, frozen = data[chosen], layer
        else:
            inputs, frozen = mapped[lane, chosen], None
        in_dims = (0, None if frozen is None else 0, 0, 0)
        gradients = vmap(grad(loss), in_dims=in_dims)(params, frozen, inputs, labels[chosen])
        return {name: value - RATE * gradients[name] for name, value in params.items()}

    def run(step: Callable[..., Any], steps: int = steps) -> None:
        params = start
        mapped = torch.einsum("nd,lde->lne", data, layer) if ahead and layer is not None else None
        for _ in range(steps):
            params = step(params, mapped, torch.randint(0, SAMPLES, (lanes, BATCH)))

    return step, run


def loop(network: str) -> None:
    """Train one node."""
    features, _, layered, steps = NETWORKS[network]
    data, labels = torch.randn(SAMPLES, features), torch.randint(0, 10, (SAMPLES,))
    layer = torch.randn(features, features) / features**0.5
    module = make(network)
    optimiser = torch.optim.SGD(module.parameters(), lr=RATE)
    for _ in range(steps):
        chosen = torch.randint(0, SAMPLES, (BATCH,))
        inputs = data[chosen] @ layer if layered else data[chosen]
        optimiser.zero_grad()
        functional.cross_entropy(module(inputs), labels[chosen]).backward()
        optimiser.step()


def seconds(run: Callable[[], Any], repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def rates(network: str, repeats: int) -> Iterator[tuple[str, float, float]]:
    """Yield each way's name, its lane-steps a second, and the seconds that compiling it took."""
    _, lanes, layered, steps = NETWORKS[network]
    found: dict[str, tuple[float, float]] = {}
    for ahead in (False, True) if layered else (False,):
        for way in ("eager", "compiled, mapped ahead" if ahead else "compiled"):
            step, run = vectorised(network, ahead)
            step = step if way == "eager" else torch.compile(step)
            begin = time.perf_counter()
            run(step, 2)
            spent = time.perf_counter() - begin
            rate = lanes * steps / seconds(functools.partial(run, step), repeats)
            found[way] = max(found.get(way, (0.0, 0.0)), (rate, spent))
    for way, (rate, spent) in found.items():
        yield way, rate, spent
    loop(network)
    yield "loop", steps / seconds(lambda: loop(network), max(repeats, 5)), 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="only this one (may be repeated)")
    options = parser.parse_args()
    torch.manual_seed(0)
    for network in options.network or NETWORKS:
        for way, rate, spent in rates(network, 3 if options.quick else 5):
            line = {"network": network, "way": f"torch {way}", "rate": rate, "compile": spent}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
