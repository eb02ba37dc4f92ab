"""Security of Proof of Work: selfish mining and double spends in closed form."""

import math

from scipy import special

from polejax._core import checks
from polejax.theory import arguments


def selfish_revenue(alpha: float, gamma: float) -> float:
    """A selfish pool's share of the main chain.

    Args: alpha: the pool's power share, below 1/2; gamma: the share of honest power that mines on the pool's
    block in a tie. Returns a fraction. Source: Eyal and Sirer 2014 (arXiv 1311.0243), eq. 8.
    """
    a, g = arguments.scalar("alpha", alpha, low=0.0, below=0.5), arguments.scalar("gamma", gamma, low=0.0, high=1.0)
    return (a * (1 - a) ** 2 * (4 * a + g * (1 - 2 * a)) - a**3) / (1 - a * (1 + (2 - a) * a))


def selfish_threshold(gamma: float) -> float:
    """The power share above which selfish mining earns more than its share, (1 - gamma) / (3 - 2 gamma).

    Args: gamma: as in `selfish_revenue`. Returns a fraction. Source: Eyal and Sirer 2014 (arXiv 1311.0243),
    eq. 9.
    """
    gamma = arguments.scalar("gamma", gamma, low=0.0, high=1.0)
    return (1 - gamma) / (3 - 2 * gamma)


# Rosenfeld's sum, 1 - sum_{m<=z} C(m+z-1, m) (p^z q^m - p^m q^z), is two negative-binomial tails; as
# incomplete beta functions they add without cancellation.
def double_spend(share: float, confirmations: int) -> float:
    """Exact probability of a double spend after z confirmations, by an attacker who has premined one block.

    Args: share: the attacker's power share q (from 1/2 on the answer is 1); confirmations: blocks z >= 0.
    Returns a probability. Source: Rosenfeld 2014 (arXiv 1402.2009).
    """
    q, z = arguments.scalar("share", share, low=0.0, high=1.0), checks.whole("confirmations", confirmations)
    if z == 0 or q >= 0.5:
        return 1.0
    return float(special.betainc(z + 1, z, q) + special.betainc(z, z + 1, q))


# Nakamoto's sum is P(Poisson(zq/p) > z) + sum_{k<=z} Poisson(k; zq/p) (q/p)^(z-k), whose second part is
# (q/p)^z exp(z - zq/p) P(Poisson(z) <= z).
def double_spend_nakamoto(share: float, confirmations: int) -> float:
    """Nakamoto's Poisson approximation of `double_spend`: 0.00024 rather than 0.00059 at q = 0.1, z = 6.

    Args and result: as `double_spend`. Source: Nakamoto 2008, s. 11.
    """
    q, z = arguments.scalar("share", share, low=0.0, high=1.0), checks.whole("confirmations", confirmations)
    if z == 0 or q >= 0.5:
        return 1.0
    odds = q / (1 - q)
    behind = (odds * math.exp(1 - odds)) ** z * special.gammaincc(z + 1, z)
    return float(behind + special.gammainc(z + 1, z * odds))
