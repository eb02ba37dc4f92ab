"""Banks on disk: learning curves that are trained once, saved as they are trained, and read by every study."""

import os
from collections.abc import Callable
from typing import Any

from polejax._core import checks
from polejax._core.describe import describe
from polejax._core.folder import Folder, StudyError
from polejax._core.progress import Callback, Meter
from polejax._core.types import Key
from polejax.learning.recipe import Recipe
from polejax.mechanisms import bank
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.learning_curves import checked_evaluations, recipe_of, trainer
from polejax.mechanisms.pole import PoLe


def learning_curves(
    key: Key,
    mechanism: PoLe | Recipe,
    num_curves: int,
    *,
    num_evaluations: int | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: list[Any] | None = None,
    progress: Callback | None = None,
) -> Bank:
    """Train networks by a recipe to a fixed budget and record their accuracies.

    Every curve has a random tip and address, hence its own Secure Mapping Layer, and its own initialisation and
    shuffle, all by its number: a larger bank of the same key begins with the smaller one's curves.

    Args:
      key: typed key.
      mechanism: a `PoLe`, of which only the recipe plays a part, or a `Recipe`.
      num_curves: B.
      num_evaluations: K, one every `evaluate_every` steps of the recipe; None: 400 steps' worth, or its `max_steps`
        if that is less. A replayed node gives up where its curve ends, so nearly all curves should pass the
        thresholds of interest (`Bank.share_reaching`).
      out: folder to save the curves to as they are trained, some thousand at a time; a run that was killed goes on
        where it stopped, and one for more curves adds to those of the last. None: they are kept in memory only.
      devices: to train on; None: all local ones.
      progress: called with `Progress` in curves, every few seconds.

    Returns:
      `Bank` of NumPy arrays [B, K].

    Raises:
      ValueError: an untyped key, a mechanism that is no `PoLe`, or a count below 1 or beyond `max_steps`.
      StudyError: `out` holds another bank, is in use, damaged, full or cannot be written; in one line.
    """
    checks.key("key", key)
    num_curves = checks.whole("num_curves", num_curves, low=1)
    recipe = recipe_of(mechanism)
    num_evaluations = checked_evaluations(recipe, num_evaluations)
    train, chunk = trainer(key, recipe, num_curves, num_evaluations, devices)
    if out is None:
        return _collect(train, num_curves, chunk, [], None, progress)
    folder = Folder(out, "bank")
    with folder.locked():
        trained = bank.learning_of(recipe)
        manifest = {"trained": trained, "key": describe(key), "num_evaluations": num_evaluations, "chunk": chunk}
        chunk = int(folder.begin(manifest, ("trained", "key", "num_evaluations"))["chunk"])
        return _collect(train, num_curves, chunk, _saved(folder), folder, progress)


def _collect(
    train: Callable[[int, int], Bank],
    num_curves: int,
    chunk: int,
    saved: list[Bank],
    folder: Folder | None,
    progress: Callback | None,
) -> Bank:
    """The first `num_curves` curves: those saved, and the others trained, and saved, chunk by chunk."""
    parts = list(saved)
    begin = chunk * len(parts)
    meter = Meter(progress, num_curves, "curves", before=min(begin, num_curves))
    for first in range(begin, num_curves, chunk):
        part = train(first, chunk)
        if folder is not None:
            folder.write(_part_name(first), part.variables(), {**part.attributes(), "first_curve": first})
        parts.append(part)
        meter.add(min(chunk, num_curves - first))
    return bank.join(parts).cut(0, num_curves)


def load_bank(path: str | os.PathLike[str], mechanism: PoLe | Recipe | None = None) -> Bank:
    """Read a bank from a file that `Bank.save` wrote, or from the folder that `learning_curves` fills, finished or not.

    Args:
      path: of the file or the folder.
      mechanism: the `PoLe`, or `Recipe`, whose curves the bank is to hold; None: any.

    Raises:
      StudyError: there is no bank, or it is damaged.
      ValueError: the bank is of other networks; the first difference is named.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        parts = _saved(Folder(path, "bank"))
        if not parts:
            raise StudyError(f"{path} has no finished curves yet: train on with polejax.learning_curves")
        found = bank.join(parts)
    elif os.path.exists(path):
        found = _read(Folder(os.path.dirname(path), "bank"), path, {})
    else:
        raise StudyError(f"{path} does not exist: check the path, or train a bank with polejax.learning_curves")
    if mechanism is not None:
        found.check_matches(recipe_of(mechanism))
    return found


def _saved(folder: Folder) -> list[Bank]:
    """The parts of a bank that are on disk, in order, no gaps."""
    chunk = int(folder.manifest(("trained", "key", "num_evaluations", "chunk"))["chunk"])
    parts: list[Bank] = []
    while folder.has(_part_name(chunk * len(parts))):
        first = chunk * len(parts)
        parts.append(_read(folder, folder.part_path(_part_name(first)), {"first_curve": first}))
    return parts


def _part_name(first: int) -> str:
    """File name of the part whose first curve has this number."""
    return f"curves-{first:08d}.nc"


def _read(folder: Folder, path: str, expected: dict[str, int]) -> Bank:
    arrays, attributes = folder.read_file(path, expected)
    try:
        curves = (arrays["validation"], arrays["test"], arrays["diverged"])
        return Bank(*curves, int(attributes["evaluate_every"]), str(attributes["trained"]), arrays.get("holdout"))
    except KeyError as error:
        raise StudyError(f"{path} is no bank (no {error}): check the path") from None
