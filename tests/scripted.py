"""A mechanism whose races are written down beforehand, for comparison with simulators that know nothing of laws."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np

import polejax as pj
from polejax.consensus.claims import Claims


class Scripted(pj.Mechanism):
    """Work, and scores or None for all alike, f32[H, N]."""

    work: np.ndarray
    score: np.ndarray | None = None
    initial_difficulty: ClassVar[float] = 1.0

    def race(self, key, views, nodes, listening=None):
        """Claims as written down for `views.height`."""
        work = self.work[views.height - 1]
        score = jnp.ones_like(work) if self.score is None else self.score[views.height - 1]
        return Claims(work, score, jnp.ones(work.shape, bool))


def shortest_paths(delay):
    """The delays f32[N, N] of the fastest ways, so that they obey the triangle inequality."""
    for via in range(len(delay)):
        delay = np.minimum(delay, delay[:, via, None] + delay[None, via, :])
    return delay
