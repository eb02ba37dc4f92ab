"""Forging: claims of accuracies that were not learnt, by lying, guessing, grinding or leaked test data.

Strategies are functions of an `Encounter` as in `polejax.attacks.theft`; the winner's curse is a closed form.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import replace
from polejax._core.switches import steady
from polejax._core.types import Array, Tree
from polejax.attacks import head_start
from polejax.attacks.head_start import Identity
from polejax.attacks.theft import Attempt, Encounter, answering_flops, attempt
from polejax.learning import training
from polejax.learning.recipe import Recipe

__all__ = [
    "easiest_address",
    "grinder",
    "guesser",
    "liar",
    "overfitter",
    "tries_to_pass",
    "winners_curse",
]


@checked
@steady
def liar(met: Encounter) -> Attempt:
    """Train honestly, but claim the demanded accuracy at every evaluation, until a claim is accepted.

    It gains what verifiers allow below the threshold, and the luck of many tries on one test set (`winners_curse`).
    """
    return Attempt(met.honest.validation, met.honest.test, np.float32(0.0), False)


@checked
@steady
def overfitter(met: Encounter) -> Attempt:
    """Train on test data that a colluding data node has handed over, and claim at every evaluation."""
    task = met.recipe.task
    rows = np.arange(task.train_inputs.shape[0]) % task.test_inputs.shape[0]  # of the training split's shape
    leaked = replace(task, train_inputs=task.test_inputs[rows], train_labels=task.test_labels[rows])
    mechanism = replace(met.mechanism, task=leaked)
    return attempt(met, head_start.fresh(met.recipe, met.cheat), mechanism=mechanism, truthful=False)


@checked
@steady
def guesser(met: Encounter, tries: int = 64) -> Attempt:
    """Draw initial weights `tries` times, claim the best of them on the validation data; then train on."""
    tries = checks.whole("tries", tries, low=1)
    keys = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, 2), tries))(met.cheat.key)
    mapped = _images(met.recipe, head_start.layers(met.recipe, met.cheat))
    best, start = np.full(keys.shape[0], -1.0), met.model.claimed
    for drawn in keys.T:
        tried = head_start.fresh(met.recipe, replace(met.cheat, key=drawn))
        accuracy = _accuracy(met, tried, mapped)
        better = accuracy > best
        start = jax.tree.map(lambda old, new, better=better: _choose(better, new, old), start, tried)
        best = np.maximum(best, accuracy)
    samples = met.recipe.task.validation_inputs.shape[0]
    return attempt(met, start, answering_flops(met.recipe, samples, models=tries), truthful=False)


@checked
@steady
def grinder(met: Encounter, tries: int = 64) -> Attempt:
    """Try a stolen model behind the layers of `tries` addresses (Sybil keys), take the best; then fine-tune there."""
    tries = checks.whole("tries", tries, low=1)
    numbers = jax.vmap(lambda key: jax.random.bits(jax.random.fold_in(key, 3), (tries,), jnp.uint32))(met.cheat.key)
    best, chosen = np.full(numbers.shape[0], -1.0), np.asarray(met.cheat.address)
    for addresses in np.asarray(numbers).T:
        layer = head_start.layers(met.recipe, replace(met.cheat, address=addresses))
        accuracy = _accuracy(met, met.model.claimed, _images(met.recipe, layer))
        chosen = np.where(accuracy > best, addresses, chosen)
        best = np.maximum(best, accuracy)
    samples = met.recipe.task.validation_inputs.shape[0]
    flops = answering_flops(met.recipe, samples, layers=tries, models=tries)
    return attempt(met, met.model.claimed, flops, cheat=replace(met.cheat, address=chosen))


@checked
@steady
def easiest_address(met: Encounter, tries: int, probe: int) -> tuple[Array, Array]:
    """Whether some addresses' layers are easier to learn behind: the same weights and shuffle behind many addresses.

    Args:
      met: the `Encounter`; its cheats' keys and tips are used.
      tries: addresses A.
      probe: evaluations after which a grinder would decide.

    Returns:
      Training steps to a valid claim f64[S, A], and validation accuracy after `probe` evaluations f32[S, A].
    """
    tries = checks.whole("tries", tries, low=1)
    probe = checks.whole("probe", probe, high=met.evaluations)
    steps, probed = [], []
    for number in range(tries):
        who: Identity = replace(met.cheat, address=np.asarray(met.cheat.address) + np.uint32(number))
        run = head_start.train_from(met.mechanism, who, head_start.fresh(met.recipe, who), met.evaluations)
        steps.append(head_start.steps(met.recipe, met.mechanism.rules.passes(run.validation, run.test))[0])
        probed.append(run.validation[:, probe])
    return np.stack(steps, axis=1), np.stack(probed, axis=1)


@checked
def winners_curse(accuracy: float, num_test: int, tries: int) -> float:
    """By how much the best of many independent models of one true accuracy looks better than it is.

    Args:
      accuracy: p, true accuracy of each model, a fraction.
      num_test: M, independent test samples.
      tries: n, models whose errors are independent.

    Returns:
      E[max of n draws of Binomial(M, p) / M] - p = sum_m (1 - F(m)^n) / M - p, with F the binomial's distribution; at
      most sqrt(p (1 - p) 2 ln(n) / M), nearly.

    Raises:
      ValueError: an accuracy outside [0, 1], or a count below 1.
    """
    p = float(checks.real("accuracy", accuracy, low=0.0, high=1.0, ndim=0))
    size, tries = checks.whole("num_test", num_test, low=1), checks.whole("tries", tries, low=1)
    below = special.bdtr(np.arange(size), size, p)
    return float((1 - below**tries).sum() / size - p)


@checked
def tries_to_pass(accuracy: float, accept: float, num_test: int) -> float:
    """Expected number of independent models of one true accuracy until one is accepted.

    Args:
      accuracy: p, true accuracy of each, a fraction.
      accept: test accuracy that verifiers ask for.
      num_test: M, test samples.

    Returns:
      1 / P(Binomial(M, p) >= accept M); inf where that is 0 in float64.

    Raises:
      ValueError: a fraction outside [0, 1], or a count below 1.
    """
    p, least = (
        float(checks.real(name, value, low=0.0, high=1.0, ndim=0))
        for name, value in (("accuracy", accuracy), ("accept", accept))
    )
    size = checks.whole("num_test", num_test, low=1)
    needed = np.ceil(least * size * (1 - 2.0**-23))  # a float32 fraction may be above its decimal: 0.85 of 400 is 340
    chance = float(special.bdtrc(needed - 1, size, p))
    return float("inf") if chance == 0 else 1 / chance


def _accuracy(met: Encounter, params: Tree, mapped: Array) -> np.ndarray:
    """Validation accuracy f32[S] of params [S] on images `_images`; one compiled program for all layers of a width."""
    return np.asarray(_answer(replace(met.recipe, sml=None), params, mapped))


@jax.jit
def _answer(recipe: Recipe, params: Tree, mapped: Array) -> Array:
    return training.accuracies(recipe, params, mapped, recipe.task.validation_labels)


@jax.jit
def _images(recipe: Recipe, layers: Tree) -> Array:
    """The validation data behind layers [S], as `training.columns`."""
    return training.columns(recipe, layers, recipe.task.validation_inputs)


def _choose(mask: np.ndarray, new: Array, old: Array) -> np.ndarray:
    return np.asarray(np.where(mask.reshape(-1, *(1,) * (np.ndim(new) - 1)), new, old))


def __dir__() -> list[str]:
    return __all__
