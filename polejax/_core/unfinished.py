"""Unfinished files: temporary ones that are being written, so that a process that ends at once can remove them."""

import contextlib
import os
from collections.abc import Iterator

_paths: set[str] = set()


@contextlib.contextmanager
def noted(path: str) -> Iterator[None]:
    """Count a temporary file as unfinished inside the `with` block."""
    _paths.add(path)
    try:
        yield
    finally:
        _paths.discard(path)


def remove() -> None:
    """Remove all unfinished files; only where the process ends right after."""
    for path in tuple(_paths):
        with contextlib.suppress(OSError):
            os.unlink(path)
