"""One valid call of every public callable that looks at results, trains, attacks or reads files."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from calls_of_scenarios import BANK, CLIQUE, KEY, KEYS, NODES, SCENARIO, TASK
from handmade import history
from matplotlib.figure import Figure
from own import NnxNetwork

import polejax as pj
from polejax.attacks.head_start import Identity, Run
from polejax.attacks.theft import Attempt, Encounter

SEEDS, EVALUATIONS = 4, 3
INTERVALS = np.random.default_rng(0).exponential(600.0, (SEEDS, 12)).astype(np.float32)
HISTORY = history(INTERVALS, producer=np.tile([0, 1, 2], (SEEDS, 4)))
CURSED = history(
    INTERVALS,
    learning=pj.mechanisms.Learning(
        *(np.full((SEEDS, 12), 0.5, np.float32), np.zeros((SEEDS, 12), np.int32), np.zeros((SEEDS, 12), bool)),
        *(np.zeros((SEEDS, 12, 3), np.float32), np.full((SEEDS, 12), 0.5, np.float32)),
    ),
)
TALLY = pj.analysis.tally(HISTORY)
SUMMARY = pj.summarise(HISTORY)
MEASURED_CHAIN = pj.analysis.observed(np.cumsum(INTERVALS[0]), miners=list("abcabcabcabc"))
LOAD = pj.Load(pj.analysis.Poisson(0.01), 10)
SERVICE = pj.analysis.Service(
    *(np.full((SEEDS, 12, 1), 6, np.int32) for _ in range(2)),
    np.full((SEEDS, 12, 1), 6.0, np.float32),
    np.tile(np.arange(1, 13, dtype=np.int32)[:, None, None], (SEEDS, 1, 2, 1)),
    *(np.ones((SEEDS, 12, 2), np.float32), np.ones((SEEDS, 12, 2), np.float32), np.zeros(SEEDS, bool)),
)
SERVED = pj.analysis.service(SERVICE, HISTORY, LOAD, confirmations=1, quantiles=[0.5, 0.95], warm_up=1, cool_down=1)
AT_LOADS = pj.analysis.ServiceAtLoads({"one": {0.5: SERVED}}, {"one": {0.5: 9}}, {"one": SUMMARY.interval_mean}, 10)
MODEL = pj.models.MultilayerPerceptron(hidden=(6,), num_classes=3)
POLE = pj.PoLe(TASK, threshold=0.4, model=MODEL, batch_size=16, evaluate_every=2, max_steps=60)
RECIPE = POLE.recipe
WHO = Identity(jax.random.split(KEY, SEEDS), jnp.zeros((SEEDS, 8), jnp.uint32), jnp.arange(SEEDS, dtype=jnp.uint32))
LAYER = {"sml": {"kernel": jnp.ones((12, 12))}}
PARAMS = MODEL.init(KEY, jnp.zeros((1, 12)))["params"]
MANY = jax.tree.map(lambda leaf: jnp.stack([leaf] * SEEDS), PARAMS)
CURVES = np.linspace(0.2, 0.9, SEEDS * (EVALUATIONS + 1), dtype=np.float32).reshape(SEEDS, -1)
RUN = Run(CURVES, CURVES, MANY, MANY)
TRIED = Attempt(CURVES, CURVES, np.float32(2.0), True)
MET = Encounter(POLE, WHO, WHO, RUN, RUN, RUN, EVALUATIONS)
SCORES = np.array([0.2, 0.5, 0.7, 0.9])
INPUTS = np.random.default_rng(0).normal(size=(30, 4))
LABELS = np.tile([0, 1, 2], 10)
SPLIT = (INPUTS, LABELS)
CLAIM = pj.mechanisms.Claim(PARAMS, jnp.zeros(8, jnp.uint32), jnp.uint32(0), jnp.float32(0.5))
PAIRS = {"parts": SCORES, "wholes": SCORES + 1.0, "confidence": 0.95}
MEASURED = {"honest": SCORES, "cheats": SCORES}


def change(recipe, params, old, new):
    """Params as they are."""
    return params


def figure():
    """A figure with axes."""
    drawn = Figure()
    drawn.subplots()
    return drawn


CALLS = {
    "pj.learning_curves": {
        "key": KEY,
        "mechanism": POLE,
        "num_curves": 2,
        "num_steps": 6,
        "out": "bank",
        "devices": jax.devices()[:1],
        "progress": print,
    },
    "pj.load_bank": {"path": "bank.nc", "mechanism": POLE},
    "pj.open_study": {"path": "study"},
    "pj.Results": {"path": "study"},
    "pj.serve": {
        "key_or_keys": KEY,
        "history": history(INTERVALS[0]),
        "load": LOAD,
        "probes": 2,
        "chains": 2,
        "devices": jax.devices()[:1],
    },
    "pj.cite": {},
    "pj.summarise": {"history": HISTORY, "nodes": NODES, "confidence": 0.95},
    "pj.Load.at": {"load": 0.5, "interval": 600.0, "capacity": 10, "fees": [2.0, 1.0], "shares": [0.5, 0.5]},
    "pj.Load": {"arrivals": pj.analysis.Poisson(1.0), "capacity": 10, "fees": [2.0, 1.0], "shares": [0.5, 0.5]},
    "pj.SecureMappingLayer": {
        "features": 4,
        "law": "gaussian",
        "activation": pj.models.relu,
        "shape": (4, 4),
        "patch": 2,
        "standardise": False,
        "fraction_bits": 8,
    },
    "pj.analysis.MarkovModulated": {"rates": [0.1, 1.0], "sojourns": [10.0, 10.0]},
    "pj.analysis.Poisson": {"rate": 1.0},
    "pj.analysis.as_dict": {"result": SUMMARY},
    "pj.analysis.block_fees": {"service": SERVICE, "load": LOAD},
    "pj.analysis.cost": {
        "history": HISTORY,
        "scenario": SCENARIO,
        "joules_per_unit": 1.0,
        "flops_per_unit": 1.0,
        "top": 2,
        "confidence": 0.95,
    },
    "pj.analysis.fairness_exponent": {
        "history": HISTORY,
        "nodes": pj.nodes.from_shares([3.0, 2.0, 1.0]),
        "confidence": 0.95,
    },
    "pj.analysis.fairness": {"history": HISTORY, "nodes": NODES, "majority": 0.5, "confidence": 0.95},
    "pj.analysis.gini": {"shares": [3.0, 2.0, 1.0]},
    "pj.analysis.hhi": {"shares": [3.0, 2.0, 1.0]},
    "pj.analysis.join": {"tallies": [TALLY, TALLY]},
    "pj.analysis.lognormal_fees": {"classes": 3, "mean": 1.0, "sigma": 1.0},
    "pj.analysis.nakamoto": {"shares": [3.0, 2.0, 1.0], "majority": 0.5},
    "pj.analysis.node_work": {"history": HISTORY, "scenario": SCENARIO},
    "pj.analysis.observed": {
        "blocks": [0.0, 600.0, 1300.0, 1700.0],
        "miners": ["a", "b", "a", "a"],
        "heights": [1, 2, 3, 4],
        "confidence": 0.95,
    },
    "pj.analysis.paired": {"first": HISTORY, "second": HISTORY, "confidence": 0.95},
    "pj.analysis.pool": {"rows": TALLY, "pooled": 2},
    "pj.analysis.rewards": {
        "history": HISTORY,
        "block_reward": 1.0,
        "fees": np.ones((SEEDS, 12)),
        "confidence": 0.95,
    },
    "pj.analysis.service": {
        "service": SERVICE,
        "history": HISTORY,
        "load": LOAD,
        "confirmations": 1,
        "quantiles": [0.5, 0.9],
        "warm_up": 1,
        "cool_down": 1,
        "confidence": 0.95,
    },
    "pj.analysis.service_at_loads": {
        "key": KEY,
        "histories": {"one": HISTORY},
        "loads": [0.5, 0.9],
        "capacity": 10,
        "confidence": 0.95,
        "devices": jax.devices()[:1],
    },
    "pj.analysis.tally": {"history": HISTORY},
    "pj.analysis.winner_work": {"history": HISTORY, "scenario": SCENARIO},
    "pj.analysis.winners_curse": {"history": CURSED, "confidence": 0.95},
    "pj.analysis.figures.interval_quantiles": {"histories": {"one": HISTORY}},
    "pj.analysis.figures.interval_series": {"histories": {"one": HISTORY}, "seed": 0, "longest": 10},
    "pj.analysis.figures.interval_survival": {"histories": {"one": HISTORY}, "confidence": 0.95},
    "pj.analysis.figures.latency_against_load": {"service": AT_LOADS},
    "pj.analysis.figures.learning_curves": {
        "history": CURSED,
        "evaluate_every": 2,
        "threshold": 0.5,
        "individual": 1,
    },
    "pj.analysis.figures.save": {"figure": figure(), "path": "figure", "columns": {"a": np.ones(3)}},
    "pj.analysis.figures.variation_and_stale_blocks": {"summaries": {"one": SUMMARY}, "size": "4 seeds"},
    "pj.analysis.figures.win_shares": {"summaries": {"one": SUMMARY}, "nodes": {"one": NODES}, "size": "4 seeds"},
    "pj.analysis.figures.write_all": {
        "histories": {"one": HISTORY},
        "scenarios": {"one": SCENARIO},
        "folder": "out",
        "service": AT_LOADS,
    },
    "pj.attacks.cheats_bank": {"mechanism": POLE, "tried": TRIED},
    "pj.attacks.honest_bank": {"mechanism": POLE, "run": RUN},
    "pj.attacks.collusion.advantage": {
        "mechanism": POLE,
        "run": RUN,
        "lead": 1.0,
        "release": 0.0,
        "bound": True,
        "key": KEY,
    },
    "pj.attacks.collusion.early_key": {"mechanism": POLE, "run": RUN, "lead": 1},
    "pj.attacks.collusion.measure": {"mechanism": POLE, "run": RUN},
    "pj.attacks.detection.advantage": {**MEASURED, "nodes": 10, "confidence": 0.95},
    "pj.attacks.detection.as_played": {"mechanism": POLE, "tried": TRIED},
    "pj.attacks.detection.auc": {**MEASURED, "confidence": 0.95},
    "pj.attacks.detection.cheat_steps": {"mechanism": POLE, "tried": TRIED},
    "pj.attacks.detection.cheat_times": {"mechanism": POLE, "tried": TRIED},
    "pj.attacks.detection.claimed_accuracy": {"mechanism": POLE, "run": RUN},
    "pj.attacks.detection.excess": {"mechanism": POLE, "tried": TRIED},
    "pj.attacks.detection.honest_steps": {"mechanism": POLE, "run": RUN},
    "pj.attacks.detection.honest_times": {"mechanism": POLE, "run": RUN},
    "pj.attacks.detection.mean": {"values": SCORES, "confidence": 0.95},
    "pj.attacks.detection.measure": {"mechanism": POLE, "twins": RUN, "tried": TRIED},
    "pj.attacks.detection.measure_honesty": {"mechanism": POLE, "run": RUN},
    "pj.attacks.detection.measure_roc": {"mechanism": POLE, "twins": RUN, "tried": TRIED},
    "pj.attacks.detection.ratio": PAIRS,
    "pj.attacks.detection.roc": MEASURED,
    "pj.attacks.detection.saved": {"honest": SCORES + 1.0, "steps": SCORES, "confidence": 0.95},
    "pj.attacks.double_spend.overtakes": {"public": INTERVALS, "private": INTERVALS, "confirmations": 2},
    "pj.attacks.double_spend.race": {
        "keys": KEYS,
        "scenario": SCENARIO,
        "attacker": NODES,
        "confirmations": 2,
        "horizon": 5,
        "confidence": 0.95,
    },
    "pj.attacks.double_spend.walk": {"key": KEY, "share": 0.1, "confirmations": 1, "give_up": 2},
    "pj.attacks.double_spend.walks": {
        "keys": KEYS,
        "share": 0.1,
        "confirmations": 1,
        "give_up": 2,
        "confidence": 0.95,
    },
    "pj.attacks.forging.easiest_address": {"met": MET, "tries": 1, "probe": 1},
    "pj.attacks.forging.grinder": {"met": MET, "tries": 1},
    "pj.attacks.forging.guesser": {"met": MET, "tries": 1},
    "pj.attacks.forging.liar": {"met": MET},
    "pj.attacks.forging.overfitter": {"met": MET},
    "pj.attacks.forging.tries_to_pass": {"accuracy": 0.5, "accept": 0.6, "num_test": 10},
    "pj.attacks.forging.winners_curse": {"accuracy": 0.5, "num_test": 10, "tries": 3},
    "pj.attacks.head_start.fresh": {"recipe": RECIPE, "identity": WHO},
    "pj.attacks.head_start.identities": {"key": KEY, "count": 2, "role": 0},
    "pj.attacks.head_start.layers": {"recipe": RECIPE, "identity": WHO},
    "pj.attacks.head_start.steps": {"recipe": RECIPE, "made": CURVES > 0.5},
    "pj.attacks.head_start.train_from": {
        "mechanism": POLE,
        "identity": WHO,
        "start": MANY,
        "num_evaluations": 1,
        "targets": np.full((SEEDS, 192, 3), 1 / 3, np.float32),
        "devices": jax.devices()[:1],
    },
    "pj.attacks.rebasing.holds_regression": {"model": MODEL, "num_classes": 3},
    "pj.attacks.rebasing.least_squares": {"regressors": jnp.ones((5, 2)), "wanted": jnp.ones((5, 1))},
    "pj.attacks.rebasing.rebase": {
        **{"recipe": RECIPE, "params": PARAMS, "old": LAYER, "new": LAYER},
        "first_kernel": "Dense_0/weight",
    },
    "pj.attacks.rebasing.refit": {
        "recipe": RECIPE,
        "params": PARAMS,
        "old": LAYER,
        "new": LAYER,
        "inputs": TASK.train_inputs,
        "first_kernel": "Dense_0/weight",
    },
    "pj.attacks.rebasing.regress": {
        "recipe": RECIPE,
        "params": PARAMS,
        "new": LAYER,
        "inputs": TASK.train_inputs,
        "labels": TASK.train_labels,
    },
    "pj.attacks.run": {
        "recipe": POLE,
        "layers": {"none": None, "own": pj.SecureMappingLayer()},
        "seeds": 2,
        "steps": 4,
        "strategies": ["thief"],
        "first_kernel": "Dense_0/weight",
        "seed": 0,
        "progress": print,
    },
    "pj.attacks.selfish.mine": {"key": KEY, "share": 0.3, "tie_share": 0.5, "num_found": 4},
    "pj.attacks.selfish.mine_many": {"keys": KEYS, "share": 0.3, "tie_share": 0.5, "num_found": 4},
    "pj.attacks.selfish.relative_revenue": {
        "keys": KEYS,
        "share": 0.3,
        "tie_share": 0.5,
        "num_found": 4,
        "confidence": 0.95,
    },
    "pj.attacks.selfish_pools.mine": {"key": KEY, "shares": [0.2, 0.2], "num_found": 4},
    "pj.attacks.selfish_pools.mine_many": {"keys": KEYS, "shares": [0.2, 0.2], "num_found": 4},
    "pj.attacks.selfish_pools.relative_revenue": {
        "keys": KEYS,
        "shares": [0.2, 0.2],
        "num_found": 4,
        "confidence": 0.95,
    },
    "pj.attacks.theft.answering_flops": {"recipe": RECIPE, "samples": 10, "layers": 1, "models": 1},
    "pj.attacks.theft.attempt": {
        "met": MET,
        "start": MANY,
        "flops": 0.0,
        "targets": np.full((SEEDS, 192, 3), 1 / 3, np.float32),
        "mechanism": POLE,
        "cheat": WHO,
        "truthful": True,
    },
    "pj.attacks.theft.carry": {"met": MET, "change": change, "params": MANY},
    "pj.attacks.theft.encounter": {
        "key": KEY,
        "mechanism": POLE,
        "num_seeds": 2,
        "num_evaluations": 1,
        "keyless": RUN,
        "first_kernel": "Dense_0/weight",
    },
    **{
        f"pj.attacks.theft.{name}": {"met": MET}
        for name in (
            *("thief", "rebasing_thief", "refitting_thief", "distilling_thief"),
            *("pre_trainer", "refitting_pre_trainer", "regression"),
        )
    },
    "pj.mechanisms.posted": {"mechanism": POLE, "difficulty": 0.5},
    "pj.mechanisms.verify": {"claim": CLAIM, "task": pj.mechanisms.posted(POLE)},
    "pj.models.ConvolutionalNetwork": {"shape": (8, 8), "channels": (2,), "num_classes": 3},
    "pj.models.Dense": {"features": 3},
    "pj.models.MultilayerPerceptron": {"hidden": (3,), "num_classes": 3, "activation": pj.models.relu},
    "pj.models.accuracy": {"logits": np.ones((3, 2), np.float32), "labels": np.zeros(3, np.int32)},
    "pj.models.cross_entropy": {"logits": np.ones((3, 2), np.float32), "labels": np.zeros(3, np.int32)},
    "pj.models.from_nnx": {"build": functools.partial(NnxNetwork, 12, 6, 3)},
    "pj.models.forward_flops": {"module": MODEL, "num_features": 12, "num_samples": 3},
    "pj.models.logits": {"module": MODEL, "variables": {"params": PARAMS}, "inputs": np.ones((3, 12), np.float32)},
    "pj.models.logits_of_columns": {
        "module": MODEL,
        "variables": {"params": PARAMS},
        "columns": np.ones((12, 3), np.float32),
    },
    "pj.models.model_block": {
        "recipe": RECIPE,
        "flops_per_second": 1e9,
        "bytes_per_parameter": 4.0,
        "other_bytes": 0.0,
    },
    "pj.models.num_parameters": {"module": MODEL, "num_features": 12},
    "pj.models.step_bytes": {"module": MODEL, "num_features": 12, "batch_size": 4},
    "pj.models.step_flops": {"module": MODEL, "num_features": 12, "batch_size": 4},
    "pj.tasks.cifar10": {"folder": "cifar", "images_per_batch": 10, "num_validation": 5, "seed": 0},
    "pj.tasks.digits": {"seed": 0},
    "pj.tasks.from_arrays": {
        "inputs": INPUTS,
        "labels": LABELS,
        "num_classes": 3,
        "fractions": (0.6, 0.2, 0.2),
        "seed": 0,
        "name": "mine",
    },
    "pj.tasks.from_splits": {
        "train": SPLIT,
        "validation": SPLIT,
        "test": SPLIT,
        "num_classes": 3,
        "name": "mine",
    },
    "pj.tasks.hold_out": {"task": TASK},
    "pj.tasks.holds_cifar10": {"folder": "cifar"},
    "pj.tasks.idx": {"path": "file"},
    "pj.tasks.majority_accuracy": {"task": TASK},
    "pj.tasks.mnist": {"folder": "mnist", "num_validation": 5, "seed": 0},
    "pj.tasks.npz": {"path": "file.npz", "num_validation": 5, "seed": 0},
    "pj.tasks.stratified_split": {"labels": LABELS, "sizes": [10, 5], "seed": 0},
    "pj.tasks.synthetic": {
        "key_or_seed": 0,
        "num_features": 4,
        "num_classes": 3,
        "num_train": 9,
        "num_validation": 6,
        "num_test": 6,
        "hidden": 3,
        "label_noise": 0.0,
    },
    "pj.baselines.mean_interval": {"history": HISTORY, "scenario": SCENARIO},
    "pj.devices.machine": {},
    "pj.devices.provenance": {},
    "pj.devices.use_all_cores": {},
    "pj.devices.versions": {},
    "pj.Bank": {
        "validation": [[0.1, 0.5]],
        "test": [[0.1, 0.5]],
        "diverged": np.zeros((1, 2), bool),
        "evaluate_every": 2,
        "trained": "{}",
        "holdout": [[0.1, 0.5]],
        "max_steps": 8,
    },
    "pj.Bank.until": {"self": BANK, "num_evaluations": 2},
    "pj.Bank.check_matches": {"self": BANK, "recipe": RECIPE},
    "pj.Bank.cut": {"self": BANK, "first": 0, "end": 2},
    "pj.Bank.save": {"self": BANK, "path": "saved.nc"},
    "pj.Bank.share_reaching": {"self": BANK, "threshold": 0.5},
    "pj.Bank.split": {"self": BANK, "parts": 2},
    "pj.SecureMappingLayer.width": {"self": pj.SecureMappingLayer(features=3), "num_features": 12},
    "pj.analysis.Tally.about": {"self": TALLY, "centre": 600.0},
    "pj.analysis.Tally.only": {"self": TALLY, "chosen": np.array([True, True, False, False])},
}

assert CLIQUE.count == NODES.count
