"""`polejax report`: one self-contained web page of a folder of results, whichever job wrote it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import tyro

from polejax._core import checks, paths
from polejax._core.netcdf import write_whole
from polejax.jobs.options import UserPath
from polejax.jobs.report import files, of_attack, of_claims, of_compare, of_study
from polejax.jobs.web_page import Page, render

PAGES: Mapping[str, Callable[[Path], Page]] = {
    "study.json": of_study.page,
    "attack.json": of_attack.page,
    "claims.json": of_claims.page,
    "summary.json": of_compare.page,
}
"""By the file that tells which job wrote a folder."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One web page of a folder that compare, study, claims or attack wrote: tables, figures, numbers to save."""

    folder: Annotated[UserPath, tyro.conf.Positional]
    """folder of results"""
    out: UserPath | None = None
    """file to write; report.html in the folder if not given"""


def run(settings: Settings) -> Path:
    """Write the page; return its path.

    Raises:
      ValueError: the folder holds no results, results that are not as polejax writes them, or cannot be written to.
      StudyError: the folder's files are damaged.
    """
    folder = Path(paths.checked("folder", settings.folder))
    target = folder / "report.html" if settings.out is None else Path(paths.checked("out", settings.out))
    text = render(page_of(folder))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(str(target), text.encode(errors="backslashreplace"))
    except OSError as error:
        raise ValueError(f"out must be a file that can be written, got {target} ({paths.reason(error)})") from None
    return target


def page_of(folder: Path) -> Page:
    """The page of a folder; errors as `run`."""
    name = next((name for name in PAGES if files.exists(folder / name)), None)
    if name is None:
        kind = "does not exist" if not files.exists(folder) else "holds no results of compare, study, claims or attack"
        raise ValueError(
            f"folder must be one of results, got {checks.shown(str(folder))}, which {kind}: check the path"
        )
    try:
        return PAGES[name](folder)
    except files.Foreign as error:
        raise ValueError(f"folder must hold what polejax wrote, got {folder}: {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        reason = f"{type(error).__name__} {paths.reason(error)}"
        raise ValueError(
            f"folder must hold what this polejax wrote, got {folder}, whose {name} is other ({reason})"
        ) from None
