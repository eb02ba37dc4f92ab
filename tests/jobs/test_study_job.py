"""The study command: a table at the end, the same as CSV, no line per shard, precision on demand."""

import pandas
import pytest

import polejax as pj
from polejax.jobs import cli, config
from polejax.jobs import study as job

FILE = """
seeds = 16
blocks = 16
out = "{out}"
records = "chains"
seeds_per_shard = 4
[[scenario]]
name = "mined"
nodes = {{ from_shares = [5, 3, 2] }}
network = {{ clique = {{ seconds = 10.0 }} }}
mechanism = {{ PoW = {{ work = 600.0 }} }}
[scenario.grid]
"network.seconds" = [0.1, 60.0]
"""


@pytest.fixture
def write(tmp_path):
    def write(extra="", text=FILE):
        path = tmp_path / "study.toml"
        path.write_text(extra + text.format(out=(tmp_path / "out").as_posix()))
        return str(path)

    return write


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(["study", *arguments])
    return stop.value.code, *capsys.readouterr()


def test_it_ends_with_a_table_that_is_written_as_csv(write, tmp_path, capsys):
    code, printed, _ = run(capsys, write())
    assert code == 0
    assert len([line for line in printed.splitlines() if " blocks (" in line]) <= 3  # of 8 shards
    result = pj.open_study(tmp_path / "out")
    for words in ("16 seeds of 16 blocks", "seconds", "interval_mean (s)", str(result.summarise(0).interval_mean)):
        assert words in printed
    written = pandas.read_csv(tmp_path / "out" / "table.csv", keep_default_na=False)
    expected = result.table()
    assert list(written.columns) == list(expected.columns)
    assert written["value"].tolist() == expected["value"].tolist()  # every digit
    assert sorted(set(written["seconds"])) == [0.1, 60.0]
    # More precision, from the command line and from the file: seeds are added.
    code, printed, _ = run(capsys, write(), "--until", "stale_per_main=0.01", "interval_cv=0.2", "--max-seeds", "24")
    assert code == 0
    assert "precision NOT reached at 24 seeds, the most allowed: stale_per_main +-" in printed
    assert "[1] less precise than asked for" in printed
    run(capsys, write("until = { interval_cv = 0.2 }\nmax_seeds = 64\n"))
    assert pj.open_study(tmp_path / "out").precision.targets == {"interval_cv": 0.2}


def test_several_entries_keep_their_names(write):
    two = (
        FILE + "\n[[scenario]]\nnodes = {{ equal = 3 }}\nnetwork = {{ instant = {{}} }}\nmechanism = {{ PoW = 9.0 }}\n"
    )
    found = config.read(write(text=two))
    assert found.names == ["mined, network.seconds=0.1", "mined, network.seconds=60.0", "1"]
    assert [type(one).__name__ for one in found.scenarios] == ["Grid", "Scenario"]


@pytest.mark.parametrize(
    ("extra", "arguments", "words"),
    [
        ("", ["--until", "interval_cv"], "until must be names and half-widths, as interval_cv=0.01, got 'interval_cv'"),
        ("", ["--until", "interval_cv=x"], "got 'interval_cv=x'"),
        ("", ["--until", "interval_cv=0"], "got 'interval_cv=0'"),
        ("", ["--until", "interval_cv=0.1"], "max_seeds must be given with until"),
        ("", ["--max-seeds", "9"], "max_seeds must be None without until, got 9"),
        ("until = 3\n", [], "until must be a table of half-widths, got 3"),
        ("until = {{ x = 3 }}\n", [], "until must be one of interval_mean"),
        ("bank_parts = 2\n", [], "bank_parts must be at least 4"),
        ("bank_parts = 8\n", [], "bank_parts must be None where no scenario replays a bank"),
    ],
)
def test_mistakes_are_told_in_one_line(write, capsys, extra, arguments, words):
    code, _, error = run(capsys, write(extra.replace("{{", "{").replace("}}", "}")), *arguments)
    assert code == 2
    assert error.count("\n") == 1
    assert words in error


def test_progress_is_sparse_where_nobody_watches():
    told = []

    class Console:
        def print(self, text):
            told.append(text)

    report = job._sparse(Console())
    for done in range(1, 1001):
        report(pj.Progress(done, 1000, "blocks", 1.0, 1.0, 1.0))
    assert 1 <= len(told) <= 11
    assert told[-1].startswith("1,000 of 1,000 blocks (100%)")
