"""Types of options: how words of the command line are read."""

from pathlib import Path
from typing import Annotated

import tyro

from polejax._core import paths


def _read(words: list[str]) -> Path:
    return Path(paths.checked("it", words[0]))


UserPath = Annotated[
    Path,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=_read,
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda path: [str(path)],
    ),
]
"""A path, with `~` for the user's home; no empty one, which `Path` takes for the current folder."""
