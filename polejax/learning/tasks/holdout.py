"""Holdout: test samples that nobody chooses by, so that what a winner is really worth can be told from its luck.

A rule that takes the best of several claims takes, in part, the luckiest: the winner's verified accuracy is higher than
its accuracy on other samples of the same kind (the winner's curse). Only samples that neither the claimant nor the
verifiers ever measured on show by how much (`polejax.analysis.winners_curse`).
"""

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import Record, axes, replace
from polejax._core.types import Array
from polejax.learning.tasks.task import Task


class Samples(Record):
    """Labelled samples of a task.

    Attributes:
      inputs: f32[M, D], standardised as the task's others are.
      labels: i32[M], each in 0..C-1.
    """

    inputs: Array = axes(2)
    labels: Array = axes(1)


@checked
def hold_out(task: Task) -> tuple[Task, Samples]:
    """Keep every other test sample from the verifiers: the task they verify on, and the samples for `PoLe(holdout=)`.

    Verified accuracies are coarser by half and noisier by sqrt(2), which `PoLe(margin=)` should allow for. The order of
    test samples is random in all of `polejax.tasks`, so every other one is a random half (ours).

    Raises:
      ValueError: fewer than two test samples.
    """
    checks.whole("test samples", task.test_labels.shape[0], low=2)
    kept = replace(task, test_inputs=task.test_inputs[::2], test_labels=task.test_labels[::2])
    return kept, Samples(task.test_inputs[1::2], task.test_labels[1::2])
