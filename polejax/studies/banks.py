"""Banks on disk: learning curves that are trained once, saved as they are trained, and read by every study."""

import glob
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from polejax._core import checks, identity, lanes, limits, paths
from polejax._core.checked import checked
from polejax._core.describe import describe
from polejax._core.folder import Folder, StudyError
from polejax._core.progress import Callback, Meter
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Key
from polejax.learning.recipe import Recipe
from polejax.mechanisms import bank
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.learning_curves import checked_evaluations, recipe_of, trainer
from polejax.mechanisms.pole import PoLe
from polejax.studies.bank_files import as_bank, check_readable, read_file


@checked
@single("mechanism")
@steady
def learning_curves(
    key: Key,
    mechanism: PoLe | Recipe,
    num_curves: int,
    *,
    num_steps: int | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: list[Any] | None = None,
    progress: Callback | None = None,
) -> Bank:
    """Train networks by a recipe to a fixed budget and record their accuracies.

    Every curve has a random tip and address, hence its own Secure Mapping Layer, and its own initialisation and
    shuffle, all by its number: a larger bank of the same key begins with the smaller one's curves, and longer curves
    begin with the shorter ones, bit for bit.

    Args:
      key: typed key.
      mechanism: a `PoLe`, of which only the recipe plays a part, or a `Recipe`.
      num_curves: B.
      num_steps: training steps of a curve, which has one evaluation every `evaluate_every`; None: 400, or the recipe's
        `max_steps` if that is less. At `max_steps` replayed nodes have live ones' law at every threshold. Shorter
        curves cost less and are enough where nearly all pass the thresholds of interest (`Bank.share_reaching`), as
        all of the digits pass 0.9; `Replay` refuses them where they are not.
      out: folder to save the curves to as they are trained, some thousand at a time; a run that was killed goes on
        where it stopped, and one for more curves adds to those of the last. One for longer curves trains them anew
        from the start, checks that they begin as those saved, and takes their place. None: they are kept in memory
        only.
      devices: to train on; None: all local ones.
      progress: called with `Progress` in curves, every few seconds.

    Returns:
      `Bank` of NumPy arrays [B, K].

    Raises:
      ValueError: an untyped key, a mechanism that is no `PoLe` or a sweep, no curves, more than the machine's memory,
        disk or a year of its time allows, or steps below `evaluate_every` or beyond `max_steps`.
      StudyError: `out` holds another bank, is in use, damaged, full or cannot be written, or its curves do not begin as
        those trained here; in one line.
    """
    checks.key("key", key)
    lanes.chosen(devices)
    out = None if out is None else paths.checked("out", out)
    num_curves = checks.whole("num_curves", num_curves, low=1)
    recipe = recipe_of(mechanism)
    num_evaluations = checked_evaluations(recipe, num_steps)
    _check_demand(recipe, num_curves, num_evaluations, out)
    made_by = bank.trained_by(recipe)
    train, chunk = trainer(key, recipe, made_by, num_curves, num_evaluations, devices)
    if out is None:
        return _collect(train, num_curves, num_evaluations, chunk, [], None, progress)
    folder = Folder(out, "bank")
    with folder.locked():
        manifest = {
            "trained": bank.learning_of(recipe),
            "key": describe(key),
            "chunk": chunk,
            "programs": {"the recipe": _known(made_by)},
            "versions": identity.tracing_versions(),
        }
        before = folder.begin(manifest, ("trained", "key"))
        identity.check_programs(folder.path, "bank", before, manifest)
        chunk = int(before["chunk"])
        found = _collect(train, num_curves, num_evaluations, chunk, _saved(folder), folder, progress)
        return found.of(recipe)  # saved by a recipe that may give up after other steps


def _check_demand(recipe: Recipe, num_curves: int, num_evaluations: int, out: str | None) -> None:
    """Raise a ValueError if curves would take more memory, disk, or time than a year, on this machine."""
    what = f"num_curves {num_curves:,} of {num_evaluations * recipe.evaluate_every:,} steps"
    steps = float(num_curves) * num_evaluations * recipe.evaluate_every
    limits.check_time(what, steps * recipe.step_flops / _FLOPS_PER_DRAW, "train fewer")
    size = float(num_curves) * num_evaluations * (9 if recipe.holdout is None else 13)
    limits.check_memory(what, size, "train fewer, or shorter ones by num_steps")
    if out is not None:
        limits.check_disk(what, out, size / 10, "make room, or choose another folder")  # curves are compressed


_FLOPS_PER_DRAW = 1e4  # so that a CPU's device would have to do 1e13 a second


def _known(made_by: str) -> str:
    """The program of a bank that is to be stored; raises ValueError where none can be told."""
    program = json.loads(made_by)["program"]
    if program is None:
        raise ValueError(
            "out must be None for a recipe that calls functions on the host, as stored curves cannot be told from "
            "another function's: write it in JAX"
        )
    return str(program)


def _collect(
    train: Callable[[int, int], Bank],
    num_curves: int,
    num_evaluations: int,
    chunk: int,
    saved: list[Bank],
    folder: Folder | None,
    progress: Callback | None,
) -> Bank:
    """The first `num_curves` curves: those saved that are long enough, the others trained, and saved, by chunks."""
    parts: list[Bank] = []
    firsts = range(0, num_curves, chunk)
    short = [index >= len(saved) or saved[index].num_evaluations < num_evaluations for index in range(len(firsts))]
    left = sum(min(chunk, num_curves - first) for first, train_it in zip(firsts, short, strict=True) if train_it)
    meter = Meter(progress, num_curves, "curves", before=num_curves - left)
    for index, first in enumerate(firsts):
        part = train(first, chunk) if short[index] else saved[index]
        if short[index]:
            if folder is not None:
                _check_beginning(part, saved[index : index + 1], folder.part_path(_part_name(first)))
                folder.write(_part_name(first), part.variables(), {**part.attributes(), "first_curve": first})
            meter.add(min(chunk, num_curves - first))
        parts.append(part.until(num_evaluations))
    return bank.join(parts).cut(0, num_curves)


def _check_beginning(longer: Bank, saved: list[Bank], path: str) -> None:
    """Raise a StudyError unless curves begin as those of the same numbers that are saved, if any are."""
    for part in saved:
        beginning = longer.until(part.num_evaluations).variables()
        for name, (_, array) in part.variables().items():
            if name not in beginning or not np.array_equal(array, beginning[name][1]):
                raise StudyError(
                    f"{path} has curves whose {name} is another than they begin with when trained here, on other "
                    "hardware or with another version: choose another folder"
                )


@checked
@single("mechanism")
@steady
def load_bank(path: str | os.PathLike[str], mechanism: PoLe | Recipe | None = None) -> Bank:
    """Read a bank from a file that `Bank.save` wrote, or from the folder that `learning_curves` fills, finished or not.

    Args:
      path: of the file or the folder. Of a folder whose curves are being lengthened, all are cut to one length.
      mechanism: the `PoLe`, or `Recipe`, whose curves the bank is to hold; they are cut where its nodes give up. None:
        any.

    Raises:
      StudyError: there is no bank, it may not be read, or it is damaged.
      ValueError: the bank is of other networks; the first difference is named.
    """
    path = paths.checked("path", path)
    check_readable(path)
    if os.path.isdir(path):
        folder = Folder(path, "bank")
        parts = _saved(folder)
        _check_no_gap(folder, len(parts))
        if not parts:
            raise StudyError(f"{path} has no finished curves yet: train on with polejax.learning_curves")
        found = bank.join(parts)
    else:
        found = read_file(path)
    if mechanism is not None:
        recipe = recipe_of(mechanism)
        found.check_matches(recipe)
        found = found.of(recipe)
    return found


def _saved(folder: Folder) -> list[Bank]:
    """The parts of a bank that are on disk, in order, no gaps."""
    manifest = folder.manifest(("trained", "key", "chunk"))
    chunk = manifest["chunk"]
    if not isinstance(chunk, int) or chunk < 1:
        raise StudyError(f"{folder.path} has a bank.json of {chunk!r} curves a part: restore it from a copy")
    parts: list[Bank] = []
    while folder.has(_part_name(chunk * len(parts))):
        name = _part_name(chunk * len(parts))
        part = as_bank(folder.part_path(name), *folder.read(name, {"first_curve": chunk * len(parts)}))
        if part.num_curves != chunk:
            raise StudyError(
                f"{folder.part_path(name)} has {part.num_curves} curves, not {chunk}: delete it and run again"
            )
        parts.append(part)
    return parts


def _check_no_gap(folder: Folder, found: int) -> None:
    """Raise a StudyError where there are parts behind a missing one, which would be left out without a word."""
    names = glob.glob("curves-*.nc", root_dir=os.path.join(folder.path, "parts"))
    if len(names) > found:
        raise StudyError(
            f"{folder.path} has {len(names)} parts, of which only the first {found} follow one another: "
            "train on with polejax.learning_curves, which makes the missing ones again"
        )


def _part_name(first: int) -> str:
    """File name of the part whose first curve has this number."""
    return f"curves-{first:08d}.nc"
