"""A study's folder: its manifest, its shards and its lock. Whatever is wrong with it is said in one line."""

import contextlib
import glob
import json
import os
from collections.abc import Iterator
from typing import Any

from polejax import shards
from polejax.describe import differences

FORMAT = 1
MANIFEST = "study.json"


class StudyError(RuntimeError):
    """A study's folder cannot be used; the message names the file and the remedy."""


class Folder:
    """The files of one study: `study.json` says what it computes and in which shards; one netCDF file each."""

    def __init__(self, path: str | os.PathLike[str], process: int = 0) -> None:
        self.path = os.fspath(path)
        self.process = process  # number among the processes that work on the study together

    def shard_path(self, shard: shards.Shard) -> str:
        """Where a shard is or will be."""
        return os.path.join(self.path, "shards", shard.name)

    def has(self, shard: shards.Shard) -> bool:
        """Whether a shard has been written."""
        return os.path.exists(self.shard_path(shard))

    def begin(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Write the manifest, or find the same study begun before.

        Returns:
          The manifest that holds, whose shards may be of another size than the new one's.

        Raises:
          StudyError: another study is in the folder, its manifest is damaged, or the folder cannot be written.
        """
        with _explained(self.path, "choose another `out`"):
            os.makedirs(os.path.join(self.path, "shards"), exist_ok=True)
            path = os.path.join(self.path, MANIFEST)
            if not os.path.exists(path):
                if os.listdir(os.path.join(self.path, "shards")) and not os.path.exists(path):
                    raise StudyError(f"{self.path} has shards but no {MANIFEST}: choose another `out`")
                text = json.dumps(manifest, indent=1, allow_nan=False)
                shards.write_whole(path, text.encode(), self.process)
                return manifest
        before = self.manifest()
        for name in ("scenarios", "num_seeds", "num_blocks", "seed"):
            found = next(differences(before[name], manifest[name], name), None)
            if found:
                raise StudyError(f"{self.path} holds another study; it has {found}: choose another `out`")
        return before

    def manifest(self) -> dict[str, Any]:
        """Read the manifest.

        Raises:
          StudyError: there is none, or it is damaged or of another format.
        """
        path = os.path.join(self.path, MANIFEST)
        if not os.path.exists(path):
            raise StudyError(f"{self.path} holds no study (no {MANIFEST}): check the path")
        try:
            with open(path, encoding="utf-8") as file:
                manifest = json.load(file)
            known = isinstance(manifest, dict) and manifest["format"]
            for name in ("scenarios", "names", "num_seeds", "num_blocks", "seed", "shards"):
                manifest[name]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise StudyError(
                f"{path} is damaged ({_line(error)}): restore it, or move the folder away and run again"
            ) from None
        if known != FORMAT:
            raise StudyError(f"{path} has format {known}, this polejax reads {FORMAT}: use the version that wrote it")
        return manifest

    def write(self, shard: shards.Shard, arrays: shards.Arrays, attributes: dict[str, Any]) -> None:
        """Write a shard whole; raises StudyError, leaving all others untouched."""
        path = self.shard_path(shard)
        with _explained(path, "make room or give access, and run again: finished shards are kept"):
            shards.write(path, arrays, attributes, self.process)

    def read(self, shard: shards.Shard, names: list[str] | None = None) -> tuple[shards.Arrays, dict[str, Any]]:
        """Read a shard; raises StudyError where it is damaged."""
        path = self.shard_path(shard)
        try:
            arrays, attributes = shards.read(path, names)
        except Exception as error:  # h5py raises what it pleases on damaged files
            raise StudyError(f"{path} is damaged ({_line(error)}): delete it and run the study again") from None
        if attributes.get("scenario") != shard.scenario or attributes.get("first_seed") != shard.first:
            raise StudyError(f"{path} holds another shard than its name says: delete it and run the study again")
        return arrays, attributes

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out, but for those that work on the study together, and clear away killed runs' rests.

        Raises:
          StudyError: another process has the lock.
        """
        path = os.path.join(self.path, f"lock-{self.process}")
        with _explained(self.path, "choose another `out`"):
            os.makedirs(self.path, exist_ok=True)
            file = open(path, "a")  # stays open: closing it gives the lock back
        with file:
            _lock(file, self.path)
            for part in glob.glob(
                os.path.join(glob.escape(self.path), "**", f".*.p{self.process}.part"), recursive=True
            ):
                os.unlink(part)  # of a run that was killed
            yield


def _lock(file: Any, path: str) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StudyError(f"{path} is in use by another process: wait for it, or choose another `out`") from None
    except OSError:
        return  # some network file systems know no locks


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
