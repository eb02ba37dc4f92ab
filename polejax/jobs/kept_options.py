"""Options that results on disk were made with: those of other options are not overwritten by habit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polejax._core import paths
from polejax._core.describe import describe, differences
from polejax._core.netcdf import write_whole

UNTOLD = "nobody knows what"
"""In place of the options of results that do not tell theirs."""


def differing(before: Any, now: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """In what the options of older results differ, in words; "" where they are the same.

    Args:
      before: options as JSON has them, maybe of another version of polejax.
      now: those of this run.
      usual: their defaults, which stand for options that the older version did not have.
    """
    if not isinstance(before, dict):
        return "other results, which do not tell what of"
    told, defaults = describe(dict(now)), describe(dict(usual))
    found = next(differences(_completed(before, told, defaults), told), None)
    return f"results of other options, with {found}" if found else ""


def _completed(before: dict[str, Any], now: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    known = {name: before.get(name, usual[name]) for name in now}
    for name, value in now.items():
        if isinstance(value, dict) and isinstance(known[name], dict):
            known[name] = _completed(known[name], value, usual[name])
    return known


def refuse_others(out: Path, found: str, overwrite: bool) -> None:
    """Raise a ValueError, in one line with the ways on, unless `found` is "" or what is there may be replaced."""
    if found and not overwrite:
        raise ValueError(f"out {out} holds {found}: choose another --out, or replace it by --overwrite")


_MARKS = {
    "study": ("study.json", "a study"),
    "bank": ("bank.json", "a bank"),
    "attack": ("attack.json", "an attack's results"),
    "claims": ("claims.json", "a claims job's results"),
    "compare": ("results.nc", "a comparison's results"),
}
"""By which file the results of each command are known."""


def check_others(out: Path, kind: str) -> None:
    """Raise a ValueError if a folder holds the results of another command, which no option replaces."""
    for command, (name, what) in _MARKS.items():
        if command != kind and paths.exists(str(out / name)):
            raise ValueError(f"out {out} holds {what} ({name}): choose another --out")


def check(path: Path, results: Path, now: Mapping[str, Any], usual: Mapping[str, Any], overwrite: bool) -> None:
    """Raise a ValueError if there are results, and the options file beside them tells of others.

    Args:
      path: of the options file, which `keep` writes.
      results: a file that is there if there are results.
      now, usual: as in `differing`.
      overwrite: whether other results may be replaced.
    """
    if results.exists() or path.exists():
        try:
            before = json.loads(path.read_text())
        except (OSError, ValueError):
            before = UNTOLD
        refuse_others(path.parent, differing(before, now, usual), overwrite)


def keep(path: Path, now: Mapping[str, Any]) -> None:
    """Write the options file; raises ValueError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(str(path), (json.dumps(describe(dict(now)), indent=2) + "\n").encode())
    except OSError as error:
        raise ValueError(
            f"out must be a folder that can be written to, got {path.parent} ({paths.reason(error)})"
        ) from None
