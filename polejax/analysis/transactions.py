"""Transactions: how they arrive, what fees they offer, and how many a block holds."""

import abc
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from polejax._core import checks
from polejax._core.record import Record, axes, convert, record
from polejax._core.types import Array, Key

UNLIMITED = 2**31 - 1  # transactions per block: more than any chain here ever sees


class Arrivals(Record, abc.ABC, abstract=True):
    """A law of arrivals that is Poisson once its rate is known (a Cox process): what a probe needs to be typical.

    A subclass is a record: its fields are arrays that may be swept.
    """

    @property
    @abc.abstractmethod
    def mean_rate(self) -> Array:
        """f32[], transactions per second in the long run."""

    @property
    def changes(self) -> Array:
        """f64[], steps per second that `follow` takes one after another in the long run, whatever the stretches."""
        return np.zeros(())

    @abc.abstractmethod
    def follow(self, key: Key, seconds: Array) -> tuple[Array, Array]:
        """The rate's path through consecutive stretches of time.

        Args:
          key: typed key of the whole chain's arrivals.
          seconds: f32[H, L], length of each of the L stretches of every interval.

        Returns:
          f32[H, L], the rate's integral over each stretch (expected transactions, given the path), and f32[H, L], the
          rate at its end (transactions per second).
        """


class Poisson(Arrivals):
    """Transactions that arrive independently of each other.

    Args:
      rate: f32[], transactions per second, positive; may be swept.

    Raises:
      ValueError: rate is not positive and finite.
    """

    rate: Array = axes(0)

    def __post_init__(self) -> None:
        convert(self, rate=lambda rate: checks.real("rate", rate, above=0.0))

    @property
    def mean_rate(self) -> Array:
        """f32[], transactions per second."""
        return self.rate

    def follow(self, key: Key, seconds: Array) -> tuple[Array, Array]:
        """A rate that never changes; see `Arrivals.follow`."""
        return self.rate * seconds, jnp.broadcast_to(self.rate, seconds.shape)


class MarkovModulated(Arrivals):
    """Bursty transactions: Poisson at one of two rates, which alternate after exponential times (MMPP).

    Args:
      rates: f32[2], transactions per second in calm and in bursts, not negative, not both zero.
      sojourns: f32[2], mean seconds that a calm and a burst last, positive.

    The path is simulated exactly, however often it changes within a stretch, and starts in its stationary law.

    Raises:
      ValueError: numbers out of range, or not two of each.

    Source: Fischer and Meier-Hellstern 1993, "The Markov-modulated Poisson process (MMPP) cookbook", Performance
    Evaluation 18; Heffes and Lucantoni 1986, IEEE JSAC 4.
    """

    rates: Array = axes(1)
    sojourns: Array = axes(1)

    def __post_init__(self) -> None:
        convert(
            self,
            rates=lambda rates: _pair("rates", checks.real("rates", rates, low=0.0)),
            sojourns=lambda sojourns: _pair("sojourns", checks.real("sojourns", sojourns, above=0.0)),
        )
        if not checks.is_traced(self.rates) and not (self.rates.max(axis=-1) > 0).all():
            raise ValueError(f"rates must not both be 0, got {self.rates.tolist()}: let some transactions arrive")

    @property
    def mean_rate(self) -> Array:
        """f32[], transactions per second in the long run."""
        return (self.rates * self.sojourns).sum(axis=-1) / self.sojourns.sum(axis=-1)

    @property
    def changes(self) -> Array:
        """See `Arrivals.changes`."""
        return 2.0 / np.asarray(self.sojourns, np.float64).sum(axis=-1)

    def follow(self, key: Key, seconds: Array) -> tuple[Array, Array]:
        """A rate that jumps between calm and burst; see `Arrivals.follow`."""
        rates, sojourns = jnp.asarray(self.rates), jnp.asarray(self.sojourns)
        begin_key, wait_key = jax.random.split(key)
        burst = jax.random.uniform(begin_key) * sojourns.sum() < sojourns[1]
        state = burst.astype(jnp.int32)

        def stretch(
            carry: tuple[Array, Array], step: tuple[Array, Array]
        ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            index, length = step
            stretch_key = jax.random.fold_in(wait_key, index)

            def change(loop: tuple[Array, ...]) -> tuple[Array, ...]:
                state, left, length, volume, count = loop
                wait = sojourns[1 - state] * jax.random.exponential(jax.random.fold_in(stretch_key, count))
                return 1 - state, wait, length - left, volume + rates[state] * left, count + 1

            start: tuple[Array, ...] = (*carry, length, jnp.float32(0.0), jnp.int32(1))
            state, left, length, volume, _ = jax.lax.while_loop(lambda loop: loop[1] < loop[2], change, start)
            return (state, left - length), (volume + rates[state] * length, rates[state])

        # `left`, until the next change, is relative to the stretch: no clock that grows.
        left = sojourns[state] * jax.random.exponential(jax.random.fold_in(wait_key, seconds.size))
        steps = (jnp.arange(seconds.size), seconds.reshape(-1))
        _, (volume, rate) = jax.lax.scan(stretch, (state, left), steps)
        return volume.reshape(seconds.shape), rate.reshape(seconds.shape)


def _pair(name: str, value: Array) -> Array:
    if np.ndim(value) == 0 or np.shape(value)[-1] != 2:
        raise ValueError(f"{name} must be two numbers, for calm and for bursts, got shape {np.shape(value)}")
    return value


@record
class Load:
    """What users ask of a chain: transactions of C fee classes, and the places in a block.

    One class is a first-in-first-out mempool. Several are a fee-priority mempool: a block takes the classes in order of
    their fees, and each class first in, first out (fees as continuous as wallets offer them are the limit of many
    classes).

    Args:
      arrivals: `Poisson` or `MarkovModulated`; each transaction falls into a class independently of all else.
      capacity: i32[], transactions per block, at least 1; inf: as many as wait.
      fees: f32[C], fee of a transaction of each class, in coins, from the highest down.
      shares: f32[C], share of the transactions in each class; scaled to sum to 1. None: all equal.

    Raises:
      ValueError: a capacity below 1, fees that are negative or rise, shares that are negative or sum to 0, or not one
        share for each fee.
    """

    arrivals: Arrivals
    capacity: Array = axes(0)
    fees: Array = axes(1, default=(1.0,))
    shares: Array = axes(1, default=None)

    def __post_init__(self) -> None:
        if not isinstance(self.arrivals, Arrivals):
            raise ValueError(
                f"arrivals must be Poisson(rate) or MarkovModulated(...), got {checks.shown(self.arrivals)}"
            )
        convert(self, capacity=_checked_capacity, fees=_checked_fees)
        classes = np.shape(self.fees)[-1]
        convert(self, shares=lambda shares: _checked_shares([1.0] * classes if shares is None else shares, classes))

    @classmethod
    def at(
        cls,
        load: float,
        interval: float,
        capacity: float,
        *,
        fees: Sequence[float] = (1.0,),
        shares: Sequence[float] | None = None,
    ) -> "Load":
        """Poisson arrivals that fill blocks to a share: `load` * capacity / interval transactions per second.

        Args:
          load: share of the chain's capacity that is asked for, in (0, 1): from 1 on the mempool grows without end.
          interval: mean seconds between canonical blocks, such as `summary.interval_mean.value`.
          capacity: transactions per block, finite.
          fees: as the field.
          shares: as the field.

        Raises:
          ValueError: a load outside (0, 1), an interval that is not positive, or a capacity that is not a whole number.
        """
        if checks.is_traced(load) or checks.is_traced(interval):
            raise ValueError("load and interval must be numbers here: sweep Poisson(rate) instead")
        share = float(checks.real("load", load, above=0.0, below=1.0, ndim=0))
        seconds = float(checks.real("interval", interval, above=0.0, ndim=0))
        places = checks.whole("capacity", capacity, low=1, high=UNLIMITED - 1)
        return cls(Poisson(share * places / seconds), places, fees, shares)

    @property
    def num_classes(self) -> int:
        """Number of fee classes C."""
        return np.shape(self.fees)[-1]


def _checked_capacity(capacity: Array) -> Array:
    if checks.is_traced(capacity):
        return capacity
    values = checks.numbers("capacity", capacity)
    if np.ndim(values) == 0 and values == math.inf:
        return np.int32(UNLIMITED)
    if np.ndim(values) == 0:
        return np.int32(checks.whole("capacity", values, low=1, high=UNLIMITED))
    if not values.size:
        raise ValueError(f"capacity must hold at least one number, got shape {values.shape}")
    return np.asarray([_checked_capacity(value) for value in values], dtype=np.int32)


def _checked_fees(fees: Array) -> Array:
    fees = checks.real("fees", fees, low=0.0)
    if np.ndim(fees) == 0 or np.shape(fees)[-1] == 0:
        raise ValueError(f"fees must list at least one class, got shape {np.shape(fees)}")
    if not checks.is_traced(fees) and (np.diff(fees, axis=-1) > 0).any():
        raise ValueError(f"fees must fall from class to class, got {fees.tolist()}: the first class is served first")
    return fees


def _checked_shares(shares: Array, classes: int) -> Array:
    shares = checks.real("shares", shares, low=0.0)
    if checks.is_traced(shares):
        return shares
    if shares.shape[-1:] != (classes,):
        raise ValueError(f"shares must have one entry per fee class ({classes}), got shape {shares.shape}")
    total = shares.sum(axis=-1, keepdims=True)
    if not (total > 0).all():
        raise ValueError(f"shares must have a positive sum, got {shares.tolist()}: some class must arrive")
    return shares / total


def lognormal_fees(classes: int, mean: float = 1.0, sigma: float = 1.0) -> Sequence[float]:
    """Fees of equally large classes that stand for a log-normal law: each class's mean fee, the highest first.

    Args:
      classes: C, at least 1; class c holds the fees between the quantiles 1 - c / C and 1 - (c + 1) / C.
      mean: of the law, coins.
      sigma: standard deviation of the fee's logarithm.

    Returns:
      C fees in coins, whose mean is `mean`, for `Load.fees`. Ours; the partial expectation of a log-normal law.

    Raises:
      ValueError: fewer than one class, or a mean or sigma that is not positive.
    """
    classes = checks.whole("classes", classes, low=1)
    mean = float(checks.real("mean", mean, above=0.0, ndim=0))
    sigma = float(checks.real("sigma", sigma, above=0.0, ndim=0))
    edges = special.ndtri(np.linspace(1.0, 0.0, classes + 1))
    fees: list[float] = (classes * mean * -np.diff(special.ndtr(edges - sigma))).tolist()
    return fees
