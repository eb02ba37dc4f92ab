"""Studies small enough to be killed twenty times, and processes that run them; `python studies.py` is one of them."""

import concurrent.futures
import os
import select
import signal
import subprocess
import sys
import time

import h5netcdf  # noqa: F401
import h5py
import numpy as np

import polejax as pj

# polejax imports JAX and all of itself, and h5netcdf, when they are first needed: here that is before the forks, once
# for all of them. No backend is running yet.
from polejax import study
from polejax._core import netcdf

SEEDS, BLOCKS, SHARD = 40, 6, 2
MANY = 160  # seeds, of a study that is killed: twenty lives must not be enough for it, on fast machines either


def scenarios():
    nodes, network = pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=60.0)
    return [pj.Scenario(nodes, network, pj.PoW(work=work)) for work in (300.0, 600.0)]


def run(out, seeds=SEEDS, **options):
    return study(scenarios(), seeds, BLOCKS, out, seed=3, seeds_per_shard=SHARD, **options)


def parts(out):
    """Each shard's arrays by name, as they are stored: to read hundreds of files as netCDF would take seconds."""
    found = {}
    for name in sorted(os.listdir(os.path.join(out, "parts"))):
        with h5py.File(os.path.join(out, "parts", name)) as file:
            found[name] = {variable: array[...] for variable, array in file.items()}
    return found


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


class Recorded:
    """An executor that returns the shards that a whole run of the study in another folder left: none is simulated."""

    def __init__(self, whole):
        self.whole = whole

    def submit(self, _, task, shard):
        """What `run_shard` would return."""
        found = concurrent.futures.Future()
        found.set_result((netcdf.read(os.path.join(self.whole, "parts", shard.name))[0], {}))
        return found


def _child(out, ready, executor):
    """Run the study; say so when the first shard of this life is done."""
    os.close(ready[0])
    run(out, MANY, progress=lambda progress: os.write(ready[1], b"."), executor=executor)
    os._exit(0)


def kill_often(out, kills, seed):
    """Start the study and kill it at random moments, `kills` times; print how far each life came.

    Every fifth life simulates, and is killed at any time while it starts and compiles. To compile in all of them takes
    a second each and no other moment of writing: the first simulates a shard, and the others write what is recorded
    in the folder "whole" beside `out`.
    """
    rng = np.random.default_rng(seed)
    recorded = Recorded(os.path.join(os.path.dirname(out), "whole"))
    for life in range(kills):
        starting = life % 5 == 4
        ready = os.pipe()
        child = os.fork()
        if child == 0:
            _child(out, ready, None if starting or life == 0 else recorded)
        os.close(ready[1])
        # Once it has written a shard, or at any time while it starts and compiles.
        select.select([ready[0]], [], [], rng.uniform(0.0, 1.5) if starting else None)
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
        study(scenarios()[0], count, 250, f"{out}-{count}", records="chains", seeds_per_shard=256)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, flush=True)


if __name__ == "__main__":
    command, out, *numbers = sys.argv[1:]
    {"kill": kill_often, "rank": run_as, "peaks": peaks}[command](out, *map(int, numbers))
