"""DLBC: several tasks wait, and a rank that weighs their difficulty says which one is trained next."""

from collections.abc import Sequence

from polejax._core import checks, ranges
from polejax._core.checked import checked
from polejax._core.types import Numeric
from polejax.consensus.elections import BestInWindow
from polejax.consensus.nodes import AnyNodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.task_stream import TaskStream
from polejax.mechanisms.training_phase import TrainingPhase
from polejax.network.base import Network


@checked
def dlbc(
    nodes: AnyNodes,
    network: Network,
    banks: Sequence[Bank],
    training: Sequence[float],
    window: Numeric,
    rates: Sequence[float],
    ranks: Sequence[float],
    *,
    capacity: int = 32,
    submit: str = "best",
    ties: str = "hash",
    jitter: Numeric = 0.02,
) -> Scenario:
    """Deep-learning-based consensus (DLBC): PoDL over a queue of tasks, the task of the highest rank first.

    Args:
      nodes: miners; power in training steps a second.
      network: of as many nodes.
      banks: T times a `Bank` of curves, all of one shape, one for each kind of task; of the same bank twice, tasks
        differ in their training phase only.
      training: T lengths of the training phase, s: harder tasks are given longer.
      window: f32[], s, for which a node collects others' models.
      rates: T postings a second of each kind.
      ranks: T numbers, higher first; of equal ones, the oldest first. The source ranks by difficulty (model complexity,
        network burden, data size, queue length); its formula could not be read, so the result of it is given here.
      capacity: tasks that can wait. While none waits, the first kind is trained (ours).
      submit, ties, jitter: see `TrainingPhase`.

    Raises:
      ValueError: as `TaskStream`, `TrainingPhase` and `Scenario`; lists of different lengths; a bank too short.

    Source: Li, Chenli, Xu, Shi, Jung 2019 (arXiv 1904.07349). Read here: the abstract. Left out: the watermark against
    stolen models, and several tasks in training at once.
    """
    checks.real("window", window, low=0.0)
    checks.real("ranks", ranks, ndim=1)
    if not isinstance(banks, Sequence) or not banks or len(banks) != len(training):
        got = f"{len(banks) if isinstance(banks, Sequence) else banks!r} and {len(training)}"
        raise ValueError(f"banks and training must be lists of one length, got {got}: one entry for each kind of task")
    for name, numbers in (("rates", rates), ("ranks", ranks)):
        if len(numbers) != len(banks):
            raise ValueError(f"{name} must have one entry for each kind of task ({len(banks)}), got {len(numbers)}")
    checks.real("training", training, low=ranges.LEAST, high=ranges.MOST / 10, ndim=1)
    phases = [
        TrainingPhase(bank, seconds, jitter=jitter, submit=submit, ties=ties)
        for bank, seconds in zip(banks, training, strict=True)
    ]
    stream = TaskStream(phases, rates, ranks, phases[0], order="reward", capacity=capacity)
    return Scenario(nodes, network, stream, BestInWindow(window))
