"""Estimates with confidence intervals that resample whole seeds, because blocks within a chain depend on each other.

The jackknife leaves out one seed at a time. From the S values so obtained, `error^2 = (S-1)/S sum (value_s - mean)^2`,
and `(estimate - truth) / error` follows Student's t with S - 1 degrees of freedom, nearly (Tukey 1958; Miller 1974,
Biometrika 61); on average the error is not too small (Efron and Stein 1981, Annals of Statistics 9). Working on each
seed's sums, it costs no more than the estimate itself. NumPy float64 on the host.

Measured at 16 seeds of 64 blocks, 95% intervals hold the truth in 94 to 96% of studies for means and shares, in 94% for
the CV of exponential intervals, and in 92% for the CV of heavy-tailed ones (Lomax, index 9), whose rare extremes most
studies miss. At 2 to 4 seeds it is 93 to 96%, and 92 to 94% for heavy tails. No interval holds what is impossible:
negative seconds, or shares beyond 0 to 1.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from scipy import special

from polejax._core.brief import span
from polejax._core.record import record
from polejax._core.types import Array, Numeric

if TYPE_CHECKING:
    import typing_extensions

    # `Estimate[float]` of one number; bare: of an array
    Value = typing_extensions.TypeVar("Value", bound=Any, default=Any, covariant=True)
else:
    Value = TypeVar("Value")


@record
class Estimate(Generic[Value]):
    """A value and its confidence interval, float64 of any one shape.

    `float(estimate)` is the value of one number; `value, low, high = estimate` unpacks.

    Attributes:
      value: f64[...], the estimate, in the unit of what is estimated.
      low: f64[...], lower end of the interval; -inf where the data cannot bound it, as of a single chain.
      high: f64[...], upper end of the interval; inf likewise.
    """

    value: Value
    low: Value
    high: Value

    def __float__(self) -> float:
        if np.size(self.value) != 1:
            raise ValueError(f"float() takes an estimate of one number, got shape {np.shape(self.value)}: use .value")
        return float(np.asarray(self.value).item())

    def __iter__(self) -> Iterator[Value]:
        """The value, the lower and the upper end, to unpack."""
        return iter((self.value, self.low, self.high))

    @property
    def yerr(self) -> np.ndarray:
        """f64[2, ...], from the value down and up to the ends, as matplotlib's `errorbar` takes it.

        Of one number it is [2, 1]. NaN, which draws no bar, where an end is infinite.
        """
        value, low, high = (np.atleast_1d(np.asarray(part, np.float64)) for part in self)
        with np.errstate(invalid="ignore"):
            bars = np.maximum(np.stack([value - low, high - value]), 0.0)
        return np.where(np.isfinite(bars), bars, np.nan)

    def __repr__(self) -> str:
        """One number with its interval; of arrays the shape and the span of the values."""
        if np.ndim(self.value) == 0 and isinstance(self.value, int | float | np.ndarray):
            return f"Estimate({self})"
        of = span(self.value)
        return f"Estimate([{', '.join(map(str, np.shape(self.value)))}]{of and f', {of}'})"

    def __str__(self) -> str:
        """As '607.7 [601.2, 614.3]': two significant digits of half the interval; entries of arrays by commas."""
        return format(self, "")

    def __format__(self, spec: str) -> str:
        parts = np.broadcast_arrays(self.value, self.low, self.high)
        entries = zip(*(np.ravel(part).tolist() for part in parts), strict=True)
        return ", ".join(_entry(value, low, high, spec) for value, low, high in entries)


def _entry(value: float, low: float, high: float, spec: str) -> str:
    spec = spec or digits(low, high)
    return f"{value:{spec}} [{low:{spec}}, {high:{spec}}]"


def digits(low: float, high: float) -> str:
    """How every table prints a number: format with two significant digits of half its interval, at least the units."""
    half = (high - low) / 2
    return f".{max(0, 1 - int(np.floor(np.log10(half))))}f" if 0 < half < np.inf else ".4g"


def within(found: Estimate, low: float = -np.inf, high: float = np.inf) -> Estimate:
    """The same without what lies outside of what is possible; infinite ends say that nothing is known, and stay."""
    ends = (np.asarray(end, np.float64) for end in (found.value, found.low, found.high))
    return Estimate(*(np.where(np.isfinite(end), np.clip(end, low, high), end)[()] for end in ends))


def unknown(value: Numeric) -> Estimate:
    """An estimate of which nothing more is known: a single chain's."""
    value = np.asarray(value, dtype=np.float64)
    return Estimate(value[()], np.full_like(value, -np.inf)[()], np.full_like(value, np.inf)[()])


def left_out(sums: Array) -> Array:
    """Sums over all seeds but one: from [S, ...] to [S, ...]."""
    return sums.sum(axis=0) - sums


def jackknife_error(values: Array) -> Array:
    """Standard error [...] from the values [S, ...] that leave out one seed each (Tukey 1958)."""
    seeds = values.shape[0]
    return np.sqrt((seeds - 1) / seeds * ((values - values.mean(axis=0)) ** 2).sum(axis=0))


def student(seeds: int, confidence: float) -> float:
    """Two-sided quantile of Student's t with `seeds - 1` degrees of freedom."""
    return float(special.stdtrit(seeds - 1, (1 + confidence) / 2))


def real(value: Numeric, values: Array, confidence: float) -> Estimate:
    """Estimate of any real number from its leave-one-out values [S, ...]: symmetric about `value`."""
    if values.shape[0] < 2:
        return unknown(value)
    half = student(values.shape[0], confidence) * jackknife_error(values)
    return Estimate(np.asarray(value, dtype=np.float64)[()], value - half, value + half)


def positive(value: Numeric, values: Array, confidence: float) -> Estimate:
    """Estimate of a positive number from its leave-one-out values [S, ...]: value / factor to value * factor.

    With x = half the symmetric interval by the value, the factor is 1 + x + x^2 / 2 (ours): the logarithm's exp(x) but
    for x^3, and as often right. Of two seeds, where Student's t is 12.7 and x often beyond 3, exp(x) made a CV of 1
    reach 34. A value of 0 (error 0) stays 0.
    """
    if values.shape[0] < 2:
        return unknown(value)
    error = jackknife_error(values) / np.where(value > 0, value, 1.0)
    half = student(values.shape[0], confidence) * error
    factor = 1 + half + half**2 / 2
    return Estimate(np.asarray(value, dtype=np.float64)[()], value / factor, value * factor)


def mean(sums: Array, counts: Array, confidence: float, low: float = -np.inf, high: float = np.inf) -> Estimate | None:
    """Estimate of the mean of what was summed, from each seed's sum [S] and count [S]; None when nothing was.

    Args:
      sums: f64[S].
      counts: f64[S].
      confidence: of the interval.
      low: least possible mean.
      high: largest possible mean.
    """
    some = counts > 0
    sums, counts = sums[some], counts[some]
    if not some.any():
        return None
    value = sums.sum() / counts.sum()
    if some.sum() < 2:
        return unknown(value)
    return within(real(value, left_out(sums) / left_out(counts), confidence), low, high)


def rate(events: Array, counts: Array, confidence: float) -> Estimate | None:
    """Estimate of events per count, from each seed's [S]; as `mean`; none seen leaves Garwood's (1936) upper end."""
    estimate = mean(events, counts, confidence, low=0.0)
    if estimate is None or (counts > 0).sum() < 2 or events.sum() > 0:
        return estimate
    return Estimate(estimate.value, estimate.value, -np.log((1 - confidence) / 2) / counts.sum())


def share(hits: Array, trials: Array, confidence: float) -> Estimate:
    """Estimate of a share from each seed's hits and trials, [S] or [S, N]: symmetric in the logit.

    Where all trials or none hit, or no seed differs from another, the jackknife has nothing to go by: the interval is
    then Clopper and Pearson's (1934), as if trials were independent. Without trials it is 0 in (0, 1).
    """
    hits, trials = np.broadcast_arrays(hits, trials)
    hit, tried = hits.sum(axis=0), trials.sum(axis=0)
    value = hit / np.maximum(tried, 1)
    if hits.shape[0] < 2:
        return unknown(value)
    others = left_out(trials)
    values = np.where(others > 0, left_out(hits) / np.maximum(others, 1), value)
    error = jackknife_error(values)
    blind = (hit == 0) | (hit == tried) | (others == 0).any(axis=0) | (error < 1e-12)
    inner = np.where(blind, 0.5, value)
    half = student(hits.shape[0], confidence) * np.where(blind, 0.0, error) / (inner * (1 - inner))
    low, high = (special.expit(special.logit(inner) + sign * half) for sign in (-1, 1))
    exact_low, exact_high = clopper_pearson(hit, tried, confidence)
    return Estimate(value, np.where(blind, exact_low, low)[()], np.where(blind, exact_high, high)[()])


def clopper_pearson(hits: Array, trials: Array, confidence: float) -> tuple[Array, Array]:
    """Exact interval of a share of independent trials, any shape (Clopper and Pearson 1934, Biometrika 26)."""
    tail, misses = (1 - confidence) / 2, trials - hits
    low = special.betaincinv(np.maximum(hits, 1), misses + 1, tail)
    high = special.betaincinv(hits + 1, np.maximum(misses, 1), 1 - tail)
    return np.where(hits > 0, low, 0.0), np.where(misses > 0, high, 1.0)


def stack(estimates: Sequence[Estimate]) -> Estimate:
    """One estimate of arrays [k, ...] from k estimates of the same shape."""
    return Estimate(*(np.stack([getattr(one, end) for one in estimates]) for end in ("value", "low", "high")))
