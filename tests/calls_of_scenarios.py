"""One valid call of every public callable that builds a scenario or plays one: its path to its arguments."""

import concurrent.futures

import jax
import numpy as np
from banks import geometric_bank
from small_tasks import small_task

import polejax as pj

NODES = pj.nodes.equal(3)
CLIQUE = pj.network.clique(3, 1.0)
POW = pj.PoW(600.0)
SCENARIO = pj.Scenario(NODES, CLIQUE, POW)
BANK = geometric_bank(0, num_curves=24, num_evaluations=8)
TASK = small_task()
KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 2)
MATRIX = pj.network.from_matrix(1.0 - np.eye(3))
GRAPH = pj.network.erdos_renyi(3, 1.0)
RULES = {
    "threshold": 0.7,
    "accept": 0.6,
    "margin": 0.05,
    "deadline": 100.0,
    "jitter": 0.02,
    "verification": 0.0,
    "fallback": "best",
}
TRAINING = {
    "learning_rate": 0.05,
    "holdout": pj.tasks.hold_out(TASK)[1],
    "model": pj.models.MultilayerPerceptron(hidden=(), num_classes=3),
    "sml": pj.SecureMappingLayer(),
    "make_optimiser": pj.Recipe.__dataclass_fields__["make_optimiser"].default,
    "batch_size": 16,
    "evaluate_every": 2,
    "max_steps": 60,
}


LEARNED = {
    **{"nodes": NODES, "network": CLIQUE, "training": BANK, "threshold": 0.7, "difficulty": pj.difficulty.fixed()},
}
RANKED = {"nodes": NODES, "network": CLIQUE, "window": 2.0, "submit": "best", "ties": "hash", "jitter": 0.02}


def law(key, address, shape):
    """A law of work."""
    return address.astype(np.float32) + shape


def statistic(summary):
    """What `bank_estimate` is to estimate."""
    return summary.interval_cv.value


def progress(done):
    """Look at no progress."""


CALLS = {
    "pj.ClaimRules": RULES,
    "pj.HashedPoW": {"work": 64.0, "chunk": 4},
    "pj.PoLe": {"task": TASK, **RULES, **TRAINING, "curve_points": 0},
    "pj.PoW": {"work": 600.0},
    "pj.Recipe": {"task": TASK, **TRAINING},
    "pj.Replay": {"bank": BANK, **RULES, "censored": False},
    "pj.Scenario": {
        "nodes": NODES,
        "network": CLIQUE,
        "mechanism": POW,
        "election": pj.elections.FirstSeen(),
        "difficulty": pj.difficulty.fixed(),
        "adversary": pj.attacks.Withholding(np.zeros(3)),
    },
    "pj.TaskStream": {
        "tasks": [pj.Replay(BANK)],
        "rates": [0.1],
        "rewards": [1.0],
        "idle": pj.Replay(BANK),
        "order": "fifo",
        "capacity": 4,
    },
    "pj.baselines.at_interval": {"beside": SCENARIO, "interval": 600.0, "seed": 0},
    "pj.baselines.at_stale_rate": {"beside": SCENARIO, "stale_per_main": 0.01, "interval": 600.0, "seed": 0},
    "pj.bank_estimate": {
        "key": KEY,
        "scenario": pj.Scenario(NODES, CLIQUE, pj.Replay(BANK)),
        "num_seeds": 4,
        "num_blocks": 3,
        "statistic": statistic,
        "parts": 2,
        "confidence": 0.95,
    },
    "pj.simulate": {"key": KEY, "scenario": SCENARIO, "num_blocks": 3, "keep_rounds": False},
    "pj.simulate_many": {
        "keys": KEYS,
        "scenario": SCENARIO,
        "num_blocks": 3,
        "method": "rounds",
        "segment": 2,
        "chains": 2,
        "devices": jax.devices()[:1],
        "progress": progress,
    },
    "pj.tally_many": {
        "keys": KEYS,
        "scenario": SCENARIO,
        "num_blocks": 3,
        "method": "rounds",
        "pooled": 1,
        "chains": 2,
        "devices": jax.devices()[:1],
        "progress": progress,
    },
    "pj.grid": {"scenario": SCENARIO, "parameters": {"mechanism.work": [600.0, 60.0]}},
    "pj.study": {
        "scenarios": [SCENARIO],
        "num_seeds": 16,
        "num_blocks": 3,
        "out": "results",
        "seed": 0,
        "names": ["one"],
        "records": "blocks",
        "seeds_per_shard": 2,
        "method": "rounds",
        "until": {"interval_cv": 0.1},
        "max_seeds": 32,
        "bank_parts": None,
        "executor": concurrent.futures.Executor(),
        "progress": progress,
    },
    "pj.static": {},
    "pj.axes": {"count": 1},
    "pj.nodes.Nodes": {"power": np.ones(3), "address": np.arange(3)},
    "pj.nodes.equal": {"count": 3, "total": None, "each": 1.0},
    "pj.nodes.from_shares": {"shares": [3.0, 2.0, 1.0], "total": 1.0},
    "pj.nodes.growth": {"nodes": NODES, "per_block": 0.01},
    "pj.nodes.lognormal": {"count": 3, "sigma": 1.0, "total": 1.0, "seed": 0, "each": None},
    "pj.nodes.lose": {"nodes": NODES, "lost": np.array([True, False, False]), "height": 5},
    "pj.nodes.schedule": {"nodes": NODES, "since": [0, 5], "factor": [1.0, 2.0]},
    "pj.nodes.zipf": {"count": 3, "exponent": 1.0, "total": None, "each": 1.0},
    "pj.network.clique": {"count": 3, "seconds": 1.0},
    "pj.network.constant_delay": {"seconds": 1.0},
    "pj.network.empirical_delay": {"quantiles": [1.0, 2.0, 3.0]},
    "pj.network.erdos_renyi": {"count": 3, "probability": 1.0, "seed": 0},
    "pj.network.exponential_delay": {"mean": 1.0},
    "pj.network.from_edges": {"count": 3, "edges": [(0, 1), (1, 2)], "weights": [1.0, 2.0]},
    "pj.network.from_matrix": {"delay": 1.0 - np.eye(3), "tolerance": 1e-5},
    "pj.network.gossip": {
        "graph": GRAPH,
        "latency": 1.0,
        "num_bytes": 100.0,
        "bandwidth": 1e6,
        "verification": 0.0,
        "messages": 1,
    },
    "pj.network.hop_delay": {
        "latency": 1.0,
        "num_bytes": 100.0,
        "bandwidth": 1e6,
        "verification": 0.0,
        "messages": 1,
    },
    "pj.network.instant": {"count": 3},
    "pj.network.internet": {
        "count": 3,
        "year": 2019,
        "num_bytes": 100.0,
        "verification": 0.0,
        "messages": 1,
        "region": np.zeros(3, int),
        "seed": 0,
    },
    "pj.network.lognormal_delay": {"median": 1.0, "sigma": 1.0},
    "pj.network.random_delays": {"base": CLIQUE, "law": pj.network.constant_delay(1.0)},
    "pj.network.random_regular": {"count": 5, "degree": 2, "seed": 0},
    "pj.network.regions": {
        "region": np.zeros(3, int),
        "between": [[1.0]],
        "up": 0.0,
        "down": 0.0,
        "relay": False,
        "tolerance": 1e-5,
    },
    "pj.network.relay": {"network": MATRIX, "members": np.array([True, True, False]), "seconds": 0.5},
    "pj.network.scale_free": {"count": 5, "links": 2, "seed": 0},
    "pj.network.small_world": {"count": 5, "degree": 2, "rewired": 0.1, "seed": 0},
    "pj.network.uniform_delay": {"low": 1.0, "high": 2.0},
    "pj.elections.BestAtDeadline": {"seconds": 1.0},
    "pj.elections.BestInWindow": {"seconds": 1.0},
    "pj.elections.FirstSeen": {},
    "pj.difficulty.Fixed": {},
    "pj.difficulty.accuracy": {"target": 600.0, "gain": 0.1, "low": 0.2, "high": 0.9},
    "pj.difficulty.asert": {"target": 600.0, "half_life": 172_800.0},
    "pj.difficulty.bitcoin": {},
    "pj.difficulty.byzantium": {"step": 9.0, "gain": 1 / 2048},
    "pj.difficulty.ema": {"target": 600.0, "blocks": 144.0},
    "pj.difficulty.fixed": {},
    "pj.difficulty.homestead": {"step": 10.0, "gain": 1 / 2048},
    "pj.difficulty.window": {"blocks": 2016, "target": 600.0, "clamp": 4.0, "off_by_one": True},
    "pj.mechanisms.Parametric": {"mean": 600.0, "shape": 1.0, "law": law},
    "pj.mechanisms.gamma": {"mean": 600.0, "shape": 1.0},
    "pj.mechanisms.lognormal": {"mean": 600.0, "sigma": 1.0},
    "pj.mechanisms.weibull": {"mean": 600.0, "shape": 1.0},
    "pj.network.verified": {"network": CLIQUE, "seconds": 1.0},
    "pj.protocols.coin_ai": {**LEARNED, "spread": 0.5, "drawn": "block"},
    "pj.protocols.d_podl": {**LEARNED, "before": 10.0, "after": 4.0, "stretch": 2.0},
    "pj.protocols.dlbc": {
        **RANKED,
        "banks": [BANK, BANK],
        "training": [5.0, 6.0],
        "rates": [0.1, 0.1],
        "ranks": [2.0, 1.0],
        "capacity": 4,
    },
    "pj.protocols.podl": {**RANKED, "bank": BANK, "training": 5.0},
    "pj.protocols.pofl": {**LEARNED, "communication": 1.0, "speedup": 0.9, "phase": None, "window": None},
    "pj.protocols.pole": {**LEARNED, "election": pj.elections.FirstSeen()},
    "pj.protocols.pools": {"nodes": NODES, "count": 1, "speedup": 0.9},
    "pj.protocols.pow": {"nodes": NODES, "network": CLIQUE, "work": 600.0, "difficulty": pj.difficulty.fixed()},
    "pj.protocols.sedulity": {
        **{"nodes": NODES, "network": CLIQUE, "work": 600.0, "difficulty": pj.difficulty.fixed()},
        **{"check": 1.0, "overhead": 0.1},
    },
    "pj.protocols.wekacoin": {**RANKED, "bank": BANK, "training": 5.0, "appear": 1.0, "appear_cv": 0.5},
    "pj.attacks.Cheating": {"bank": BANK, "plays": np.array([True, False, False])},
    "pj.attacks.EarlyKey": {"lead": np.ones(3), "release": 0.0, "bound": True},
    "pj.attacks.Leak": {"head_start": np.ones(3)},
    "pj.attacks.LiveTheft": {"plays": np.array([True, False, False]), "change": pj.attacks.rebasing.rebase},
    "pj.attacks.Withholding": {"hold": np.ones(3)},
    "pj.attacks.early_key": {"nodes": NODES, "seconds": 1.0, "addresses": [0], "release": 0.0, "bound": True},
    "pj.attacks.leak": {"nodes": NODES, "seconds": 1.0, "addresses": [0]},
    "pj.attacks.withholding": {"nodes": NODES, "seconds": 1.0, "addresses": [0]},
    "pj.testing.check_mechanism": {
        "mechanism": POW,
        "nodes": NODES,
        "key": KEY,
        "random": True,
        "answers": True,
        "independent": True,
    },
    "pj.testing.check_network": {"network": CLIQUE, "key": KEY},
}
