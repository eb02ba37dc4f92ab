"""What studies cost, as ratios measured in one run, compile time apart: `python experiments/benchmarks/studies.py`.

Banks beside live training that goes on to the same number of steps; replayed rounds beside Proof of Work's; the share
of a study's wall time in which its compiled programs run. The calls to be compared take turns; rates of the first two
are per second of one core, where the platform can (Linux), to which the process keeps from before JAX starts
(`rounds.keep_to_one_core`).

Live rounds measure no more than they must, a bank both accuracies at every evaluation. Live rounds do the same
arithmetic where everybody claims at every evaluation. Where nobody ever claims they do less of it, by a factor that
the table gives; it is products, which run at the core's full rate.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
from rounds import keep_to_one_core, seconds_of

import polejax as pj
from polejax._core import devices
from polejax.learning import models

STEPS, LANES, REPEATS = 400, 16, 5


def banks(bank_rounds):
    """A bank, and the rates of its training, of live rounds that never stop early, and of rounds as they are."""
    task = pj.tasks.digits()

    def live(**rules):
        mechanism = pj.PoLe(task, max_steps=STEPS, **rules)
        scenario = pj.Scenario(pj.nodes.equal(LANES, total=LANES), pj.network.instant(LANES), mechanism)
        return lambda: pj.simulate_many(jax.random.split(jax.random.key(0), 1), scenario, bank_rounds).computed

    pole = pj.PoLe(task)
    calls = {
        "bank": lambda: pj.learning_curves(jax.random.key(0), pole, LANES * bank_rounds, num_steps=STEPS).validation,
        "live to the end, every evaluation verified, none accepted": live(threshold=0.0, accept=1.0),
        "live to the end, claims from 0.9 on verified, none accepted": live(threshold=0.9, accept=1.0),
        "live to the end, nobody claims, nothing verified": live(threshold=1.0, accept=1.0),
        "live as it is, stopping early": live(threshold=0.9),
    }
    steps = [LANES * bank_rounds * STEPS, *(float(np.sum(call())) for call in list(calls.values())[1:])]
    rates = np.array(steps) / seconds_of(*calls.values(), repeats=REPEATS)
    found = [("bank, steps/s of one core", float(rates[0]), "")]
    for name, rate in zip(list(calls)[1:], rates[1:], strict=True):
        less = f", {_unverified(pole.recipe):.2f} of the bank's arithmetic a step" if "nothing verified" in name else ""
        found.append((f"bank / {name}", float(rates[0] / rate), f"at least 0.9; {rate:,.0f} steps/s{less}"))
    return pj.learning_curves(jax.random.key(0), pole, 1_024), found


def _unverified(recipe):
    """Arithmetic of training and validating as a share of that and testing; biases are counted as products."""
    stretch = recipe.evaluate_every * recipe.step_flops
    sample = 2 * models.num_parameters(recipe.model, recipe.mapped_features)
    live = stretch + sample * len(recipe.task.validation_labels)
    return live / (live + sample * len(recipe.task.test_labels))


def races(bank, count, num_blocks=4_000):
    """Replayed rounds beside Proof of Work's, at a fixed and at a moving difficulty each."""
    nodes, network = pj.nodes.equal(count), pj.network.clique(count, 10.0)
    keys = jax.random.split(jax.random.key(0), 1_024 // count)
    moving = {"difficulty": pj.difficulty.accuracy(600.0)}
    scenarios = {
        "PoW": pj.Scenario(nodes, network, pj.PoW(600.0)),
        "Replay": pj.Scenario(nodes, network, pj.Replay(bank, 0.9)),
        "PoW, moving": pj.Scenario(nodes, network, pj.PoW(600.0), difficulty=pj.difficulty.window(10, 600.0)),
        "Replay, moving": pj.Scenario(nodes, network, pj.Replay(bank, 0.9), **moving),
    }
    calls = [lambda s=s: pj.simulate_many(keys, s, num_blocks).interval for s in scenarios.values()]
    rates = keys.size * num_blocks / np.array(seconds_of(*calls, repeats=REPEATS))
    still, moved = float(rates[1] / rates[0]), float(rates[3] / rates[2])
    return [
        (f"N = {count}: Replay / PoW", still, f"at least 0.5; {rates[1]:,.0f} blocks/s"),
        (f"N = {count}: the same of a moving difficulty", moved, f"{rates[3]:,.0f} blocks/s"),
    ]


def shares(bank, num_seeds=1_000, num_blocks=1_000):
    """The share of a study's wall time in which the devices compute, at a million rounds."""
    nodes, network = pj.nodes.from_shares([30, 29, 12, 11, 8, 5, 3, 1, 1]), pj.network.clique(9, 10.0)
    mechanisms = {"PoW": pj.PoW(600.0), "Replay": pj.Replay(bank, 0.9)}
    scenarios = {name: pj.Scenario(nodes, network, mechanism) for name, mechanism in mechanisms.items()}
    found = {(name, records): [] for name in scenarios for records in ("blocks", "chains")}
    for _ in range(2 * REPEATS + 1):  # the first compiles
        for (name, records), timings in found.items():
            with tempfile.TemporaryDirectory() as out:
                begin = time.perf_counter()
                result = pj.study(scenarios[name], num_seeds, num_blocks, out, records=records)
                wall = time.perf_counter() - begin
                timings.append((result.timings()["run_seconds"] / wall, wall))
    rows, walls = [], {}
    for (name, records), timings in found.items():
        share, walls[name, records] = np.median(timings[1:], axis=0)
        label = f"study of {num_seeds * num_blocks:,} rounds, {name}, {records}: computing"
        rows.append((label, float(share), f"at least 0.9 of {walls[name, records]:.2f} s"))
    for records in ("blocks", "chains"):
        ratio = float(walls["PoW", records] / walls["Replay", records])
        rows.append((f"rounds a second of these studies, Replay / PoW, {records}", ratio, "at least 0.5"))
    return rows


def rows(quick=False):
    """(label, value, note) of everything; on a CPU the study's own runs are in another process, on all cores."""
    cores = keep_to_one_core()
    bank, found = banks(2 if quick else 8)
    for count in (9, 16):
        found += races(bank, count)
    if jax.default_backend() != "cpu":  # which one process holds at a time
        return found + shares(bank)
    if cores:
        os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bank.nc")
        bank.save(path)
        command = [sys.executable, __file__, "--shares", path]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return found + [tuple(row) for row in json.loads(output.splitlines()[-1])]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--shares", metavar="BANK", help="the study's table alone, of a bank in this file, as JSON")
    options = parser.parse_args()
    if options.shares:
        devices.use_all_cores()
        print(json.dumps(shares(pj.load_bank(options.shares))))
        return
    for label, value, note in rows(options.quick):
        print(f"{label:80}{value:12,.2f}   {note}", flush=True)


if __name__ == "__main__":
    main()
