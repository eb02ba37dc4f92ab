"""Progress of long work: bars in a terminal, and sparse lines in files and pipes; one place for every command."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from polejax._core.printable import printable
from polejax._core.progress import Callback, Progress

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE = 30.0
"""Seconds between lines where there is no terminal, but for those that tell that a part is finished."""


@contextlib.contextmanager
def shown(console: "Console | None" = None) -> Iterator[Callback]:
    """Give a callback for `progress` arguments; until it is called, nothing is written.

    In a terminal, each part under way (`Progress.label`) has a bar with its rate and the time left; when it is
    finished, a line takes its place. Elsewhere a part's end is a line, and what takes long has
    a line every `PATIENCE` seconds.

    Args:
      console: rich's; None: one on stdout.
    """
    from rich.console import Console

    where = Console(highlight=False, soft_wrap=True, markup=False, emoji=False) if console is None else console
    with contextlib.ExitStack() as stack:
        yield _bars(where, stack) if where.is_terminal else _lines(where)


def _lines(console: "Console") -> Callback:
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        finished = progress.done >= progress.total and progress.rate > 0
        if finished or (progress.done and now - last >= PATIENCE):
            last = now
            console.print(printable(str(progress)))

    return report


def _bars(console: "Console", stack: contextlib.ExitStack) -> Callback:
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            speed, unit = task.finished_speed or task.speed, task.fields["unit"]
            return Text("compiling" if not task.completed else f"{speed:,.3g} {unit}/s" if speed else "")

    columns = TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    bars = Bars(*columns, console=console)
    under_way: dict[str, Any] = {}

    def report(progress: Progress) -> None:
        if not bars.live.is_started:
            stack.enter_context(bars)
        label = printable(progress.label or progress.unit)
        if progress.done >= progress.total:
            if label in under_way:
                bars.remove_task(under_way.pop(label))
            console.print(printable(str(progress)))
            return
        if label not in under_way:
            under_way[label] = bars.add_task(label, total=progress.total, unit=progress.unit)
        bars.update(under_way[label], completed=progress.done)

    return report
