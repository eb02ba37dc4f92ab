"""A study small enough to be killed twenty times, and the processes that run it; `python studies.py` is one of them."""

import os
import signal
import sys
import time

SEEDS, BLOCKS, SHARD = 300, 6, 2


def scenarios():
    import polejax as pj

    nodes, network = pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=60.0)
    return [pj.Scenario(nodes, network, pj.PoW(work=work)) for work in (300.0, 600.0)]


def run(out, **options):
    import polejax as pj

    return pj.study(scenarios(), SEEDS, BLOCKS, out, seed=3, seeds_per_shard=SHARD, **options)


def _child(out, ready):
    """Run the study; say so when the first shard of this life is done."""
    os.close(ready[0])
    run(out, progress=lambda progress: os.write(ready[1], b"."))
    os._exit(0)


def kill_often(out, kills, seed):
    """Start the study and kill it at random moments, `kills` times; print how far each life came."""
    import numpy as np

    import polejax  # imported once, before the forks: no backend is running yet

    assert polejax
    rng = np.random.default_rng(seed)
    for life in range(kills):
        ready = os.pipe()
        child = os.fork()
        if child == 0:
            _child(out, ready)
        os.close(ready[1])
        if life % 5 == 4:
            time.sleep(rng.uniform(0.0, 1.5))  # while it starts and compiles, as well
        else:
            os.read(ready[0], 1)
            time.sleep(rng.uniform(0.0, 0.05))
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

    import polejax as pj

    unit = 2**20 if sys.platform == "darwin" else 2**10
    for count in seeds:
        pj.study(scenarios()[0], count, 250, f"{out}-{count}", records="chains", seeds_per_shard=256)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, flush=True)


if __name__ == "__main__":
    command, out, *numbers = sys.argv[1:]
    {"kill": kill_often, "rank": run_as, "peaks": peaks}[command](out, *map(int, numbers))
