"""Folders of results that survive a killed process: a manifest, parts written whole or not at all, and a lock."""

import contextlib
import glob
import json
import os
from collections.abc import Iterator
from typing import Any

from polejax._core import netcdf
from polejax._core.describe import differences

FORMAT = 3


class StudyError(RuntimeError):
    """A folder of a study or a bank cannot be used; the message names the file and the remedy."""


class Folder:
    """The files of one study or bank: its manifest `<kind>.json`, which says what it computes, and its `parts/*.nc`.

    Args:
      path: of the folder.
      kind: "study" or "bank".
      process: number among the processes that fill the folder together.
    """

    def __init__(self, path: str | os.PathLike[str], kind: str, process: int = 0) -> None:
        self.path = os.fspath(path)
        self.kind = kind
        self.process = process

    @property
    def _manifest_path(self) -> str:
        return os.path.join(self.path, f"{self.kind}.json")

    def part_path(self, name: str) -> str:
        """Path of a part, whether it is written yet or not."""
        return os.path.join(self.path, "parts", name)

    def has(self, name: str) -> bool:
        """Whether a part has been written."""
        return os.path.exists(self.part_path(name))

    def begin(self, manifest: dict[str, Any], identity: tuple[str, ...]) -> dict[str, Any]:
        """Write the manifest, or check it against that of an earlier run.

        Args:
          manifest: JSON values by name.
          identity: names of the entries that must equal those of an earlier run's manifest.

        Returns:
          The manifest in force. An earlier run's may divide the work into other parts than `manifest` does.

        Raises:
          StudyError: other work is in the folder, its manifest is damaged, or the folder cannot be written.
        """
        manifest = {"format": FORMAT, "kind": self.kind, **manifest}
        with _explained(self.path, "choose another folder"):
            os.makedirs(os.path.join(self.path, "parts"), exist_ok=True)
            if not os.path.exists(self._manifest_path):
                if os.listdir(os.path.join(self.path, "parts")) and not os.path.exists(self._manifest_path):
                    raise StudyError(f"{self.path} has parts but no {self.kind}.json: choose another folder")
                text = json.dumps(manifest, indent=1, allow_nan=False)
                netcdf.write_whole(self._manifest_path, text.encode(), self.process)
                return manifest
        before = self.manifest(tuple(manifest))
        for name in identity:
            found = next(differences(before[name], manifest[name], name), None)
            if found:
                raise StudyError(f"{self.path} holds another {self.kind}; it has {found}: choose another folder")
        return before

    def manifest(self, needed: tuple[str, ...]) -> dict[str, Any]:
        """Read the manifest and check that it has the entries `needed`.

        Raises:
          StudyError: there is none, or it is damaged or of another format.
        """
        path = self._manifest_path
        if not os.path.exists(path):
            raise StudyError(f"{self.path} holds no {self.kind} (no {self.kind}.json): check the path")
        try:
            with open(path, encoding="utf-8") as file:
                manifest = json.load(file)
            known = manifest["format"]
            absent = [name for name in needed if name not in manifest and known == FORMAT]
            if absent:
                raise ValueError(f"no {absent[0]!r}")
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise StudyError(
                f"{path} is damaged ({_line(error)}): restore it, or move the folder away and run again"
            ) from None
        if known != FORMAT:
            raise StudyError(f"{path} has format {known}, this polejax reads {FORMAT}: use the version that wrote it")
        return dict(manifest)

    def write(self, name: str, variables: netcdf.Variables, attributes: dict[str, Any]) -> None:
        """Write a part whole; raises StudyError, leaving all others untouched."""
        self.write_file(self.part_path(name), variables, attributes)

    def write_file(self, path: str, variables: netcdf.Variables, attributes: dict[str, Any]) -> None:
        """Write any file whole; see `write`."""
        with _explained(path, "make room or give access, and run again: what is finished is kept"):
            netcdf.write_whole(path, netcdf.encode(variables, attributes), self.process)

    def read(
        self, name: str, expected: dict[str, int], names: list[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and attributes of a part; raises StudyError where it is damaged or its attributes not as expected."""
        return self.read_file(self.part_path(name), expected, names)

    def read_file(
        self, path: str, expected: dict[str, int], names: list[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and attributes of any file; see `read`."""
        remedy = "delete it and run again"
        try:
            arrays, attributes = netcdf.read(path, names)
        except Exception as error:  # h5py raises many kinds of exceptions on damaged files
            raise StudyError(f"{path} is damaged ({_line(error)}): {remedy}") from None
        if any(attributes.get(attribute) != value for attribute, value in expected.items()):
            raise StudyError(f"{path} is not the part that its name says: {remedy}")
        return arrays, attributes

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, and delete temporary files that a killed run has left.

        Processes that fill the folder together have a lock each (`process`).

        Raises:
          StudyError: another process has the lock.
        """
        with _explained(self.path, "choose another folder"):
            os.makedirs(self.path, exist_ok=True)
            file = open(os.path.join(self.path, f"lock-{self.process}"), "a")  # closing the file releases the lock
        with file:
            _lock(file, self.path)
            pattern = os.path.join(glob.escape(self.path), "**", f".*.p{self.process}.part")
            for rest in glob.glob(pattern, recursive=True):
                os.unlink(rest)
            yield


def _lock(file: Any, path: str) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StudyError(f"{path} is in use by another process: wait for it, or choose another folder") from None
    except OSError:
        return  # some network file systems have no locks


@contextlib.contextmanager
def _explained(path: str, remedy: str) -> Iterator[None]:
    """Turn an operating system's error into a StudyError of one line."""
    try:
        yield
    except OSError as error:
        raise StudyError(f"cannot write {path} ({_line(error)}): {remedy}") from None


def _line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return " ".join(text.split())[:200]
