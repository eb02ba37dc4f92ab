"""A learning task: the published data that consensus nodes train on and are judged by."""

import numpy as np

from polejax._core.brief import sizes
from polejax._core.checked import checked
from polejax._core.record import Record, axes, static
from polejax._core.types import Array


class Task(Record):
    """A classification task, standardised and split; build it with the constructors of `polejax.tasks`, which check.

    The arrays are leaves, so a compiled program serves every task of the same shapes. Inputs are
    standardised, feature by feature, with the mean and standard deviation of the *training* split alone:
    nothing of the validation or the test split leaks into training. A feature that is constant over the
    training split is centred and divided by 1.

    Attributes:
      train_inputs: f32[M_train, D]; what nodes train on.
      train_labels: i32[M_train], each in 0..C-1.
      validation_inputs: f32[M_validation, D]; what a node measures its own progress on.
      validation_labels: i32[M_validation].
      test_inputs: f32[M_test, D]; what verifiers judge a claim on.
      test_labels: i32[M_test].
      num_classes: C (static).
      name: what figures and tables call the task (static).
      shape: a sample's own shape before it was flattened to D, such as (8, 8) or (28, 28, 1) (static).
    """

    train_inputs: Array = axes(2)
    train_labels: Array = axes(1)
    validation_inputs: Array = axes(2)
    validation_labels: Array = axes(1)
    test_inputs: Array = axes(2)
    test_labels: Array = axes(1)
    num_classes: int = static()
    name: str = static()
    shape: tuple[int, ...] = static()

    def __repr__(self) -> str:
        """Its name and sizes."""
        splits = (self.train_labels, self.validation_labels, self.test_labels)
        counts = " + ".join(sizes(np.shape(labels)[-1:], "").strip() for labels in splits)
        name = self.name if len(self.name) <= 30 else f"{self.name[:27]}..."
        return f"Task({name!r}: {counts} samples of {self.num_features:,} features, {self.num_classes:,} classes)"

    @property
    def num_features(self) -> int:
        """D, the number of features of one flattened sample."""
        return int(np.prod(self.shape))


@checked
def majority_accuracy(task: Task) -> float:
    """Return the chance level: the accuracy (fraction) of always answering the commonest test label."""
    counts = np.bincount(np.asarray(task.test_labels), minlength=task.num_classes)
    return float(counts.max() / counts.sum())
