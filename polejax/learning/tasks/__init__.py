"""Learning tasks: the published data that Proof of Learning's consensus nodes train on and are judged by."""

from polejax.learning.tasks.arrays import from_arrays, from_splits, stratified_split
from polejax.learning.tasks.files import cifar10, holds_cifar10, idx, mnist, npz
from polejax.learning.tasks.holdout import Samples, hold_out
from polejax.learning.tasks.ready_made import digits, synthetic
from polejax.learning.tasks.task import Task, majority_accuracy

__all__ = [
    "Samples",
    "Task",
    "cifar10",
    "digits",
    "from_arrays",
    "from_splits",
    "hold_out",
    "holds_cifar10",
    "idx",
    "majority_accuracy",
    "mnist",
    "npz",
    "stratified_split",
    "synthetic",
]


def __dir__() -> list[str]:
    return __all__
