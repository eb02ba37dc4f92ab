"""`polejax claims`: train a bank, measure every claim or go on from what is on disk, and write the page."""

import dataclasses
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from polejax._core import checks, devices
from polejax._core.describe import as_text, describe
from polejax._core.folder import Folder
from polejax._core.progress import Callback, Meter
from polejax.jobs import kept_options
from polejax.jobs.claims import fairness, forks, intervals, security, transactions
from polejax.jobs.claims.section import Section
from polejax.jobs.claims.workbench import Bench
from polejax.jobs.options import UserPath
from polejax.learning import tasks
from polejax.mechanisms.pole import PoLe
from polejax.studies import shards
from polejax.studies.banks import learning_curves

SECTIONS: dict[str, ModuleType] = {
    "intervals": intervals,
    "forks": forks,
    "transactions": transactions,
    "fairness": fairness,
    "security": security,
}
CURVES = 4_096
_TOLD = ("polejax", "commit", "jax")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Each claim of Lan, Liu and Li with a verdict, its numbers and a figure, from one bank and live controls."""

    quick: bool = False
    """fewer points and chains: minutes instead of half an hour"""
    curves: int = CURVES
    """learning curves of the bank, each as long as training"""
    seed: int = 0
    """of all random numbers"""
    out: UserPath = Path("results/claims")
    """folder for what is measured (a later run goes on from it), tables, figures/, claims.md and claims.html"""
    overwrite: bool = False
    """delete what another claims job has left in that folder, and begin anew"""


def run(settings: Settings, progress: Callback) -> list[Section]:
    """Measure what is not on disk yet, and tell every claim.

    Args:
      settings: of the job.
      progress: called with `Progress`; its label says which section, and the bank first.

    Raises:
      ValueError: a setting out of range.
      StudyError: the folder holds another job's results, is damaged or cannot be written.
    """
    parts, seeds, blocks = (8, 64, 128) if settings.quick else (16, 256, 256)
    curves = checks.whole("curves", settings.curves, low=parts * 16)
    seed = checks.whole("seed", settings.seed, high=2**32 - 1)
    mechanism = PoLe(tasks.digits())
    bank_key, key = shards.seed_keys(seed, 0, 2)
    folder = Folder(settings.out, "claims")
    kept_options.check_others(Path(folder.path), "claims")
    sections = []
    with folder.locked():
        if settings.overwrite:
            folder.clear()
            Folder(Path(folder.path) / "bank", "bank").clear()
        manifest = {"mechanism": as_text(describe(mechanism)), "quick": settings.quick, "curves": curves, "seed": seed}
        folder.begin(manifest, tuple(manifest))
        steps = mechanism.recipe.max_steps
        bank = learning_curves(
            bank_key, mechanism, curves, num_steps=steps, out=Path(settings.out) / "bank", progress=_labelled(progress)
        )
        bench = Bench(mechanism, bank, key, parts, seeds, blocks, settings.quick)
        meter = Meter(progress, len(SECTIONS), "sections", label="claims")
        for name, module in SECTIONS.items():
            sections.append(module.tell(_rows(folder, name, module, bench)))
            meter.add(1)
    return sections


def about(settings: Settings) -> str:
    """What was run, in one line: the command, versions and the machine."""
    versions = ", ".join(f"{name} {version}" for name, version in devices.versions().items() if name in _TOLD)
    quick = " --quick" if settings.quick else ""
    return f"polejax claims{quick} --seed {settings.seed}, {settings.curves:,} curves; {versions}"


def _rows(folder: Folder, name: str, module: ModuleType, bench: Bench) -> list[dict[str, Any]]:
    """A section's rows: those on disk, or measured and written."""
    file, about = f"{name}.nc", {"section": list(SECTIONS).index(name)}
    if not folder.has(file):
        begun = time.perf_counter()
        rows = module.measure(bench)
        text = json.dumps({"rows": rows, "seconds": time.perf_counter() - begun})
        folder.write(file, {"rows_json": (("character",), np.frombuffer(text.encode(), np.uint8))}, about)
    variables, _ = folder.read(file, about)
    found: list[dict[str, Any]] = json.loads(np.asarray(variables["rows_json"]).tobytes())["rows"]
    return found


def _labelled(progress: Callback) -> Callback:
    from polejax._core.record import replace

    def report(told: Any) -> None:
        progress(replace(told, label="bank"))

    return report
