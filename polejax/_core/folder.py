"""Folders of results that survive a killed process: a manifest, parts written whole or not at all, and a lock.

Nothing on disk is believed. The manifest carries the SHA-256 of its entries; that of the entries which do not grow is
the identity of the work in the folder. Every part carries that identity, and the SHA-256 of all its own bytes (`seal`).
"""

import contextlib
import glob
import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

from polejax._core import netcdf, paths
from polejax._core.describe import as_text, differences
from polejax._core.paths import reason
from polejax._core.seal import Damaged

FORMATS = {"study": 4}
"""Format of a kind's manifest, where it is not 3."""
_DELETE = "delete it and run again"


class StudyError(RuntimeError):
    """A folder of a study or a bank cannot be used; the message names the file and the remedy."""


class Folder:
    """The files of one study or bank: its manifest `<kind>.json`, which says what it computes, and its `parts/*.nc`.

    Args:
      path: of the folder.
      kind: "study" or "bank".
      process: number among the processes that fill the folder together.
      growing: entries of the manifest that say how much has been asked for, and not what: `update` may change them.
    """

    def __init__(
        self, path: str | os.PathLike[str], kind: str, process: int = 0, growing: tuple[str, ...] = ()
    ) -> None:
        self.path = paths.checked("path", path)
        self.kind = kind
        self.process = process
        self._growing = growing
        self._format = FORMATS.get(kind, 3)
        self._identity: str | None = None

    @property
    def _manifest_path(self) -> str:
        return os.path.join(self.path, f"{self.kind}.json")

    def part_path(self, name: str) -> str:
        """Path of a part, whether it is written yet or not."""
        return os.path.join(self.path, "parts", name)

    def has(self, name: str) -> bool:
        """Whether a part has been written; raises StudyError where that cannot be told."""
        return self._exists(self.part_path(name))

    def _exists(self, path: str) -> bool:
        try:
            return paths.exists(path)
        except OSError as error:
            raise _unreadable(path, error) from None

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
        manifest = {"format": self._format, "kind": self.kind, **manifest}
        digest = self._identity_of(manifest)
        with _explained(self.path, "choose another folder"):
            os.makedirs(os.path.join(self.path, "parts"), exist_ok=True)
            if not paths.exists(self._manifest_path):
                foreign = [name for name in self._parts() if self._whose(name) != digest]
                if foreign and not paths.exists(self._manifest_path):
                    raise StudyError(
                        f"{self.path} has parts of other work ({foreign[0]} is one) and no {self.kind}.json: "
                        f"restore that file from a copy, or choose another folder"
                    )
                self._write_manifest(manifest)
                return manifest
        before = self.manifest(tuple(manifest))
        for name in identity:
            found = next(differences(before[name], manifest[name], name), None)
            if found:
                raise StudyError(
                    f"{self.path} holds another {self.kind}; it has {found}: choose another folder{_others(self.kind)}"
                )
        return before

    def clear(self) -> None:
        """Delete the manifest and all parts, so that other work may begin here; to be called with the lock held."""
        with _explained(self.path, "give access to it, or choose another folder"):
            for path in (self._manifest_path, *map(self.part_path, self._parts())):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
        self._identity = None

    def update(self, manifest: dict[str, Any]) -> None:
        """Write a manifest of which entries that grow have changed; raises StudyError if it cannot be written."""
        with _explained(self._manifest_path, "make room or give access, and run again: what is finished is kept"):
            self._write_manifest(manifest)

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        text = json.dumps({**manifest, "sha256": _digest(manifest)}, indent=1, allow_nan=False)
        netcdf.write_whole(self._manifest_path, text.encode(), self.process)
        self._identity = self._identity_of(manifest)

    def _identity_of(self, manifest: dict[str, Any]) -> str:
        return _digest({name: value for name, value in manifest.items() if name not in self._growing})

    def manifest(self, needed: tuple[str, ...]) -> dict[str, Any]:
        """Read the manifest and check that it is as it was written and has the entries `needed`.

        Raises:
          StudyError: there is none, or it cannot be read, is damaged, was edited or is of another format.
        """
        path = self._manifest_path
        if not self._exists(path):
            if os.path.isfile(self.path):
                raise StudyError(f"{self.path} is a file: give the folder that holds {self.kind}.json")
            if not os.path.isdir(self.path):
                raise StudyError(f"{self.path} does not exist, and holds no {self.kind}: check the path")
            for other in ("study", "bank", "attack", "claims"):
                if self._exists(os.path.join(self.path, f"{other}.json")):
                    raise StudyError(f"{self.path} holds {other}.json and no {self.kind}: check the path")
            kept = len(self._parts())
            if kept:
                raise StudyError(
                    f"{self.path} has {kept} parts of a {self.kind}, but its {self.kind}.json is lost: run it again "
                    "with the same arguments, which writes that file again, or restore it from a copy"
                )
            raise StudyError(f"{self.path} holds no {self.kind} (no {self.kind}.json): check the path")
        remedy = "delete it and run again with the same arguments, which writes it again, or restore it from a copy"
        try:
            with paths.open_regular(path) as file:
                text = file.read().decode()
        except OSError as error:
            raise _unreadable(path, error) from None
        except UnicodeDecodeError as error:
            raise StudyError(f"{path} is damaged ({reason(error)}): {remedy}") from None
        try:
            manifest = json.loads(text)
            known, written = manifest["format"], manifest.pop("sha256", None)
            if known == self._format and written != _digest(manifest):
                raise ValueError("it was changed after it was written: its checksum does not hold")
            absent = [name for name in needed if name not in manifest and known == self._format]
            if absent:
                raise ValueError(f"no {absent[0]!r}")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StudyError(f"{path} is damaged ({reason(error)}): {remedy}") from None
        if known != self._format:
            raise StudyError(
                f"{path} has format {known!r:.40}, this polejax reads {self._format}: use the version that wrote it"
            )
        self._identity = self._identity_of(manifest)
        return dict(manifest)

    def _parts(self) -> list[str]:
        """Names of all parts that have been written."""
        try:
            return sorted(name for name in os.listdir(os.path.join(self.path, "parts")) if name.endswith(".nc"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _unreadable(self.path, error) from None

    def _whose(self, name: str) -> Any:
        """Identity of the work that a part belongs to."""
        return self._read(self.part_path(name), [], None, None, _DELETE)[1].get("part_of")

    @property
    def _part_of(self) -> dict[str, str]:
        """The attribute that every part carries."""
        if self._identity is None:
            self.manifest(())
        return {"part_of": str(self._identity)}

    def write(self, name: str, variables: netcdf.Variables, attributes: dict[str, Any]) -> None:
        """Write a part whole; raises StudyError, leaving all others untouched."""
        self.write_file(self.part_path(name), variables, {**attributes, **self._part_of})

    def write_file(self, path: str, variables: netcdf.Variables, attributes: dict[str, Any]) -> None:
        """Write any file whole; see `write`."""
        with _explained(path, "make room or give access, and run again: what is finished is kept"):
            netcdf.write_whole(path, netcdf.encode(variables, attributes), self.process)

    def read(
        self,
        name: str,
        expected: dict[str, Any],
        names: list[str] | None = None,
        shape_of: netcdf.ShapeOf | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays and attributes of a part.

        Raises:
          StudyError: it cannot be read, is damaged, is a part of other work, or has other attributes or shapes than
            expected.
        """
        part_of = self._part_of

        def fault_of(attributes: dict[str, Any]) -> str | None:
            if attributes.get("part_of") != part_of["part_of"]:
                return (
                    f"is a part of another {self.kind} than {self.kind}.json tells of: move it back to where it came "
                    f"from and run again, or bring back the {self.kind}.json that it belongs to"
                )
            if any(attributes.get(attribute) != value for attribute, value in expected.items()):
                return f"is not the part that its name says: {_DELETE}"
            return None

        path = self.part_path(name)
        try:
            return self._read(path, names, shape_of, fault_of, _DELETE)
        except netcdf.Unexpected as error:
            raise StudyError(f"{path} {error}") from None

    def _read(
        self,
        path: str,
        names: list[str] | None,
        shape_of: netcdf.ShapeOf | None,
        fault_of: netcdf.FaultOf | None,
        remedy: str,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            return netcdf.read(path, names, shape_of, fault_of)
        except OSError as error:
            raise _unreadable(path, error) from None
        except Damaged as error:
            raise StudyError(f"{path} is damaged ({error}): {remedy}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, and delete temporary files that a killed run has left.

        Processes that fill the folder together have a lock each (`process`).

        Raises:
          StudyError: another process has the lock.
        """
        with _explained(self.path, "choose another folder"):
            os.makedirs(self.path, exist_ok=True)
            lock = os.path.join(self.path, f"lock-{self.process}")
            file = open(lock, "a", opener=paths.without_waiting)  # closing the file releases the lock
        with file:
            _lock(file, self.path)
            pattern = os.path.join(glob.escape(self.path), "**", f".*.p{self.process}.part")
            for rest in glob.glob(pattern, recursive=True):
                os.unlink(rest)
            yield


def _others(kind: str) -> str:  # commands that keep little have an option for it
    return ", or delete it by --overwrite" if kind in ("attack", "claims") else ""


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
        raise StudyError(f"cannot write {path} ({reason(error)}): {remedy}") from None


def _unreadable(path: str, error: OSError) -> StudyError:
    if isinstance(error, FileNotFoundError):
        return StudyError(f"{path} was removed while it was needed: run again")
    return StudyError(f"{path} cannot be read ({reason(error)}): give access to it, and run again")


def _digest(entries: dict[str, Any]) -> str:
    """SHA-256 of JSON values, as they are when they have been written and read."""
    return hashlib.sha256(as_text(json.loads(json.dumps(entries))).encode()).hexdigest()
