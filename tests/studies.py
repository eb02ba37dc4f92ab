"""Studies small enough to be killed twenty times, and processes that run them; `python studies.py` is one of them."""

import os
import select
import signal
import subprocess
import sys
import time

import numpy as np

import polejax as pj  # imported once, before the forks: no backend is running yet
from polejax._core import netcdf

SEEDS, BLOCKS, SHARD = 40, 6, 2
MANY = 160  # seeds, of a study that is killed: twenty lives must not be enough for it, on fast machines either


def scenarios():
    nodes, network = pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=60.0)
    return [pj.Scenario(nodes, network, pj.PoW(work=work)) for work in (300.0, 600.0)]


def run(out, seeds=SEEDS, **options):
    return pj.study(scenarios(), seeds, BLOCKS, out, seed=3, seeds_per_shard=SHARD, **options)


def parts(out):
    """Each shard's arrays by name."""
    folder = os.path.join(out, "parts")
    return {name: netcdf.read(os.path.join(folder, name))[0] for name in sorted(os.listdir(folder))}


def assert_same_parts(out, whole):
    found, expected = parts(out), parts(whole)
    assert found.keys() == expected.keys()
    for name, arrays in expected.items():
        for variable, array in arrays.items():
            np.testing.assert_array_equal(found[name][variable], array, err_msg=f"{name}: {variable}")


def spawn(*arguments):
    """A process of one device that does what a command below says."""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1", "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, text=True
    )


def _child(out, ready):
    """Run the study; say so when the first shard of this life is done."""
    os.close(ready[0])
    run(out, MANY, progress=lambda progress: os.write(ready[1], b"."))
    os._exit(0)


def kill_often(out, kills, seed):
    """Start the study and kill it at random moments, `kills` times; print how far each life came."""
    rng = np.random.default_rng(seed)
    for life in range(kills):
        ready = os.pipe()
        child = os.fork()
        if child == 0:
            _child(out, ready)
        os.close(ready[1])
        # Once it has written a shard, or at any time while it starts and compiles.
        select.select([ready[0]], [], [], rng.uniform(0.0, 1.5) if life % 5 == 4 else None)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(ready[0])
        done = sum(name.endswith(".nc") and not name.startswith(".") for name in os.listdir(os.path.join(out, "parts")))
        print(done, os.WIFSIGNALED(status), flush=True)


def run_as(out, rank, port):
    """Run as one of two processes of `jax.distributed`."""
    import jax

    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=rank)
    run(out)


def peaks(out, *seeds):
    """Print this process's peak memory, MB, after studies of so many seeds in shards of 256, one after the other."""
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    for count in seeds:
        pj.study(scenarios()[0], count, 250, f"{out}-{count}", records="chains", seeds_per_shard=256)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, flush=True)


if __name__ == "__main__":
    command, out, *numbers = sys.argv[1:]
    {"kill": kill_often, "rank": run_as, "peaks": peaks}[command](out, *map(int, numbers))
