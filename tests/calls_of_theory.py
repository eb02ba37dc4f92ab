"""One valid call of every closed form of `polejax.theory`: its path to its arguments."""

import numpy as np

QUEUE = {"arrival_rate": 0.9, "block_rate": 1.0, "capacity": 1}
CLIQUE = {"delay": 1.0, "interval": 10.0, "power": [3.0, 2.0, 1.0]}


def survival(work):
    """P(work > x) of exponential work."""
    return np.exp(-work)


CALLS = {
    "pj.theory.bulk_queue": QUEUE,
    "pj.theory.bulk_wait_quantile": {"share": 0.5, **QUEUE},
    "pj.theory.byzantium_interval": {"delay": 1.0, "step": 9.0},
    "pj.theory.clique_fork_probability": CLIQUE,
    "pj.theory.clique_stale_per_block": CLIQUE,
    "pj.theory.clique_win_share": CLIQUE,
    "pj.theory.dkw_half_width": {"samples": 10, "confidence": 0.95},
    "pj.theory.double_spend": {"share": 0.1, "confirmations": 6},
    "pj.theory.double_spend_nakamoto": {"share": 0.1, "confirmations": 6},
    "pj.theory.ema_interval": {"target": 600.0, "blocks": 5.0},
    "pj.theory.ethereum_interval": {"step": 10.0, "uncle_share": 0.0},
    "pj.theory.ethereum_interval_clamped": {"step": 10.0, "uncle_share": 0.0, "lowest": -99},
    "pj.theory.exponential_survival": {"interval": [0.0, 1.0], "mean": 1.0},
    "pj.theory.first_confirmation_wait": {"mean": 600.0, "cv": 1.0},
    "pj.theory.full_block_share": QUEUE,
    "pj.theory.gamma_survival": {"work": [0.0, 1.0], "shape": 1.0, "mean": 1.0},
    "pj.theory.lognormal_survival": {"work": [0.0, 1.0], "sigma": 1.0, "mean": 1.0},
    "pj.theory.many_small_stale_per_block": {"delay": 1.0, "interval": 10.0},
    "pj.theory.mempool_warm_up": {"load": 0.5, "cv": 1.0, "capacity": 10},
    "pj.theory.near_tie_probability": {"delay": 1.0, "interval": 10.0, "shape": 1.0, "win_share": [0.5, 0.3, 0.2]},
    "pj.theory.power_share": {"power": [3.0, 2.0, 1.0]},
    "pj.theory.priority_waits": {"arrival_rates": [0.2, 0.3], "block_rate": 1.0, "capacity": 1},
    "pj.theory.propagation_fork_probability": {"uninformed": 1.0, "interval": 600.0},
    "pj.theory.race_moments": {"survival": survival, "power": [3.0, 2.0, 1.0]},
    "pj.theory.retarget_cv": {"window": 10, "measured": 9},
    "pj.theory.retarget_mean": {"window": 10, "target": 30.0, "measured": 9},
    "pj.theory.retarget_survival": {"interval": [0.0, 1.0], "window": 10, "target": 30.0, "measured": 9},
    "pj.theory.selfish_pools_revenue": {"shares": [0.2, 0.2], "accuracy": 1e-6},
    "pj.theory.selfish_revenue": {"alpha": 0.3, "gamma": 0.5},
    "pj.theory.selfish_threshold": {"gamma": 0.5},
    "pj.theory.task_spread_cv": {"cv": 1.0, "task_cv": 1.0},
    "pj.theory.tasks_waiting": {"load": 0.5},
    "pj.theory.tie_probability": {"delay": 1.0, "interval": 10.0, "shape": 1.0, "win_share": [0.5, 0.3, 0.2]},
    "pj.theory.two_node_stale_per_block": {"delay": 1.0, "interval": 10.0, "share": 0.3},
    "pj.theory.weibull_interval_cv": {"shape": 1.0},
    "pj.theory.weibull_interval_mean": {"power": [3.0, 2.0, 1.0], "shape": 1.0, "work": 600.0},
    "pj.theory.weibull_win_share": {"power": [3.0, 2.0, 1.0], "shape": 1.0},
}
