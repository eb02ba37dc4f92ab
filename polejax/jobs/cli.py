"""The command line: `polejax compare`, `claims`, `attack`, `study`, `report`, `validate` and `info`."""

import contextlib
import dataclasses
import io
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import tyro

from polejax._core import devices
from polejax._core.folder import StudyError
from polejax._core.printable import printable
from polejax._core.tables import row_of
from polejax.jobs import attack, compare, progress_bars, study
from polejax.jobs.claims import job as claims
from polejax.jobs.report import job as report

DESCRIPTION = "Monte Carlo simulation of Proof of Learning consensus, against Proof of Work."


@dataclasses.dataclass(frozen=True)
class Validate:
    """Closed forms and other simulators' published runs against simulations; exit code 1 beyond 5 sigma."""

    thorough: bool = False
    """16 times the seeds"""


@dataclasses.dataclass(frozen=True)
class Info:
    """Versions and devices that results depend on."""


Command = (
    Annotated[compare.Settings, tyro.conf.subcommand("compare")]  # what users come for stands first
    | Annotated[claims.Settings, tyro.conf.subcommand("claims")]
    | Annotated[attack.Settings, tyro.conf.subcommand("attack")]
    | Annotated[study.Settings, tyro.conf.subcommand("study")]
    | Annotated[report.Settings, tyro.conf.subcommand("report")]
    | Annotated[Validate, tyro.conf.subcommand("validate")]
    | Annotated[Info, tyro.conf.subcommand("info")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `polejax`; a wrong option or file, or too small a machine, prints one line and exits with code 2."""
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where an output that takes no more can be told
    except (ValueError, StudyError) as error:
        _refuse(str(error))
    except MemoryError as error:
        _refuse(f"this needs more memory than there is ({error}): ask for less")
    except RuntimeError as error:
        if not any(word in str(error) for word in _OF_MACHINE):
            raise
        _refuse(str(error).partition("\n")[0])
    except BrokenPipeError:
        _say_last("nobody reads the output any more; what is on disk is kept")
        sys.exit(141)  # as a shell counts SIGPIPE
    except OSError as error:
        _say_last(f"cannot go on ({error.strerror or error}); what is on disk is kept")
        sys.exit(2)
    except KeyboardInterrupt:  # only where `main` is called from Python
        print("polejax: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(code)


_OF_MACHINE = ("RESOURCE_EXHAUSTED", "Unable to initialize backend")  # what JAX says of a machine's limits


def _run(arguments: Sequence[str]) -> Any:
    try:
        command = parse(arguments)
    except SystemExit as stop:  # after help
        return stop.code
    devices.use_all_cores()
    return _RUN[type(command)](command)


def parse(arguments: Sequence[str]) -> Any:
    """The command that arguments ask for; tyro's box of complaints becomes one line."""
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            return tyro.cli(Command, prog="polejax", description=DESCRIPTION, args=list(arguments))  # type: ignore[call-overload]
    except SystemExit as stop:
        if not stop.code:
            raise
    words = re.sub(r"\x1b\[[0-9;]*m|[─-╿╭╮╯╰]", " ", complaints.getvalue()).split()
    _refuse(" ".join(words))


def _refuse(reason: str) -> NoReturn:
    print(f"polejax: {printable(' '.join(reason.split()))}", file=sys.stderr)
    sys.exit(2)


def _say_last(reason: str) -> None:
    """Write a line when stdout takes no more; Python would try to write what is left at the end, and say so."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with contextlib.suppress(OSError):
        print(f"polejax: {printable(reason)}", file=sys.stderr)


def _say(text: str) -> None:
    print(printable(text), flush=True)


def _run_attack(settings: attack.Settings) -> int:
    from polejax.jobs import attack_report

    begun = time.perf_counter()
    with progress_bars.shown() as report:
        cells = attack.run(settings, report)
    _say(str(attack_report.overview(cells)))
    paths = attack_report.save(cells, settings, time.perf_counter() - begun)
    _say(f"tables   {', '.join(str(path) for path in paths[:4])}\nfigures  {settings.out / 'figures'}")
    _say(f"took     {time.perf_counter() - begun:.0f} s")
    return 0


def _run_claims(settings: claims.Settings) -> int:
    from polejax.jobs.claims import page

    begun = time.perf_counter()
    with progress_bars.shown() as report:
        sections = claims.run(settings, report)
    for line in page.lines(sections):
        print(line)
    paths = page.save(sections, settings.out, claims.about(settings, sections))
    print(f"page     {settings.out / 'claims.md'}, {settings.out / 'claims.html'}")
    print(f"tables   {', '.join(str(path) for path in paths if path.suffix == '.csv' and 'figures' not in path.parts)}")
    print(f"took     {time.perf_counter() - begun:.0f} s")
    return 0


def _run_report(settings: report.Settings) -> int:
    _say(f"page     {report.run(settings)}")
    return 0


def _run_validate(command: Validate) -> int:
    from polejax.jobs import validate

    widths = (58, 11, 11, 10, 6, 200)
    print(row_of(("case", "expected", "simulated", "std. error", "z", "source"), widths))

    def show(row: validate.Row) -> None:
        numbers = (f"{row.expected:.6g}", f"{row.simulated:.6g}", f"{row.error:.2g}", f"{row.z:.2f}")
        print(row_of((row.name, *numbers, row.source), widths), flush=True)

    rows = validate.run(command.thorough, on_row=show)
    worst = max(rows, key=lambda row: abs(row.z))
    print(f"{len(rows)} cases; largest |z| {abs(worst.z):.2f}: {worst.name}")
    return 0 if validate.passed(rows) else 1


def _run_info(command: Info) -> int:
    for name, value in {**devices.versions(), **devices.machine()}.items():
        print(f"{name:12} {value}")
    return 0


def _run_compare(settings: compare.Settings) -> int:
    from rich.console import Console

    from polejax.jobs import compare_files, compare_tables

    begun = time.perf_counter()
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # paths may hold brackets
    with progress_bars.shown(console) as report:
        outcome = compare.run(settings, report, lambda: compare_files.open_folder(settings))
    for table in (compare_tables.mechanisms(outcome.summaries), *outcome.service.tables()):
        print(f"{table}\n")
    for note in outcome.notes:
        console.print(printable(f"note     {note}"))
    paths = compare_files.save(outcome, settings, time.perf_counter() - begun)
    figures = [path for path in paths if path.suffix == ".png"]
    drawn = ", ".join(path.stem for path in figures)
    told = f"results  {paths[0]}\nsummary  {paths[1]}\nfigures  {figures[0].parent}: {drawn} (PDF, PNG, SVG, CSV)"
    console.print(printable(told))
    parts = ", ".join(f"{label} {seconds:.1f} s" for label, seconds in outcome.compiling.items())
    console.print(f"took     {time.perf_counter() - begun:.0f} s, of which compiling: {parts}")
    return 0


_RUN: dict[type, Callable[[Any], int]] = {
    attack.Settings: _run_attack,
    claims.Settings: _run_claims,
    compare.Settings: _run_compare,
    study.Settings: study.show,
    report.Settings: _run_report,
    Validate: _run_validate,
    Info: _run_info,
}
