"""The attack job: every strategy against every Secure Mapping Layer, what each layer costs and what it stops."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax.numpy as jnp
from flax import linen as nn

from polejax._core import checks, identity
from polejax._core.describe import describe
from polejax._core.fingerprint import Traced
from polejax._core.folder import Folder
from polejax._core.keys import key_of
from polejax._core.progress import Callback, Meter
from polejax._core.record import replace
from polejax._core.switches import steady
from polejax.attacks import collusion, matrix
from polejax.attacks.applicable import keyless_fits, not_tried
from polejax.attacks.head_start import Run
from polejax.attacks.matrix import Cell
from polejax.jobs import compare, kept_options
from polejax.jobs.attack_arrays import restored, stored
from polejax.jobs.options import UserPath
from polejax.learning.models import ConvolutionalNetwork, MultilayerPerceptron
from polejax.learning.program import program_of
from polejax.learning.sml import SecureMappingLayer
from polejax.learning.tasks import Task
from polejax.mechanisms.pole import PoLe


@dataclasses.dataclass(frozen=True)
class Settings:
    """Every attack on every Secure Mapping Layer: what the layer costs honest nodes, and what cheats gain."""

    quick: bool = False
    """fewer seeds, and only the layers that differ most"""
    task: str = "digits"
    """digits; synthetic; or a file or folder: .npz, MNIST's four files, CIFAR-10's binary or Python batches"""
    samples: int = 4_096
    """training samples at most; a quarter as many to validate and to test"""
    threshold: float = 0.9
    """validation accuracy that a claim needs"""
    margin: float = 0.05
    """verifiers accept a test accuracy this much lower"""
    hidden: tuple[int, ...] = (32,)
    """units of each hidden layer"""
    convolutional: bool = True
    """a convolutional model, too, where the task is of images"""
    steps: int = 400
    """training steps of every run"""
    seeds: int = 64
    """independent pairs of victim and cheat; 16 if quick"""
    seed: int = 0
    """of all random numbers"""
    out: UserPath = Path("results/attack")
    """folder for what is computed (a later run goes on from it), tables and figures/"""
    overwrite: bool = False
    """delete what another attack has left in that folder, and begin anew"""


Cells = Mapping[tuple[str, str], Cell]  # by kind of model and layer


@steady
def run(settings: Settings, progress: Callback) -> Cells:
    """Train and attack everything that is not on disk yet, then measure everything.

    Args:
      settings: of the job.
      progress: called with `Progress` in attacks; its label is the model and the layer.

    Raises:
      ValueError: a setting out of range, or a task's files are not what they should be.
      StudyError: the folder holds another job's results, is damaged or cannot be written.
    """
    count = num_pairs(settings)
    seed = checks.whole("seed", settings.seed, high=2**32 - 1)
    task = load_task(settings)
    mechanisms = dict(_mechanisms(settings, task))
    folder = Folder(settings.out, "attack")
    kept_options.check_others(Path(folder.path), "attack")
    cells: dict[tuple[str, str], Cell] = {}
    with folder.locked():
        if settings.overwrite:
            folder.clear()
        rules = {"threshold": settings.threshold, "margin": settings.margin, "hidden": list(settings.hidden)}
        names = {"task": describe(task), "seeds": count, "seed": seed, "steps": settings.steps, **rules}
        traced: Traced = {}
        programs = {f"{kind}, {layer}": program_of(one.recipe, traced) for (kind, layer), one in mechanisms.items()}
        manifest = {**names, "programs": programs, "versions": identity.tracing_versions()}
        identity.check_programs(folder.path, "attack", folder.begin(manifest, tuple(names)), manifest)
        plain: dict[str, Run] = {}
        for (kind, layer), mechanism in mechanisms.items():
            label, name = f"{kind}, {layer}", f"{kind}-{layer}.nc".replace(" ", "-").replace(",", "")
            trained = {"program": programs[label]}
            meter = Meter(progress, len(matrix.STRATEGIES), "attacks", label=label)
            if not folder.has(name):
                keyless = plain.get(kind) if keyless_fits(mechanism.recipe) else None
                evaluations = settings.steps // mechanism.recipe.evaluate_every
                found = matrix.compute(mechanism, key_of(seed), count, evaluations, keyless, meter)
                folder.write(name, stored(*found, tuple(matrix.STRATEGIES)), trained)
            else:
                meter.add(len(matrix.STRATEGIES))
            arrays, _ = folder.read(name, trained)
            honest, model, attempts = restored(arrays, mechanism.recipe, tuple(matrix.STRATEGIES))
            if layer == "none":
                plain[kind], bare = model, (mechanism, honest)
            attempts["early key"] = collusion.early_key(mechanism, model)
            told = collusion.measure(mechanism, honest)
            reasons = not_tried(mechanism.recipe)
            left_out = {name: reasons[name] for name in matrix.STRATEGIES if name in reasons}
            cells[kind, layer] = matrix.measured(mechanism, honest, attempts, *bare, left_out, told)
    return cells


def num_pairs(settings: Settings) -> int:
    """Pairs of victim and cheat of every strategy and layer; raises ValueError where they are too few for intervals."""
    return checks.whole("seeds", min(16, settings.seeds) if settings.quick else settings.seeds, low=2, high=2**31 - 1)


def layers(task: Task, quick: bool) -> Iterator[tuple[str, str, SecureMappingLayer | None]]:
    """(kind of model, name, layer) of all cells; a kind's first is without a layer."""
    features = task.num_features
    yield "dense", "none", None
    yield "dense", "gaussian", SecureMappingLayer()
    yield "dense", "orthogonal", SecureMappingLayer(law="orthogonal")
    if not quick:
        yield "dense", "rademacher", SecureMappingLayer(law="rademacher")
        yield "dense", "uniform", SecureMappingLayer(law="uniform")
    yield "dense", "uniform, not centred", SecureMappingLayer(law="positive")
    if not quick:
        yield "dense", "standardised samples", SecureMappingLayer(standardise=True)
        yield "dense", "grid of quarters", SecureMappingLayer(fraction_bits=2)
    yield "dense", "half", SecureMappingLayer(features=max(1, features // 2))
    if not quick:
        yield "dense", "quarter", SecureMappingLayer(features=max(1, features // 4))
    yield "dense", "double", SecureMappingLayer(features=2 * features)
    yield "dense", "ReLU", SecureMappingLayer(activation=nn.relu)
    if not quick:
        yield "dense", "tanh", SecureMappingLayer(activation=jnp.tanh)
        yield "dense", "orthogonal, ReLU", SecureMappingLayer(law="orthogonal", activation=nn.relu)
    yield "dense", "half, ReLU", SecureMappingLayer(features=max(1, features // 2), activation=nn.relu)
    yield "dense", "double, ReLU", SecureMappingLayer(features=2 * features, activation=nn.relu)
    if len(task.shape) in (2, 3):
        patches = {"shape": task.shape, "patch": 2}
        yield "convolutional", "none", None
        yield "convolutional", "orthogonal", SecureMappingLayer(law="orthogonal")
        if not quick:
            yield "convolutional", "orthogonal, ReLU", SecureMappingLayer(law="orthogonal", activation=nn.relu)
        if not any(side % 2 for side in task.shape[:2]):
            yield "convolutional", "per patch", SecureMappingLayer(**patches)  # type: ignore[arg-type]
            yield (
                "convolutional",
                "per patch, ReLU",
                SecureMappingLayer(activation=nn.relu, **patches),  # type: ignore[arg-type]
            )


def _mechanisms(settings: Settings, task: Task) -> Iterator[tuple[tuple[str, str], PoLe]]:
    for kind, name, layer in layers(task, settings.quick):
        if kind == "convolutional" and not settings.convolutional:
            continue
        model: nn.Module = MultilayerPerceptron(tuple(settings.hidden), task.num_classes)
        if kind == "convolutional":
            shape = task.shape
            if layer is not None and layer.patch is not None:
                height, width = (side // layer.patch for side in task.shape[:2])
                shape = (height, width, layer.width(task.num_features) // (height * width))
            model = ConvolutionalNetwork(shape, num_classes=task.num_classes)
        steps = checks.whole("steps", settings.steps, low=5, high=2**31 - 1)
        yield (
            (kind, name),
            PoLe(task, threshold=settings.threshold, margin=settings.margin, model=model, sml=layer, max_steps=steps),
        )


def load_task(settings: Settings) -> Task:
    """The task, with no more samples than asked for.

    Raises:
      ValueError: there is no such task, or fewer samples than 16 are asked for.
    """
    task = compare.load_task(settings.task)
    samples = checks.whole("samples", settings.samples, low=16)
    few = samples // 4
    return replace(
        task,
        train_inputs=task.train_inputs[:samples],
        train_labels=task.train_labels[:samples],
        validation_inputs=task.validation_inputs[:few],
        validation_labels=task.validation_labels[:few],
        test_inputs=task.test_inputs[:few],
        test_labels=task.test_labels[:few],
    )
