"""Types of options: how words of the command line are read."""

from pathlib import Path
from typing import Annotated

import tyro

from polejax._core import paths


def user_path(word: str) -> Path:
    """The path that a user has written, with `~` for the home folder: for `type=` of argparse.

    Raises:
      ValueError: an empty one, or one with characters that cannot be printed.
    """
    return Path(paths.checked("it", word))


UserPath = Annotated[
    Path,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda words: user_path(words[0]),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda path: [str(path)],
    ),
]
"""A path, with `~` for the user's home; no empty one, which `Path` takes for the current folder."""
