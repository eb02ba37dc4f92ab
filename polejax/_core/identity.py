"""Identity: whether a folder's results come from the program that is to go on in it."""

from collections.abc import Mapping
from typing import Any

from polejax._core.devices import versions
from polejax._core.folder import StudyError

_TRACING = ("polejax", "jax", "flax", "optax", "chex", "numpy")
"""Packages whose version may change what is traced."""


def tracing_versions() -> dict[str, str]:
    """Versions, by name, of the packages that programs are traced by."""
    found = versions()
    return {package: found[package] for package in _TRACING}


def check_programs(path: str, what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check that a folder's programs are those of this run.

    The rule: a program goes on that is the same, under whatever versions; every part records its own. Another program
    is refused, and if the versions differ, the message says so.

    Args:
      path: of the folder.
      what: its kind, in a word.
      before: the manifest in force, with "programs" by name and "versions".
      now: this run's.

    Raises:
      StudyError: another program.
    """
    begun = before["programs"] if isinstance(before["programs"], dict) else {}
    for name, program in now["programs"].items():
        if begun.get(name) == program:
            continue
        others = differing(before["versions"])
        if others:
            raise StudyError(
                f"{path} was begun with {others}, of which {name} is another program: "
                "go on with the versions that began it, or choose another folder"
            )
        raise StudyError(
            f"{path} holds another {what}; {name} computes something else under the same names, as a function, "
            "a class or a constant differs: choose another folder"
        )


def differing(recorded: Mapping[str, str]) -> str:
    """The recorded versions that are not those of this process, in words: "jax 0.9.2, not 0.10.1"; "" if none."""
    now = tracing_versions()
    return " and ".join(
        f"{package} {version}, not {now[package]}"
        for package, version in recorded.items()
        if package in now and version != now[package]
    )
