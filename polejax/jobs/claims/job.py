"""`polejax claims`: train a bank, measure every claim or go on from what is on disk, and write the page."""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from polejax._core import checks, devices
from polejax._core.describe import as_text, describe
from polejax._core.folder import Folder
from polejax._core.progress import Callback, Meter, Progress
from polejax.analysis.service_at_loads import check_loads
from polejax.jobs import kept_options
from polejax.jobs.claims import fairness, forks, intervals, relatives, secure_mapping, security, transactions
from polejax.jobs.claims.section import Section
from polejax.jobs.claims.workbench import Bench
from polejax.jobs.options import UserPath
from polejax.learning import tasks
from polejax.mechanisms.pole import PoLe
from polejax.studies import shards
from polejax.studies.banks import learning_curves

SECTIONS: dict[str, ModuleType] = {
    "intervals": intervals,
    "transactions": transactions,
    "secure_mapping": secure_mapping,
    "forks": forks,
    "fairness": fairness,
    "security": security,
    "relatives": relatives,
}
CURVES, QUICK_CURVES = 16_384, 2_048
LEAST_CURVES = 1_024
"""For 64 nodes, and for the relatives' 16 of which each part has 16 curves: with fewer, sections would be refused."""
LOADS, QUICK_LOADS = (0.5, 0.8, 0.9, 0.95), (0.5, 0.9)
_TOLD = ("polejax", "jax")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Each claim of Lan, Liu and Li with a verdict, its numbers and a figure, from one bank and live controls."""

    quick: bool = False
    """fewer points, chains and curves: minutes instead of half an hour"""
    curves: int | None = None
    """learning curves of the bank, each as long as training; 1,024 nodes need 16,384. None: 16,384, quick 2,048"""
    load: tuple[float, ...] = ()
    """shares of a chain's own capacity that users ask for; none given: 0.5, 0.8, 0.9 and 0.95, quick 0.5 and 0.9"""
    seed: int = 0
    """of all random numbers"""
    out: UserPath = Path("results/claims")
    """folder for what is measured (a later run goes on from it), tables, figures/, claims.md and claims.html"""
    overwrite: bool = False
    """delete what another claims job has left in that folder, and begin anew"""

    @property
    def num_curves(self) -> int:
        """The curves asked for, or as many as suit the job."""
        return (QUICK_CURVES if self.quick else CURVES) if self.curves is None else self.curves

    @property
    def loads(self) -> tuple[float, ...]:
        """The loads asked for, rising, or those that suit the job."""
        return tuple(sorted(self.load)) or (QUICK_LOADS if self.quick else LOADS)


def run(settings: Settings, progress: Callback) -> list[Section]:
    """Measure what is not on disk yet, and tell every claim.

    Args:
      settings: of the job.
      progress: called with `Progress`; its label says what is under way, the bank first.

    Raises:
      ValueError: a setting out of range.
      StudyError: the folder holds another job's results, is damaged or cannot be written.
    """
    parts, seeds, blocks = (8, 64, 128) if settings.quick else (16, 256, 256)
    curves = checks.whole("curves", settings.num_curves)
    if curves < LEAST_CURVES:
        raise ValueError(
            f"curves must be at least {LEAST_CURVES:,}, 4 for each of 64 nodes in each of 4 parts, got {curves:,}: "
            "train more"
        )
    loads = check_loads(settings.loads)
    seed = checks.whole("seed", settings.seed, high=2**32 - 1)
    mechanism = learner()
    bank_key, key = shards.seed_keys(seed, 0, 2)
    folder = Folder(settings.out, "claims")
    kept_options.check_others(Path(folder.path), "claims")
    sections = []
    with folder.locked():
        if settings.overwrite:
            folder.clear()
            Folder(Path(folder.path) / "bank", "bank").clear()
        manifest = {
            "mechanism": as_text(describe(mechanism)),
            "quick": settings.quick,
            "curves": curves,
            "loads": list(loads),
            "seed": seed,
        }
        folder.begin(manifest, tuple(manifest))
        steps = mechanism.recipe.max_steps
        bank = learning_curves(
            bank_key, mechanism, curves, num_steps=steps, out=Path(settings.out) / "bank", progress=_labelled(progress)
        )
        bench = Bench(mechanism, bank, key, parts, seeds, blocks, settings.quick, loads, progress)
        meter = Meter(progress, len(SECTIONS), "sections", label="claims")
        for number, (name, module) in enumerate(SECTIONS.items()):
            progress(Progress(number, len(SECTIONS), "sections", 0.0, 0.0, np.inf, f"claims, now {name}"))
            rows, seconds = _rows(folder, name, module, bench)
            sections.append(dataclasses.replace(module.tell(rows), seconds=seconds))
            meter.add(1)
    return sections


def learner() -> PoLe:
    """What is trained: scikit-learn's digits, half of whose test samples decide nothing and judge the winners."""
    task, held_out = tasks.hold_out(tasks.digits())
    return PoLe(task, holdout=held_out)


def about(settings: Settings, sections: Sequence[Section]) -> str:
    """What was run, in one line: the command, versions and the time that the sections took."""
    versions = ", ".join(f"{name} {version}" for name, version in devices.versions().items() if name in _TOLD)
    quick = " --quick" if settings.quick else ""
    load = " --load " + " ".join(f"{one:g}" for one in settings.load) if settings.load else ""
    minutes = sum(section.seconds for section in sections) / 60
    return (
        f"polejax claims{quick}{load} --seed {settings.seed} --curves {settings.num_curves}; {versions}; "
        f"measuring took {minutes:.0f} minutes of wall clock, the bank aside"
    )


def _rows(folder: Folder, name: str, module: ModuleType, bench: Bench) -> tuple[list[dict[str, Any]], float]:
    """A section's rows, those on disk or measured and written, and the seconds that they took."""
    file, about = f"{name}.nc", {"section": list(SECTIONS).index(name)}
    if not folder.has(file):
        begun = time.perf_counter()
        rows = module.measure(bench)
        if not bench.quick:
            jax.clear_caches()  # programs of one section are of no use to the next, and gigabytes in all
        text = json.dumps({"rows": rows, "seconds": time.perf_counter() - begun})
        folder.write(file, {"rows_json": (("character",), np.frombuffer(text.encode(), np.uint8))}, about)
    variables, _ = folder.read(file, about)
    found = json.loads(np.asarray(variables["rows_json"]).tobytes())
    return found["rows"], float(found["seconds"])


def _labelled(progress: Callback) -> Callback:
    from polejax._core.record import replace

    def report(told: Any) -> None:
        progress(replace(told, label="bank"))

    return report
