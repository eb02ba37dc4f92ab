"""Interruption: a signal ends the command line at once, with one line and exit code 128 + its number.

Python raises `KeyboardInterrupt` in the main thread between two of its instructions. While XLA compiles or computes,
that comes late, and inside one of JAX's callbacks it crashes the process. So a thread of its own waits for signals
here, and ends the process hard: files are written whole or not at all, so that this is as safe as SIGKILL. This module
imports nothing of JAX, as it must be in force before JAX is imported.
"""

import contextlib
import os
import signal
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated (SIGTERM)", "SIGHUP": "terminated, as its terminal is gone"}
_PATIENCE = 1.0  # seconds for output that nobody takes


def end_on_signals() -> None:
    """From now on, end this process on SIGINT, SIGTERM and SIGHUP, unless its parent made it ignore them (`nohup`)."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    words = {}
    for name, word in _WORDS.items():
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave_it_to_the_thread)
            words[int(number)] = word
    threading.Thread(target=_wait, args=(reading, words), name="signals", daemon=True).start()


def _leave_it_to_the_thread(number: int, frame: "FrameType | None") -> None:
    """Do nothing: with a handler in place, the signal's number arrives in the pipe."""


def _wait(reading: int, words: dict[int, str]) -> None:
    while True:
        for number in os.read(reading, 1):
            if number in words:
                _end(number, words[number])


def _end(number: int, word: str) -> None:
    # In a thread, as a terminal that is stopped (Ctrl-S) or gone takes nothing.
    saying = threading.Thread(target=_say, args=(f"polejax: {word}; what is on disk is kept\n",), daemon=True)
    saying.start()
    saying.join(_PATIENCE)
    unfinished = sys.modules.get("polejax._core.unfinished")  # where nothing has imported it, nothing is being written
    if unfinished is not None:
        unfinished.remove()
    os._exit(128 + number)


def _say(line: str) -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(Exception):
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\x1b[?25h\r\x1b[K")  # bars of progress hide the cursor
    with contextlib.suppress(Exception):
        os.write(sys.stderr.fileno(), line.encode())
