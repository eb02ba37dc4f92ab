"""Double spending: a private chain races the public one, as a random walk (Proof of Work) or under any law of work."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from polejax import network
from polejax._core import checks, draw
from polejax._core.checked import checked
from polejax._core.record import replace
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Array, Key
from polejax._engine.runner import simulate_many
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario

__all__ = [
    "overtakes",
    "race",
    "walk",
    "walks",
]


@checked
@steady
def walk(key: Key, share: Array, confirmations: int, give_up: int = 40) -> Array:
    """Play one double spend against Proof of Work as a random walk: who finds each next block is a biased coin.

    The attacker has mined one block beforehand and mines on in private; the merchant delivers after `confirmations`
    public blocks; the attacker wins once it then has the longer chain, and gives up `give_up` blocks behind.

    Args:
      key: typed key; block number i folds itself in.
      share: f32[], q, the attacker's share of the power, in (0, 1). May be swept with `jax.vmap`.
      confirmations: z, at least 1; static.
      give_up: deficit in blocks at which the attacker stops, at least 1; static. It costs the attacker a chance below
        (q / (1 - q))^give_up: 1e-7 of q = 0.4 at 40.

    Returns:
      bool[], whether the double spend succeeded. A pure function of one key: `jax.vmap` it over seeds.

    Raises:
      ValueError: a share outside (0, 1), or a count below 1.

    Source: Rosenfeld 2014 (arXiv 1402.2009), sections 3 and 4; oracle: `theory.double_spend`.
    """
    checks.key("key", key)
    share = jnp.asarray(checks.real("share", share, above=0.0, below=1.0, ndim=0))
    confirmations = checks.whole("confirmations", confirmations, low=1)
    give_up = checks.whole("give_up", give_up, low=1)

    def undecided(state: tuple[Array, Array, Array]) -> Array:
        _, public, lead = state
        return (public < confirmations) | ((lead <= 0) & (lead > -give_up))

    def found(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        number, public, lead = state
        step = (draw.uniform(key, number[None])[0] < share).astype(jnp.int32)
        return number + 1, public + 1 - step, lead + 2 * step - 1

    start = (jnp.uint32(0), jnp.int32(0), jnp.int32(1))
    return jax.lax.while_loop(undecided, found, start)[2] > 0


@checked
@steady
def walks(keys: Key, share: float, confirmations: int, give_up: int = 40, confidence: float = 0.95) -> Estimate:
    """Chance of a double spend by `walk` over typed keys [S]: an `Estimate` of a fraction; raises what `walk` raises.

    Args: confidence: of the interval, in (0, 1); the others as `walk`.
    """
    checks.key("keys", keys, ndim=1)
    chance = checks.real("share", share, above=0.0, below=1.0, ndim=0)
    checks.confidence(confidence)
    won = np.asarray(_walks(keys, chance, confirmations, give_up), np.float64)
    return estimate.share(won, np.ones_like(won), checks.confidence(confidence))


@functools.partial(jax.jit, static_argnums=(2, 3))
def _walks(keys: Key, share: Array, confirmations: int, give_up: int) -> Array:
    return jax.vmap(lambda key: walk(key, share, confirmations, give_up))(keys)


@checked
def overtakes(public: Array, private: Array, confirmations: int | Sequence[int]) -> np.ndarray:
    """Whether a private chain, one block ahead at time 0, is ever the longer one after z confirmations.

    It is if for some n >= z its n-th further block comes before the public chain's block n + 1: n + 1 against n.

    Args:
      public: f[S, H], seconds, intervals of the public chain from the payment on.
      private: f[S, H], seconds, intervals of the private chain from the same moment.
      confirmations: z, one number or a list [Z], 1 <= z < H. What happens after H blocks is not looked at: H must be
        large enough for the chains to part.

    Returns:
      bool[S] or bool[S, Z].

    Raises:
      ValueError: intervals of different shapes, or z out of range.

    Source: ours, from Rosenfeld 2014 (arXiv 1402.2009), section 4: the attacker has mined one block beforehand.
    """
    for name, value in (("public", public), ("private", private)):
        checks.real(name, value, low=0.0, infinite=True)
    public, private = np.asarray(public, np.float64), np.asarray(private, np.float64)
    if public.shape != private.shape or public.ndim != 2:
        raise ValueError(f"private must have the shape [S, H] of public, {public.shape}, got {private.shape}")
    depths = _depths(confirmations, public.shape[1])
    ahead = np.cumsum(private, axis=1)[:, :-1] < np.cumsum(public, axis=1)[:, 1:]  # column n - 1 is n's
    ever = np.maximum.accumulate(ahead[:, ::-1], axis=1)[:, ::-1]  # for some n from here on
    won = ever[:, np.asarray(depths, np.int64) - 1]
    return won[:, 0] if np.ndim(confirmations) == 0 else won


@steady
def _depths(confirmations: int | Sequence[int], heights: int) -> list[int]:
    """The numbers of confirmations that are asked for, each below the number of heights."""
    given = checks.numbers("confirmations", confirmations)
    if given.ndim > 1 or not given.size:
        raise ValueError(f"confirmations must be one number or a list, got {checks.shown(confirmations)}")
    return [checks.whole("confirmations", z, low=1, high=heights - 1) for z in np.atleast_1d(given).tolist()]


@checked
@single("scenario", "attacker")
def race(
    keys: Key,
    scenario: Scenario,
    attacker: Nodes,
    confirmations: int | Sequence[int],
    horizon: int = 200,
    confidence: float = 0.95,
) -> Estimate:
    """Chance of a double spend under any mechanism, by really playing both chains.

    The public chain is `scenario`, with its delays, forks and difficulty rule, without the attacker; the private one
    is the same scenario played by the attacker's nodes alone, without delay among themselves. Both begin a round at the
    payment, when the attacker already has one block more; under exponential work without delay this is Rosenfeld's
    walk. It matters for the result that one node of a law steadier than exponential is far better at racing than its
    share of the power says: works of nearly the same length do not add up (see `Parametric`). Compare laws at
    equal power and at equal ratio of the chains' mean intervals: the answers differ.

    Args:
      keys: typed keys [S]; each plays a public and a private chain.
      scenario: the honest nodes' `Scenario`.
      attacker: `Nodes` of the attacker, power in the same unit. Its draws are independent of the honest nodes'.
      confirmations: z, one number or a list [Z], 1 <= z < horizon.
      horizon: blocks H of either chain that are played; a private chain not ahead by then never will be.
      confidence: of the interval, in (0, 1).

    Returns:
      `Estimate` of a fraction, [Z] if a list was given.

    Raises:
      ValueError: z or a confidence out of range, a scenario with an adversary of its own.

    Source: ours; Rosenfeld 2014 (arXiv 1402.2009) for exponential work.
    """
    if scenario.adversary is not None:
        raise ValueError("scenario must have no adversary of its own: leave scenario.adversary out")
    checks.key("keys", keys, ndim=1)
    checks.confidence(confidence)
    horizon = checks.whole("horizon", horizon, low=2)
    _depths(confirmations, horizon)
    private = replace(scenario, nodes=attacker, network=network.instant(attacker.count))
    chains = []
    for side, played in enumerate((scenario, private)):
        own = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, side)
        chains.append(simulate_many(own, played, horizon).interval)
    won = overtakes(chains[0], chains[1], confirmations).astype(np.float64)
    return estimate.share(won, np.ones_like(won), checks.confidence(confidence))


def __dir__() -> list[str]:
    return __all__
