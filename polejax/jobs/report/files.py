"""Files of a folder of results, none of which is believed: regular files of a bearable size, read whole."""

import json
from pathlib import Path
from typing import Any

from polejax._core import paths
from polejax._core.tables import Table
from polejax.jobs.web_page import Download, Picture, from_csv

_LARGEST = 16 * 2**20  # bytes of a file that goes onto a page
_MOST = 200  # files of a kind


class Foreign(ValueError):
    """A file is not as polejax writes it; the message says how."""


def exists(path: Path) -> bool:
    """Whether there is such a file.

    Raises:
      ValueError: that cannot be told.
    """
    try:
        return paths.exists(str(path))
    except OSError as error:
        raise ValueError(
            f"folder holds {path.name}, which cannot be read ({paths.reason(error)}): give access"
        ) from None


def content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
      Foreign: it cannot be read, or is too large for a page.
    """
    try:
        with paths.open_regular(str(path)) as file:
            found = file.read(_LARGEST + 1)
    except OSError as error:
        raise Foreign(f"{path.name} cannot be read ({paths.reason(error)})") from None
    if len(found) > _LARGEST:
        raise Foreign(f"{path.name} has more than {_LARGEST >> 20} MiB")
    return found


def words(path: Path) -> str:
    """The text of a file; raises Foreign where it is none."""
    try:
        return content(path).decode()
    except UnicodeDecodeError as error:
        raise Foreign(f"{path.name} is no text ({paths.reason(error)})") from None


def entries(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises Foreign where there is none."""
    try:
        found = json.loads(words(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, Foreign):
            raise
        raise Foreign(f"{path.name} is no JSON ({paths.reason(error)})") from None
    if not isinstance(found, dict):
        raise Foreign(f"{path.name} holds no JSON object")
    return found


def table(path: Path, title: str) -> Table:
    """The table in a CSV file; raises Foreign where there is none."""
    try:
        return from_csv(words(path), title)
    except ValueError as error:
        if isinstance(error, Foreign):
            raise
        raise Foreign(f"{path.name} is no CSV ({paths.reason(error)})") from None


def pictures(folder: Path) -> list[Picture]:
    """The figures in a folder, each as SVG, or as PNG where it is not there as SVG."""
    found: dict[str, tuple[str, Path]] = {}
    for kind in ("png", "svg"):
        found |= {path.stem: (kind, path) for path in _named(folder, kind)}
    return [Picture(name.replace("_", " "), kind, content(path)) for name, (kind, path) in sorted(found.items())]


def downloads(folder: Path) -> list[Download]:
    """The CSV files in a folder."""
    return [Download(path.name, content(path)) for path in _named(folder, "csv")]


def _named(folder: Path, ending: str) -> list[Path]:
    try:
        return sorted(path for path in folder.glob(f"*.{ending}") if not path.name.startswith("."))[:_MOST]
    except OSError as error:
        raise Foreign(f"{folder.name} cannot be read ({paths.reason(error)})") from None
