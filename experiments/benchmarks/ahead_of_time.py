"""Compile polejax's programs for accelerators that this machine does not have: do they compile, and do they fit?

    pip install 'jax[tpu]' 'jax[cuda12]'              # the compilers, which need no device
    python experiments/benchmarks/ahead_of_time.py [v5e v6e h200 a100 t4]

Nothing runs, so nothing is said of speed or of results. The table is printed and written to ahead_of_time.md.
"""

import argparse
import contextlib
import dataclasses
import datetime
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # libtpu would ask the network which TPU it is on
os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # other processes may be compiling, too

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import polejax as pj
from polejax._core import devices, lanes

HERE = Path(__file__).resolve().parent
TPUS = {"v5e": ("v5e:2x2", 16), "v6e": ("v6e:2x2", 32)}  # topology, and gigabytes of a chip: those of Colab
# NVIDIA's data sheets: compute capability, processors, gigabytes, gigabytes/s, L2 megabytes, shared kilobytes.
GPUS = {
    "h200": ((9, 0), 132, 141, 4_800, 50, 228),
    "a100": ((8, 0), 108, 40, 1_555, 40, 164),
    "t4": ((7, 5), 40, 16, 320, 4, 64),
}


@dataclasses.dataclass(frozen=True)
class Program:
    """What was compiled instead of run."""

    lanes: int  # in lockstep
    seconds: float  # that compiling took
    held: int  # bytes of arguments, results and what is needed in between


def memory(target: str) -> int:
    """Bytes of a device's memory."""
    return (TPUS[target][1] if target in TPUS else GPUS[target][2]) * 10**9


def device_of(target: str) -> Any:
    """A device that is not here.

    Raises:
      ValueError: its compiler is not installed.
    """
    try:
        if target in TPUS:
            return topologies.get_topology_desc(TPUS[target][0], "tpu").devices[0]
        specified = {"topology": "1x1x1", "target_config": _specification(target)}
        return topologies.get_topology_desc("", "cuda", **specified).devices[0]
    except (RuntimeError, NotImplementedError) as error:
        extra = "tpu" if target in TPUS else "cuda12"
        raise ValueError(f"no compiler for {target} is installed: pip install 'jax[{extra}]'") from error


def _specification(target: str) -> str:
    """A GPU as XLA's compiler wants it described, in the text form of its GpuTargetConfigProto."""
    (major, minor), processors, gigabytes, bandwidth, cache, shared = GPUS[target]
    return f"""gpu_device_info {{
        cuda_compute_capability {{ major: {major} minor: {minor} }}
        core_count: {processors} fpus_per_core: {64 if minor or major < 9 else 128} clock_rate_ghz: 1.5
        device_memory_size: {gigabytes * 10**9} memory_bandwidth: {bandwidth * 10**9} l2_cache_size: {cache * 2**20}
        threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: {1024 if minor == 5 else 2048}
        block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
        registers_per_core_limit: 65536 registers_per_block_limit: 65536
        shared_memory_per_block: 49152 shared_memory_per_core: {shared * 2**10}
        shared_memory_per_block_optin: {(shared - 1) * 2**10} }}
        platform_name: "CUDA" dnn_version_info {{ major: 9 minor: 1 }} device_description_str: "{target}" """


@contextlib.contextmanager
def compiling_only(target: str) -> Iterator[list[Program]]:
    """Within, what polejax would run on devices of the target is compiled for them, and answers zeros.

    Enter it once for each target, as polejax keeps its compiled functions.
    """
    found: list[Program] = []
    sharded = lanes.sharded

    def compiled_only(block: Any, width: int, on: Any, replicated: tuple[int, ...], *rest: Any) -> Callable[..., Any]:
        function = sharded(block, width, on, replicated, *rest)
        mesh = jax.make_mesh((len(on),), ("lane",), axis_types=(AxisType.Auto,), devices=on)
        of_all, of_each = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("lane"))

        def answer(*arguments: Any) -> Any:
            shapes = [
                jax.tree.map(functools.partial(_shape, sharding=of_all if index in replicated else of_each), argument)
                for index, argument in enumerate(arguments)
            ]
            begun = time.perf_counter()
            program = function.lower(*shapes).compile()
            held = program.memory_analysis()
            sizes = (held.argument_size_in_bytes, held.output_size_in_bytes, held.temp_size_in_bytes)
            found.append(Program(width, time.perf_counter() - begun, sum(sizes)))
            return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, *shapes))

        return answer

    with (
        mock.patch.object(lanes, "sharded", compiled_only),
        mock.patch.object(lanes, "memory", return_value=memory(target)),
        mock.patch.object(jax, "default_backend", return_value="tpu" if target in TPUS else "gpu"),
        mock.patch.object(jax, "local_devices", return_value=[device_of(target)]),
    ):
        yield found


def _shape(leaf: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.asarray(leaf).dtype
    return jax.ShapeDtypeStruct(np.shape(leaf), dtype, sharding=sharding)


def jobs() -> dict[str, Callable[[Any], Any]]:
    """What researchers call, by name, as functions of the device."""
    nodes = pj.nodes.from_shares([30, 29, 12, 11, 8, 5, 3, 1, 1])
    near = pj.network.clique(9, seconds=10.0)
    far = pj.network.clique(10_000, seconds=10.0)
    pools = pj.Scenario(nodes, near, pj.PoW(work=600.0))
    crowd = pj.Scenario(pj.nodes.equal(10_000), far, pj.PoW(work=600.0))
    pole = pj.Scenario(nodes, near, pj.PoLe(pj.tasks.digits(), threshold=0.9))
    images = pj.tasks.synthetic(0, num_features=784, num_train=8_000)
    wide = pj.models.MultilayerPerceptron(num_classes=images.num_classes, hidden=(128,))
    curves = np.linspace(0.1, 1.0, 80, dtype=np.float32) + np.zeros((4_096, 1), np.float32)
    bank = pj.Bank(curves, curves, np.zeros(4_096, bool), 5, "{}")

    def chains(scenario: pj.Scenario, seeds: int, blocks: int, **options: Any) -> Callable[[Any], Any]:
        keys = jax.random.split(jax.random.key(0), seeds)
        return lambda device: pj.simulate_many(keys, scenario, blocks, devices=[device], **options)

    def sums(scenario: pj.Scenario, **options: Any) -> Callable[[Any], Any]:
        keys = jax.random.split(jax.random.key(0), 4_096)
        return lambda device: pj.tally_many(keys, scenario, 1_000, method="poisson", devices=[device], **options)

    def bank_of(mechanism: pj.PoLe) -> Callable[[Any], Any]:
        return lambda device: pj.learning_curves(jax.random.key(0), mechanism, 4_096, devices=[device])

    return {
        "PoW, 4,096 chains of 1,000 blocks": chains(pools, 4_096, 1_000),
        "the same, a million chains": chains(pools, 2**20, 100),
        "PoW of 10,000 nodes, 64 chains of 1,000": chains(crowd, 64, 1_000),
        "PoW as a Poisson process, 4,096 chains of 1,000": chains(pools, 4_096, 1_000, method="poisson"),
        "sums of it": sums(pools),
        "sums of it, 10,000 nodes": sums(crowd, pooled=64),
        "HashedPoW, 16 chains of 16": chains(pj.Scenario(nodes, near, pj.HashedPoW(work=2.0**16)), 16, 16),
        "PoLe, 4,096 chains of 8": chains(pole, 4_096, 8),
        "learning curves, 64-32-10": bank_of(pole.mechanism),
        "learning curves, 784-128-10": bank_of(pj.PoLe(images, model=wide)),
        "Replay, 4,096 chains of 1,000": chains(pj.Scenario(nodes, near, pj.Replay(bank)), 4_096, 1_000),
    }


def cell(target: str, job: Callable[[Any], Any], device: Any, programs: list[Program]) -> str:
    """What a job's programs need on a device, for the table."""
    programs.clear()
    try:
        job(device)
    except jax.errors.JaxRuntimeError as error:
        return f"does not compile: {str(error).splitlines()[0][:80]}"
    largest = max(programs, key=lambda program: program.held)
    fits = "" if largest.held < memory(target) else ", DOES NOT FIT"
    return (
        f"{largest.held / 1e6:,.0f} MB, {largest.lanes:,} lanes, {sum(each.seconds for each in programs):.0f} s{fits}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Compile every job for every target, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join([*TPUS, *GPUS])}; none: all")
    parser.add_argument("--out", type=Path, default=HERE / "ahead_of_time.md")
    chosen = parser.parse_args(arguments)
    targets = chosen.targets or [*TPUS, *GPUS]
    if unknown := [target for target in targets if target not in {**TPUS, **GPUS}]:
        parser.error(f"TARGET must be of {', '.join([*TPUS, *GPUS])}, got {unknown[0]}")
    try:
        found = {target: device_of(target) for target in targets}
    except ValueError as error:
        parser.error(str(error))
    columns: dict[str, dict[str, str]] = {target: {} for target in targets}
    for target, device in found.items():
        with compiling_only(target) as programs:
            for name, job in jobs().items():
                columns[target][name] = cell(target, job, device, programs)
                print(f"{target}, {name}: {columns[target][name]}", flush=True)
    chosen.out.write_text(page(columns))


def page(columns: dict[str, dict[str, str]]) -> str:
    """The whole page, in Markdown."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    versions = ", ".join(
        f"{name} {version}" for name, version in devices.versions().items() if name in ("polejax", "jax")
    )
    table = [
        "| | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(f"| {name} | " + " | ".join(column[name] for column in columns.values()) + " |" for name in jobs()),
    ]
    return "\n".join(
        [
            HEADING,
            f"{now}, `python experiments/benchmarks/ahead_of_time.py {' '.join(columns)}`; {versions}.",
            "",
            *table,
            "",
        ]
    )


HEADING = """# Compiled for accelerators that are not here

polejax has not run on a GPU or TPU yet. This is what their compilers, which need no device, make of its programs: the
memory that the largest program of each job needs of a device, arguments and results included; how many chains or
networks advance in lockstep in it; how long all the job's programs took to compile, on two CPU cores. Nothing was
run, so nothing is said of speed or of results.
"""


if __name__ == "__main__":
    main(sys.argv[1:])
