"""A task small enough to be learnt within a test, and Proof of Learning on it."""

import polejax as pj


def small_task():
    return pj.tasks.synthetic(
        0, num_features=12, num_classes=3, num_train=192, num_validation=96, num_test=96, hidden=4
    )


def small_pole(**options):
    options = {"threshold": 0.7, "learning_rate": 0.05, "batch_size": 16, "max_steps": 200, **options}
    return pj.PoLe(small_task(), **options)
