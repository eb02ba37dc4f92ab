"""Parametric work: gamma, Weibull and log-normal laws, where theory and experiment meet."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from polejax._core import checks, draw
from polejax._core.record import axes, convert, static
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, Profile
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views

Law = Callable[[Array, Array, Array], Array]
"""From a key, addresses u32[N] and a shape f32[] to independent positive works f32[N] of mean 1."""


class Parametric(Mechanism):
    """A mechanism whose work follows a law of two parameters; made by `gamma`, `weibull` or `lognormal`.

    Args:
      mean: f32[], mean of *one node's* work at the start, work units (the branch's difficulty from then on). The mean
        interval is `mean` / total power for exponential work only: nodes that all need nearly `mean` do not share a
        block's work, they race through the same (`theory.race_moments`, `theory.weibull_interval_mean`). May be swept.
      shape: f32[], the law's parameter. May be swept.
      law: `Law`; static, so pass a function that has a name.

    Raises:
      ValueError: mean or shape not positive and finite.
    """

    mean: Numeric = axes(0)
    shape: Numeric = axes(0)
    law: Law = static()

    def __post_init__(self) -> None:
        convert(
            self,
            mean=lambda mean: checks.real("mean", mean, above=0.0),
            shape=lambda shape: checks.real("shape", shape, above=0.0),
            law=lambda law: checks.function("law", law),
        )

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`."""
        return Profile(scored=False, heights_per_call=4096, cached_lanes=1024)

    @property
    def initial_difficulty(self) -> Array:
        """f32[], mean work of one node for the first block."""
        return self.mean

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims with work f32[N] of the law, in work units; see `Mechanism.race`."""
        work = views.difficulty * self.law(key, nodes.address, self.shape)
        return Claims(work, score=jnp.ones_like(work), valid=jnp.ones(work.shape, bool))


def gamma(mean: Numeric, shape: Numeric) -> Parametric:
    """Gamma work, CV 1/sqrt(shape): a sum of `shape` exponential pieces; shape 1 is Proof of Work.

    Args:
      mean: of one node's work, work units, positive.
      shape: k, at least 0.01.

    Raises:
      ValueError: a mean that is not positive, or a shape below 0.01.
    """
    return Parametric(mean, checks.real("shape", shape, low=0.01), unit_gamma)


def weibull(mean: Numeric, shape: Numeric) -> Parametric:
    """Weibull work, whose first of N is Weibull again, with the same CV; shape 1 is Proof of Work.

    Args:
      mean: of one node's work, work units, positive.
      shape: k, at least 0.1; the CV is `theory.weibull_interval_cv(k)`, about 1.2825 / k for large k.

    Raises:
      ValueError: a mean that is not positive, or a shape below 0.1.
    """
    return Parametric(mean, checks.real("shape", shape, low=0.1), unit_weibull)


def lognormal(mean: Numeric, sigma: Numeric) -> Parametric:
    """Log-normal work, CV sqrt(exp(sigma^2) - 1).

    Args:
      mean: of one node's work, work units, positive.
      sigma: standard deviation of the work's logarithm, above 0 and at most 4.

    Raises:
      ValueError: a mean that is not positive, or a sigma out of range.
    """
    return Parametric(mean, checks.real("sigma", sigma, above=0.0, high=4.0), unit_lognormal)


def unit_weibull(key: Array, address: Array, shape: Array) -> Array:
    """Weibull works f32[N] of shape f32[] and mean 1, one per address: (exponential)^(1/k) / G(1 + 1/k)."""
    log_work = jnp.log(draw.exponential(key, address)) / shape
    return jnp.exp(log_work - jax.lax.lgamma(1.0 + 1.0 / shape))


def unit_lognormal(key: Array, address: Array, shape: Array) -> Array:
    """Log-normal works f32[N] of mean 1, one per address; shape f32[] is the standard deviation of their logarithm."""
    return jnp.exp(shape * (draw.normal(key, address) - shape / 2))


def unit_gamma(key: Array, address: Array, shape: Array) -> Array:
    """Gamma works f32[N] of shape f32[] and mean 1, one per address.

    By rejection, which no float32 inversion of the law matches in the tails: try r of a node is drawn from (key, r,
    address), so its work depends on nobody else's tries, and all nodes try in lockstep until the last is accepted (at
    least 95% of them at each try). Where shape < 1, a gamma of shape + 1 times uniform^(1/shape).

    Source: Marsaglia and Tsang 2000 (ACM Transactions on Mathematical Software 26), section 3 and its note on a < 1.
    """
    raised = jnp.where(shape < 1.0, shape + 1.0, shape)
    gamma = _rejection(key, address, raised)

    def lowered() -> Array:
        uniform = draw.uniform(jax.random.fold_in(key, jnp.uint32(0xFFFFFFFF)), address)
        return gamma * jnp.exp(jnp.log(uniform) / shape)

    return jax.lax.cond(shape < 1.0, lowered, lambda: gamma) / shape


def _rejection(key: Array, address: Array, shape: Array) -> Array:
    """Gamma variates f32[N] of shape f32[] >= 1."""
    d = shape - 1.0 / 3.0
    scale = jax.lax.rsqrt(9.0 * d)

    def rejected(tries: tuple[Array, Array, Array]) -> Array:
        return ~tries[2].all()

    def attempt(tries: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        number, value, done = tries
        words = draw.two_words(jax.random.fold_in(key, number), address)
        normal, uniform = draw.normal_of(words[..., 0]), draw.uniform_of(words[..., 1])
        t = jnp.maximum(scale * normal, -1.0)
        # Against cancellation at large shapes, 1 - v + ln v for v = (1 + t)^3 is written in t.
        log_ratio = normal**2 / 2 + d * (3.0 * jnp.log1p(t) - t * (3.0 + t * (3.0 + t)))
        accepted = jnp.log(uniform) < log_ratio  # never at t = -1, whose logarithm is -inf
        return number + 1, jnp.where(accepted & ~done, d * (1.0 + t) ** 3, value), done | accepted

    none = jnp.zeros(address.shape, bool)
    return jax.lax.while_loop(rejected, attempt, (jnp.uint32(0), jnp.ones(address.shape), none))[1]
