"""Banks: the recorded learning curves of many networks, from which `polejax.replay` resamples."""

import functools
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax import checks, lanes, learning
from polejax.checks import Array
from polejax.describe import as_text, describe, differences
from polejax.pole import PoLe
from polejax.record import record, replace, static
from polejax.simulate import check_key

DEFAULT_STEPS = 400
"""Training steps of a bank's curves unless told otherwise: 4,096 curves of the digits have all passed 0.9 by then."""

LEARNING_FIELDS = ("task", "learner", "sml", "make_optimiser", "learning_rate", "batch_size", "evaluate_every")
"""The fields of a `PoLe` that a learning curve depends on."""

Progress = Callable[[int, int], None]  # curves done, curves in all

_BLOCKS_PER_CALL = 8  # so that a bank of any size reports and can be saved every few seconds
_BYTES_IN_LOCKSTEP = 2**30  # of mapped samples that the lanes of one block may hold


@record
class Bank:
    """Learning curves of independent networks, each behind its own Secure Mapping Layer; made by `learning_curves`.

    Evaluation k (from 0) is made after (k + 1) `evaluate_every` training steps.
    """

    validation: Array  # f32[B, K], fraction: accuracy of B curves at K evaluations, as the node itself measures it
    test: Array  # f32[B, K], fraction: accuracy on the test data, as verifiers measure it
    diverged: Array  # bool[B]: the network held a parameter that is not finite at the end
    evaluate_every: int = static()  # training steps between evaluations
    trained: str = static()  # JSON: task, learner, optimiser and so on (`LEARNING_FIELDS`), by `polejax.describe`

    @property
    def num_curves(self) -> int:
        """Number of curves B."""
        return self.validation.shape[-2]

    @property
    def num_evaluations(self) -> int:
        """Number of evaluations K of a curve."""
        return self.validation.shape[-1]

    @property
    def num_steps(self) -> int:
        """Training steps of a curve."""
        return self.num_evaluations * self.evaluate_every

    def share_reaching(self, threshold: float) -> float:
        """Fraction of the curves whose validation accuracy reaches the threshold within the bank's steps."""
        return float((np.asarray(self.validation).max(axis=-1) >= np.float32(threshold)).mean())

    def split(self, parts: int) -> "list[Bank]":
        """As many banks of equally many curves each, which have none in common; curves left over are dropped.

        Raises:
          ValueError: parts below 1 or above the number of curves.
        """
        size = self.num_curves // checks.whole("parts", parts, low=1, high=self.num_curves)
        pieces = [slice(part * size, (part + 1) * size) for part in range(parts)]
        return [
            replace(self, validation=self.validation[piece], test=self.test[piece], diverged=self.diverged[piece])
            for piece in pieces
        ]

    def check_matches(self, mechanism: PoLe) -> None:
        """Raise a ValueError that names the first difference unless the mechanism's networks learn such curves."""
        found = list(differences(json.loads(self.trained), _learning_of(mechanism)))
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise ValueError(f"bank does not match the mechanism: it has {found[0]}{more}: train another bank for it")


def learning_curves(
    key: Array,
    mechanism: PoLe,
    num_curves: int,
    *,
    num_evaluations: int | None = None,
    devices: list[Any] | None = None,
    progress: Progress | None = None,
) -> Bank:
    """Train networks on a mechanism's task to a fixed budget and record their accuracies.

    Every curve has a random tip and address, hence its own Secure Mapping Layer, and its own initialisation and
    shuffle, all by its number: a larger bank of the same key begins with the smaller one's curves.

    Args:
      key: typed key.
      mechanism: a `PoLe`, whose task, learner, layer and optimiser are used; its threshold plays no part.
      num_curves: B.
      num_evaluations: K, one every `mechanism.evaluate_every` steps; None: 400 steps' worth, or `mechanism.max_steps`
        if that is less. A replayed node gives up where its curve ends, so nearly all curves should pass the
        thresholds of interest (`Bank.share_reaching`).
      devices: to train on; None: all local ones.
      progress: called with (curves done, curves in all).

    Returns:
      `Bank` of NumPy arrays [B, K].

    Raises:
      ValueError: a key that is none, a mechanism that is no `PoLe`, or a count below 1 or beyond `max_steps`.
    """
    check_key(key, ndim=0)
    num_curves = checks.whole("num_curves", num_curves, low=1)
    num_evaluations = _checked_evaluations(mechanism, num_evaluations)
    devices = devices or jax.local_devices()
    lanes_ = _lanes(mechanism, -(-num_curves // len(devices)), devices[0].platform)
    train = _train(num_evaluations, lanes_, tuple(devices))
    ready = jax.tree.map(jnp.asarray, mechanism)
    width = lanes_ * len(devices)
    blocks = -(-num_curves // width)
    chunk = width * -(-blocks // -(-blocks // _BLOCKS_PER_CALL))  # calls of equal size, so that one program serves all
    parts = []
    for first in range(0, num_curves, chunk):
        numbers = np.arange(first, first + chunk, dtype=np.uint32)
        curves = train(jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers), ready)
        parts.append([np.asarray(part)[: num_curves - first] for part in curves])
        if progress is not None:
            progress(min(first + chunk, num_curves), num_curves)
    validation, test, diverged = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Bank(validation, test, diverged, mechanism.evaluate_every, as_text(_learning_of(mechanism)))


def _checked_evaluations(mechanism: PoLe, num_evaluations: int | None) -> int:
    if not isinstance(mechanism, PoLe):
        raise ValueError(f"mechanism must be a polejax.PoLe, got {type(mechanism).__name__}: only PoLe learns")
    most = mechanism.max_steps // mechanism.evaluate_every
    if num_evaluations is None:
        return max(1, min(most, DEFAULT_STEPS // mechanism.evaluate_every))
    return checks.whole("num_evaluations", num_evaluations, low=1, high=most)


def _lanes(mechanism: PoLe, needed: int, platform: str) -> int:
    """How many curves train in lockstep on a device."""
    task, sml = mechanism.task, mechanism.sml
    features = (sml.features if sml else None) or task.num_features
    samples = sum(part.shape[0] for part in (task.train_inputs, task.validation_inputs, task.test_inputs))
    most = mechanism.cached_lanes if platform == "cpu" else needed
    return max(1, min(most, needed, _BYTES_IN_LOCKSTEP // (4 * features * samples)))


@functools.cache
def _train(num_evaluations: int, lanes_: int, devices: tuple[Any, ...]) -> Any:
    block = functools.partial(_curves, num_evaluations=num_evaluations)
    return lanes.sharded(block, lanes_, devices, (1,), 2)


def _curves(keys: Array, mechanism: PoLe, num_evaluations: int) -> tuple[Array, Array, Array]:
    """Validation and test accuracy f32[lanes, K] of a block of curves, and whether they diverged."""
    identity, order, start = jax.vmap(lambda key: tuple(jax.random.split(key, 3)))(keys)
    words = jax.vmap(lambda key: jax.random.bits(key, (9,), jnp.uint32))(identity)
    material = learning.prepare(mechanism, order, words[:, :8], words[:, 8])
    test_inputs = learning.map_test_inputs(mechanism, material.layer)

    def stretch(training: learning.Training, _: None) -> tuple[learning.Training, tuple[Array, Array]]:
        training = learning.train(mechanism, material, training, mechanism.evaluate_every)
        validation = learning.validate(mechanism, material, training.params)
        return training, (validation, learning.judge(mechanism, test_inputs, training.params))

    training = learning.begin(mechanism, start, material)
    training, (validation, test) = jax.lax.scan(stretch, training, length=num_evaluations)
    return validation.T, test.T, learning.diverged(training.params)


def _learning_of(mechanism: PoLe) -> Any:
    return {field: describe(getattr(mechanism, field)) for field in LEARNING_FIELDS}
