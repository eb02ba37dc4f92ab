"""Limits: what the machine has, and refusals, in one line, of calls that would take more memory or time than that.

Estimates are lower bounds, so that nothing is refused that would have run: the bytes of what a call returns or must
hold at once, and the seconds that it would take at rates that no program here reaches (ours).
"""

import contextlib
import math
import os
import shutil
from typing import Any

import jax

from polejax._core import checks, lanes

YEAR = 365.25 * 86_400
_FASTEST = {"cpu": 1e9}
"""Draws (one node's work at one height) a second of one device, more than are ever reached; 1e12 elsewhere."""


def counted(name: str, value: Any, most: int, why: str) -> int:
    """Return a whole number from 1 to `most`.

    Raises:
      ValueError: no whole number, below 1, or above `most`, which the message explains with `why`.
    """
    count = checks.whole(name, value, low=1)
    if count > most:
        raise ValueError(f"{name} must be at most {most:,}, got {count:,}: {why}")
    return count


def free_memory() -> int:
    """Bytes of main memory that a program may still take: of the machine, or of the container that it runs in."""
    free = [_meminfo()]
    with contextlib.suppress(OSError, ValueError):  # no control group, or no limit ("max")
        with open("/sys/fs/cgroup/memory.max") as most, open("/sys/fs/cgroup/memory.current") as used:
            free.append(max(int(most.read()) - int(used.read()), 0) + _reclaimable())
    return int(min(free))


def _meminfo() -> float:
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):  # not Linux: all of the machine's memory
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return math.inf


def _reclaimable() -> int:
    """Bytes of files that a control group keeps in memory, which it gives up on demand."""
    with open("/sys/fs/cgroup/memory.stat") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))


def check_memory(what: str, needed: float, remedy: str) -> None:
    """Raise a ValueError if a call would hold more bytes at once than the main memory has free.

    Args:
      what: argument and value that decide it, such as "num_blocks 1,000".
      needed: bytes, at least.
      remedy: what to do instead.
    """
    if needed < 2**26:  # asking the system costs more than it could tell
        return
    free = free_memory()
    if needed > free:
        raise ValueError(f"{what} would take at least {_size(needed)} of memory, and {_size(free)} are free: {remedy}")


def check_time(what: str, draws: float, remedy: str) -> None:
    """Raise a ValueError if so many random draws would take more than a year on all of this process's devices."""
    devices = jax.local_devices()
    seconds = draws / (_FASTEST["cpu"] if lanes.on_cpu(devices) else 1e12) / len(devices)
    if seconds > YEAR:
        raise ValueError(f"{what} would take at least {seconds / YEAR:,.3g} years on this machine: {remedy}")


def check_disk(what: str, path: str, needed: float, remedy: str) -> None:
    """Raise a ValueError if files of so many bytes, less those that a folder has in it already, would fill its disk.

    Args:
      what: argument and value that decide it.
      path: of the folder; it need not exist yet.
      needed: bytes, at least.
      remedy: what to do instead.
    """
    if needed < 2**26:
        return
    held = 0
    with contextlib.suppress(OSError):  # whoever writes there tells what is wrong with the folder
        for folder, _, names in os.walk(path):
            held += sum(os.stat(os.path.join(folder, name)).st_size for name in names)
        there = os.path.abspath(path)
        while not os.path.isdir(there):
            there = os.path.dirname(there)
        free = shutil.disk_usage(there).free
        if needed - held <= free:
            return
        raise ValueError(
            f"{what} would take at least {_size(needed - held)} more on the disk of {path}, "
            f"and {_size(free)} are free: {remedy}"
        )


def _size(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} bytes"
