"""Every rate that polejax is chosen by, as ratios measured in one run against named baselines; compile time apart.

    .venv/bin/python experiments/benchmarks/throughput.py [--quick] [--only NAME ...] [--torch-python PATH]

Each part runs in a process of its own, one after the other; the whole table is printed and written into
experiments/benchmarks/README.md, with the machine, the versions, the command and the date. Measure on an idle machine.
"""

import argparse
import datetime
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from training_rates import median_time

import polejax as pj
from polejax._core import devices, draw, lanes

HERE = Path(__file__).resolve().parent
Row = tuple[str, float, str]  # what, how much, and what it should be or is beside


def median_rate(run: Callable[[], Any], count: float, repeats: int) -> tuple[float, float]:
    """Median rate of `run`, which does `count` units of work, and how much longer the first call took (s)."""
    seconds, compiling = median_time(run, repeats)
    return count / seconds, compiling


def live_rounds(quick: bool) -> list[Row]:
    """Whole PoLe rounds: preparation, training, evaluation, early stopping, verification, headers."""
    scenario = pj.Scenario(pj.nodes.equal(16, total=16.0), pj.network.clique(16, 2.0), pj.PoLe(pj.tasks.digits()))
    keys, blocks = jax.random.split(jax.random.key(0), 16), 8 if quick else 16
    history = pj.simulate_many(keys, scenario, blocks)
    steps = float(history.computed.sum(dtype=np.float64))
    rate, compiling = median_rate(lambda: pj.simulate_many(keys, scenario, blocks).interval, steps, 3)
    return [
        ("lane-steps/s, everything included", rate, f"compile {compiling:.1f} s"),
        ("blocks/s of 16 nodes", rate * keys.size * blocks / steps, ""),
        ("useful share of lane-steps", float(history.useful.sum(dtype=np.float64)) / steps, "at least 0.85"),
    ]


def races(quick: bool) -> list[Row]:
    """PoW by rounds, one random number per node and height, against those numbers alone."""
    found: list[Row] = []
    for count in (9, 16):
        found += _races(count, 3 if quick else 7)
    return found


def _races(count: int, repeats: int, blocks: int = 2_000, seeds: int = 512) -> list[Row]:
    shares = [30, 29, 12, 11, 8, 5, 3, 1, 1] if count == 9 else np.ones(count)
    scenario = pj.Scenario(pj.nodes.from_shares(shares), pj.network.clique(count, 10.0), pj.PoW(600.0))
    keys = jax.random.split(jax.random.key(0), seeds)
    address = jnp.arange(count, dtype=jnp.uint32)

    def numbers(key: Any) -> Any:
        def draw_height(total: Any, height: Any) -> tuple[Any, None]:
            return total + draw.exponential(jax.random.fold_in(key, height), address), None

        return jax.lax.scan(draw_height, jnp.zeros(count), jnp.arange(blocks))[0]

    alone = 0.0
    for chains in (32, 64, 128, 256, seeds // len(jax.devices())):  # the baseline at its best
        compiled = lanes.sharded(lanes.each(numbers, chains, (), 1), chains, tuple(jax.devices()), (), 1)
        alone = max(alone, median_rate(functools.partial(compiled, keys), seeds * blocks, repeats)[0])
    raced, compiling = median_rate(lambda: pj.simulate_many(keys, scenario, blocks).interval, seeds * blocks, repeats)
    return [
        (f"N = {count}: blocks/s with delay and forks", raced, f"compile {compiling:.1f} s"),
        (f"N = {count}: / its random numbers alone", raced / alone, "at least 0.5"),
    ]


def first_results(quick: bool) -> list[Row]:
    """The main job from a fresh process: when it first says something, when a figure is there, what compiling took."""
    with tempfile.TemporaryDirectory() as folder:
        begin, wall = time.perf_counter(), time.time()
        command = [sys.executable, "-m", "polejax", "compare", "--out", folder, *(["--blocks", "8"] if quick else [])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
            assert job.stdout is not None
            job.stdout.readline()
            first, output = time.perf_counter() - begin, job.stdout.read()
        drawn = min(path.stat().st_mtime for path in (Path(folder) / "figures").iterdir()) - wall
    compiling = output.strip().rsplit("compiling: ", 1)[-1]
    return [
        ("`polejax compare`: first progress, s", first, "at most 10"),
        ("`polejax compare`: first figure, s", drawn, f"at most 90; of which compiling: {compiling}"),
        *_imports(),
    ]


def _imports() -> list[Row]:
    def seconds(statement: str) -> float:
        code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
        return statistics.median(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))

    base = seconds("import jax, flax, optax, flax.linen")
    added = seconds("import jax, flax, optax, flax.linen, polejax") - base
    return [("`import polejax` adds, s", added, f"at most 0.5; jax, flax, optax take {base:.2f} s")]


PARTS = {  # name: title, module, function
    "training": ("Training, against plain XLA, PyTorch and the largest product", "training_rates", "rows"),
    "live": ("Live rounds of Proof of Learning", "throughput", "live_rounds"),
    "pow": ("Proof of Work as a Poisson process", "pow_rates", "rows"),
    "races": ("Proof of Work by rounds", "throughput", "races"),
    "rounds": ("Rounds on networks (one core)", "rounds", "rows"),
    "hashes": ("Real hashing", "hash_rates", "rows"),
    "studies": ("Banks, replay and studies", "studies", "rows"),
    "scaling": ("Rates by the number of chains, and the device's limits", "scaling", "accelerator_rows"),
    "first": ("First results", "throughput", "first_results"),
}


def measure(name: str, quick: bool, torch: str | None) -> list[Row]:
    """Rows of one part, from a process of its own."""
    _, module, function = PARTS[name]
    options = [f"quick={quick}", *([f"torch={torch!r}"] if name == "training" else [])]
    cores = "" if name in ("rounds", "studies") else "devices.use_all_cores(); "
    code = (
        f"import json; from polejax import devices; {cores}import {module} as part; "
        f"rows = part.{function}({', '.join(options)}); print(); print(json.dumps(rows))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))},
    ).stdout
    return [(str(label), float(value), str(note)) for label, value, note in json.loads(output.splitlines()[-1])]


def table(name: str, rows: list[Row]) -> list[str]:
    """A part in Markdown."""
    lines = ["", f"### {PARTS[name][0]}", "", "| | measured | |", "|---|---:|---|"]
    return lines + [f"| {label} | {_digits(value)} | {note} |" for label, value, note in rows]


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(tables: list[str], arguments: list[str]) -> None:
    """Put the tables under the README's last heading, with what they were measured on and how."""
    page = HERE / "README.md"
    head = page.read_text().split("## Measured\n")[0]
    about = {**devices.versions(), **devices.machine()}
    words = ", ".join(
        f"{name} {value}" for name, value in about.items() if name not in ("matplotlib", "xarray", "tyro")
    )
    command = " ".join(["python experiments/benchmarks/throughput.py", *arguments])
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    page.write_text("\n".join([f"{head}## Measured", "", f"{when}, `{command}`; {words}.", *tables, ""]))


def main() -> None:
    """Measure everything, print it, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats; the README is left as it is")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to measure; the README is left as it is")
    parser.add_argument("--torch-python", help="a Python that has torch (this one, if it has)")
    options = parser.parse_args()
    devices.use_all_cores()
    tables = []
    for name in options.only or PARTS:
        begin = time.perf_counter()
        rows = measure(name, options.quick, options.torch_python)
        if not rows:
            continue
        lines = table(name, rows)
        tables += lines
        print("\n".join(lines), f"\n({time.perf_counter() - begin:.0f} s)", flush=True)
    if not options.quick and not options.only:
        write(tables, sys.argv[1:])


if __name__ == "__main__":
    main()
