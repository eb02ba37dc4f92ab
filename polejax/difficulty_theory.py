"""Closed forms of difficulty rules that answer to every block, beyond those in `theory`."""

import math

import numpy as np

from polejax.theory import Moments, _scalar


# D' = D / (1 + (X / T - 1) / B) with X = E D / P, E exponential of mean 1, makes R = T P / D a moving average of
# exponential numbers, R' = (1 - 1/B) R + E / B, whose Laplace transform is the product of 1 / (1 + s w_k),
# w_k = (1 - 1/B)^k / B. X = T E / R with E and R independent, and E[1 / R^j] = int s^(j-1) L(s) ds / (j-1)!.
def ema_interval(target: float, blocks: float) -> Moments:
    """Mean (seconds) and CV of PoW's interval under the exponential moving average `difficulty.ema`, by quadrature.

    The mean is above the target, by about T / (2 B): rare high difficulties last longest.

    Args: target: T, seconds; blocks: B, memory, at least 2 (near 1 the mean diverges). Constant power, no delay.
    Returns `Moments`. Source: ours.
    """
    target, memory = _scalar("target", target, above=0.0), _scalar("blocks", blocks, low=2.0)
    keep = 1.0 - 1.0 / memory
    weights = keep ** np.arange(math.ceil(-35.0 / math.log(keep))) / memory
    log_s, step = np.linspace(-30.0, 12.0, 1 << 10, retstep=True)
    s = np.exp(log_s)
    transform = np.exp(-sum(np.log1p(s * weight) for weight in weights))
    first, second = (float((s**power * transform).sum() * step) for power in (1, 2))
    return Moments(target * first, math.sqrt(2.0 * second / first**2 - 1.0))


# A height of many small miners takes d + E, E exponential of mean W (all start when the last block arrives), and has
# Poisson(d / W) rivals, so that the next block names an uncle with chance u = 1 - exp(-d / W), whatever E is. The rule
# rests where 1 + u = E floor((d + E) / s) = n + exp(r / W) q / (1 - q), n = floor(d / s), r = d - n s, q = exp(-s / W).
def byzantium_interval(delay: float, step: float = 9.0) -> float:
    """Mean interval under Ethereum's Byzantium rule when its uncles come from the delay itself.

    Many small miners on a clique; the rule's clamp at -99 and fluctuations of the order of its gain 1/2048 are left out
    (0.04%, as in `theory.ethereum_interval`, which this is for a delay of 0).

    Args: delay: d, seconds to everyone else, below 2 steps; step: s, seconds. Returns seconds, d + W. Source: ours from
    EIP-100.
    """
    from scipy import optimize

    step = _scalar("step", step, above=0.0)
    delay = _scalar("delay", delay, low=0.0)
    if delay >= 2.0 * step:
        raise ValueError(f"delay must be below 2 steps ({2 * step:g} s), got {delay:g}: the rule rests nowhere")
    whole = math.floor(delay / step)
    rest = delay - whole * step

    def drift(work: float) -> float:
        return 1.0 - math.expm1(-delay / work) - whole - math.exp(rest / work) / math.expm1(step / work)

    return delay + float(optimize.brentq(drift, step / 500.0, step * 50.0, xtol=1e-12))
