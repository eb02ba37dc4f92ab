"""Faults of task files: what is wrong with one, in one line that names it and says what to do."""

from pathlib import Path

import numpy as np

from polejax._core import paths

GZIP_MAGIC = b"\x1f\x8b"
AGAIN = "download it again"


def check_label_bytes(path: Path, labels: np.ndarray) -> None:
    """Raise a ValueError for labels above 9."""
    if labels.max() > 9:
        sample = int(np.argmax(labels > 9))
        raise ValueError(
            f"{path} has label {labels[sample]} at sample {sample}, expected 0..9: "
            f"{AGAIN}, from a data set of 10 classes"
        )


def unreadable(path: Path, error: OSError) -> ValueError:
    """What to raise for an error of the operating system."""
    if isinstance(error, FileNotFoundError):
        return ValueError(f"{path} is missing: download it, or correct the path")
    return ValueError(f"{path} cannot be read ({error.strerror or error}): give a readable file")


def check_is_archive(path: Path) -> None:
    """Raise a ValueError that says what to do with a file of another data set's kind."""
    try:
        with paths.open_regular(str(path)) as file:
            begin = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from None
    if begin[:2] == b"\0\0" or (begin[:2] == GZIP_MAGIC and "idx" in path.name):
        raise ValueError(f"{path} is one IDX file, and a task needs four: give the folder that holds all")
    if begin[:2] == GZIP_MAGIC or path.suffix in (".tar", ".gz", ".tgz"):
        raise ValueError(f"{path} is an archive of files: unpack it, and give the folder that it makes")
