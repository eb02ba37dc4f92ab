"""The main job: Proof of Learning, really trained, against Proof of Work at its mean interval and at its stale rate."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import jax

from polejax import network
from polejax._core import checks, paths, timing
from polejax._core.keys import key_of
from polejax._core.progress import Callback, Meter, Progress
from polejax._core.record import replace
from polejax._core.switches import steady
from polejax._engine.runner import simulate_many
from polejax.analysis.service_at_loads import ServiceAtLoads, check_loads, service_at_loads
from polejax.analysis.summaries import Summary, summarise
from polejax.consensus import difficulty, nodes
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.jobs import pow_baselines
from polejax.jobs.options import UserPath
from polejax.learning import tasks
from polejax.learning.models import ConvolutionalNetwork, MultilayerPerceptron
from polejax.learning.optimisers import momentum
from polejax.learning.sml import SecureMappingLayer
from polejax.mechanisms.pole import PoLe
from polejax.studies import shards

_Result = TypeVar("_Result")

POW, POLE, EQUAL_STALE = "PoW", "PoLe", "PoW, equal stale"
SERVICE_SEEDS, SERVICE_BLOCKS = 64, 4_096
_LARGEST = 2**31 - 1  # whole number in the compiled programs
CURVE_POINTS = 80  # evaluations of a winner's learning curve to keep for its figure


@dataclasses.dataclass(frozen=True)
class Learning:
    """How nodes learn."""

    task: str = "digits"
    """digits; synthetic; or a file or folder: .npz, MNIST's four files, CIFAR-10's binary or Python batches"""
    threshold: float = 0.9
    """validation accuracy that a claim needs"""
    margin: float = 0.05
    """verifiers accept a test accuracy this much lower"""
    hidden: tuple[int, ...] = (32,)
    """units of each hidden layer"""
    convolutional: bool = False
    """a small convolutional network instead of dense layers"""
    learning_rate: float = 0.02
    """of gradient descent with momentum 0.9"""
    batch_size: int = 32
    """samples a step"""
    evaluate_every: int = 5
    """steps between evaluations"""
    max_steps: int = 2_000
    """steps after which a node gives up"""
    jitter: float = 0.02
    """sigma of the log-normal factor on a node's time per step, drawn every round"""
    fallback: Literal["best", "empty"] = "best"
    """what ends a round that nobody finished"""
    sml: Literal["gaussian", "rademacher", "uniform", "positive", "orthogonal", "none"] = "gaussian"
    """law of the Secure Mapping Layer's entries"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Really trained Proof of Learning against Proof of Work of the same mean interval, and of the same stale rate."""

    nodes: int = 16
    """consensus nodes, each of one training step a second: of equal power unless --zipf is given"""
    seeds: int = 16
    """independent chains of each mechanism; their keys are paired"""
    blocks: int = 64
    """blocks per chain"""
    zipf: float = 0.0
    """exponent of the nodes' powers by rank; 0: all equal"""
    delay: float = 2.0
    """seconds from a node's publishing a block to another's having received and verified it"""
    verification: float = 1.0
    """seconds that verifying a rejected claim costs"""
    deadline: float = float("inf")
    """seconds after which a node gives up a round"""
    seed: int = 0
    """of all random numbers"""
    load: tuple[float, ...] = (0.5, 0.9, 0.95)
    """shares of its own capacity that users ask of each chain"""
    capacity: int = 1_000
    """transactions per block"""
    learning: Learning = dataclasses.field(default_factory=Learning)
    """how nodes learn"""
    out: UserPath = Path("results/compare")
    """folder for results.nc, summary.json and figures/"""
    overwrite: bool = False
    """replace what a comparison of other options has left in that folder"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a comparison found; mechanisms by name, PoW's first.

    Attributes:
      histories: by mechanism, [S, H].
      scenarios: that they were simulated from.
      summaries: of the histories.
      service: what users get at each load; of Proof of Work from `SERVICE_SEEDS` chains of `SERVICE_BLOCKS` heights,
        because its mempools take so long to forget how they began.
      notes: what the reader must know beside the numbers, one line each.
      seconds: s, spent in each part, compilation included.
      compiling: of these, tracing and compiling.
    """

    histories: Mapping[str, History]
    scenarios: Mapping[str, Scenario]
    summaries: Mapping[str, Summary]
    service: ServiceAtLoads
    notes: tuple[str, ...]
    seconds: Mapping[str, float]
    compiling: Mapping[str, float]


@steady
def run(settings: Settings, progress: Callback, begin: Callable[[], None] = lambda: None) -> Outcome:
    """Train, race, and compare.

    Args:
      settings: of the job.
      progress: called with `Progress` in blocks; its label is the mechanism.
      begin: called once all settings are known to be possible, before anything is computed.

    Raises:
      ValueError: a setting out of range, or a task's files are not what they should be.
    """
    count = checks.whole("seeds", settings.seeds, low=1, high=_LARGEST)
    seed = checks.whole("seed", settings.seed, high=2**32 - 1)
    num_blocks = checks.whole("blocks", settings.blocks, low=1, high=_LARGEST)
    check_loads(settings.load)
    checks.whole("capacity", settings.capacity, low=1, high=2**31 - 2)
    learned = pole_scenario(settings)
    begin()
    keys = shards.seed_keys(seed, 0, count)
    seconds, compiling = {}, {}

    def timed(label: str, work: Callable[[], _Result]) -> _Result:
        begun = time.perf_counter()
        with timing.compilation() as counter:
            result = work()
        seconds[label], compiling[label] = time.perf_counter() - begun, counter.seconds
        return result

    def chains(label: str, scenario: Scenario) -> History:
        Meter(progress, keys.size * num_blocks, "blocks", label=label).add(0)

        def report(told: Progress) -> None:
            progress(replace(told, label=label))

        return timed(label, lambda: simulate_many(keys, scenario, num_blocks, progress=report))

    pole = chains(POLE, learned)
    interval = pow_baselines.mean_interval(pole, learned)
    scenarios = {POW: timed("calibration", lambda: pow_baselines.at_interval(learned, interval, settings.seed))}
    scenarios[POLE] = learned
    stale = float(summarise(pole).stale_per_main.value)
    notes = []
    if stale > 0.0:
        scenarios[EQUAL_STALE] = timed(
            "stale rate", lambda: pow_baselines.at_stale_rate(learned, stale, interval, settings.seed)
        )
    else:
        notes.append(f"no block of PoLe went stale, so no interval gives PoW its stale rate: no column {EQUAL_STALE!r}")
    histories = {label: pole if label == POLE else chains(label, one) for label, one in scenarios.items()}
    summaries = {label: summarise(history, scenarios[label].nodes) for label, history in histories.items()}
    service = timed("transactions", lambda: _service(settings, histories, scenarios))
    return Outcome(histories, scenarios, summaries, service, tuple(notes), seconds, compiling)


def _service(settings: Settings, histories: Mapping[str, History], scenarios: Mapping[str, Scenario]) -> ServiceAtLoads:
    """Transactions of every chain: of PoLe those trained, of Proof of Work longer ones."""
    keys = shards.seed_keys(settings.seed, 2**20, SERVICE_SEEDS)
    longer = {
        label: history if label == POLE else simulate_many(keys, scenarios[label], SERVICE_BLOCKS)
        for label, history in histories.items()
    }
    key = jax.random.fold_in(key_of(settings.seed), 0x4C6F6164)
    return service_at_loads(key, longer, loads=settings.load, capacity=settings.capacity)


def pole_scenario(settings: Settings) -> Scenario:
    """The Proof of Learning side: nodes that make one training step a second on average."""
    count = checks.whole("nodes", settings.nodes, low=1, high=_LARGEST)
    chosen = settings.learning
    evaluate_every = checks.whole("evaluate_every", chosen.evaluate_every, low=1, high=_LARGEST)
    max_steps = checks.whole("max_steps", chosen.max_steps, low=evaluate_every, high=_LARGEST)
    task = load_task(chosen.task)
    model = (
        ConvolutionalNetwork(task.shape, num_classes=task.num_classes)
        if chosen.convolutional
        else MultilayerPerceptron(tuple(chosen.hidden), task.num_classes)
    )
    mechanism = PoLe(
        task,
        threshold=chosen.threshold,
        margin=chosen.margin,
        deadline=settings.deadline,
        jitter=chosen.jitter,
        verification=settings.verification,
        learning_rate=chosen.learning_rate,
        model=model,
        sml=None if chosen.sml == "none" else SecureMappingLayer(law=chosen.sml),
        make_optimiser=momentum,
        batch_size=chosen.batch_size,
        evaluate_every=evaluate_every,
        max_steps=max_steps,
        fallback=chosen.fallback,
        curve_points=min(CURVE_POINTS, max_steps // evaluate_every),
    )
    return Scenario(
        _nodes(count, settings.zipf),
        network.clique(count, checks.real("delay", settings.delay, low=0.0)),
        mechanism,
        difficulty=difficulty.fixed(),
    )


def _nodes(count: int, exponent: float) -> Nodes:
    exponent = float(checks.real("zipf", exponent, low=0.0))
    return nodes.zipf(count, exponent, each=1.0) if exponent else nodes.equal(count, each=1.0)


def load_task(name: str) -> tasks.Task:
    """The task that a setting names: digits, synthetic, or what a file or folder holds.

    Raises:
      ValueError: there is no such file, or it is not what it should be.
    """
    if name == "digits":
        return tasks.digits()
    if name == "synthetic":
        return tasks.synthetic(0)
    path = Path(paths.checked("task", name))
    if path.is_dir():
        return tasks.cifar10(path) if tasks.holds_cifar10(path) else tasks.mnist(path)
    if path.suffix == ".npz" or path.exists():
        return tasks.npz(path)
    raise ValueError(f"task must be digits, synthetic, or an existing file or folder, got {name!r}")
