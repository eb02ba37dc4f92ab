"""Bad values for every option: one line and exit code 2, before anything is trained; and outputs that take no more."""

import dataclasses
import io
import sys

import numpy as np
import pytest
from handmade import history

from polejax.attacks import theft
from polejax.jobs import attack, cli, compare
from polejax.jobs.claims import job as claims

NEVER_RIGHT = ["x", "", "\x1b[31m", "nan", "-inf", "-1"]
EDGES = ["inf", "0", "2.5", str(2**63), str(10**400), "1e400"]
"""Right for some options: each may be taken, or is refused in one line."""


class Taken(Exception):
    """The work began."""


def options():
    for command, settings in (("compare", compare.Settings), ("attack", attack.Settings), ("claims", claims.Settings)):
        for field in dataclasses.fields(settings):
            if field.name == "learning":
                for part in dataclasses.fields(compare.Learning):
                    yield command, f"learning.{part.name.replace('_', '-')}"
            else:
                yield command, field.name


def test_bad_values_of_every_option_are_refused_in_one_line(monkeypatch, capsys, tmp_path):
    def take(*_, **__):
        raise Taken

    monkeypatch.setattr(compare, "simulate_many", take)
    monkeypatch.setattr(theft, "encounter", take)
    monkeypatch.setattr(claims, "learning_curves", take)
    out = f"--out={tmp_path}"
    for number, (command, option) in enumerate(options()):
        if option == "out":
            cases = [("", True), ("~nosuchuser/x", True)]
        else:
            cases = [(bad, True) for bad in NEVER_RIGHT[number % 3 :: 3]] + [(EDGES[number % len(EDGES)], False)]
        for value, never in cases:
            small = ["--quick", "--no-convolutional", "--task=synthetic", "--samples=64"] if command == "attack" else []
            arguments = [command, *small, out, f"--{option}={value}"]
            with pytest.raises((SystemExit, Taken)) as stop:
                cli.main(arguments)
            printed = capsys.readouterr().err
            assert never <= (stop.type is SystemExit), arguments
            if stop.type is SystemExit:
                assert stop.value.code == 2, (arguments, printed)
                assert printed.count("\n") == 1, (arguments, printed)
                assert "\x1b" not in printed


class Pipe(io.StringIO):
    """An output that takes no more."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (BrokenPipeError(32, "Broken pipe"), 141, "nobody reads"),
        (OSError(28, "No space left on device"), 2, "No space"),
    ],
)
def test_an_output_that_takes_no_more_gets_one_line(error, code, word, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Pipe(error))
    with pytest.raises(SystemExit) as stop:
        cli.main(["info"])
    assert stop.value.code == code
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert word in printed


def test_a_machine_that_is_too_small_gets_one_line(monkeypatch, capsys, tmp_path):
    for error in (MemoryError("Unable to allocate 7.28 TiB"), RuntimeError("RESOURCE_EXHAUSTED: out of memory\nmore")):
        monkeypatch.setattr(compare, "run", lambda *_, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(SystemExit) as stop:
            cli.main(["compare", f"--out={tmp_path}"])
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.parse(["compare", "--out=~/res"]).out == tmp_path / "res"
    assert cli.parse(["attack", "--out", "~"]).out == tmp_path
    assert cli.parse(["study", "~/c.toml"]).config == tmp_path / "c.toml"
    (tmp_path / "c.toml").write_text(
        "seeds = 2\nblocks = 3\nout = '~/res'\n[[scenario]]\nnodes = { equal = 2 }\nnetwork = { instant = {} }\n"
        "mechanism = { PoW = 1.0 }\n"
    )
    with pytest.raises(SystemExit) as stop:
        cli.main(["study", "~/c.toml"])
    assert stop.value.code == 0
    assert (tmp_path / "res" / "study.json").exists()


def test_no_settled_height_is_told_as_such(monkeypatch):
    unsettled = history(np.ones((1, 1)), settled=np.zeros((1, 1), bool))
    monkeypatch.setattr(compare, "simulate_many", lambda *_, **__: unsettled)
    settings = compare.Settings(delay=1e6, blocks=1, nodes=2, seeds=1, learning=compare.Learning("synthetic", 0.3))
    with pytest.raises(ValueError, match=r"no height is settled: with a delay of 1e\+06 s"):
        compare.run(settings, lambda progress: None)
