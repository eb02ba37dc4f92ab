"""Theory: closed forms that simulations must agree with, for tests, figures and quick answers; NumPy, float64."""

from polejax.theory.difficulty import (
    byzantium_interval,
    ema_interval,
    ethereum_interval,
    ethereum_interval_clamped,
    retarget_cv,
    retarget_mean,
    retarget_survival,
)
from polejax.theory.forks import (
    clique_fork_probability,
    clique_stale_per_block,
    clique_win_share,
    many_small_stale_per_block,
    near_tie_probability,
    propagation_fork_probability,
    tie_probability,
    two_node_stale_per_block,
)
from polejax.theory.intervals import (
    Moments,
    dkw_half_width,
    exponential_survival,
    gamma_survival,
    lognormal_survival,
    power_share,
    race_moments,
    task_spread_cv,
    weibull_interval_cv,
    weibull_interval_mean,
    weibull_win_share,
)
from polejax.theory.queues import (
    BulkQueue,
    bulk_queue,
    bulk_wait_quantile,
    first_confirmation_wait,
    full_block_share,
    mempool_warm_up,
    priority_waits,
    tasks_waiting,
)
from polejax.theory.security import double_spend, double_spend_nakamoto, selfish_revenue, selfish_threshold
from polejax.theory.selfish_pools import selfish_pools_revenue

__all__ = [
    "BulkQueue",
    "Moments",
    "bulk_queue",
    "bulk_wait_quantile",
    "byzantium_interval",
    "clique_fork_probability",
    "clique_stale_per_block",
    "clique_win_share",
    "dkw_half_width",
    "double_spend",
    "double_spend_nakamoto",
    "ema_interval",
    "ethereum_interval",
    "ethereum_interval_clamped",
    "exponential_survival",
    "first_confirmation_wait",
    "full_block_share",
    "gamma_survival",
    "lognormal_survival",
    "many_small_stale_per_block",
    "mempool_warm_up",
    "near_tie_probability",
    "power_share",
    "priority_waits",
    "propagation_fork_probability",
    "race_moments",
    "retarget_cv",
    "retarget_mean",
    "retarget_survival",
    "selfish_pools_revenue",
    "selfish_revenue",
    "selfish_threshold",
    "task_spread_cv",
    "tasks_waiting",
    "tie_probability",
    "two_node_stale_per_block",
    "weibull_interval_cv",
    "weibull_interval_mean",
    "weibull_win_share",
]


def __dir__() -> list[str]:
    return __all__
