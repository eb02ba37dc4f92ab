"""Bad values for every key of a config file: each is refused in one line, before anything is trained."""

import inspect
import math
from datetime import UTC, date, datetime, time

import pytest

from polejax._core.folder import StudyError
from polejax.jobs import cli, config
from polejax.jobs.config_builder import Builder
from polejax.jobs.config_names import CONSTRUCTORS
from polejax.studies import banks

NEVER_RIGHT = [
    {"a": 1},
    {},
    datetime(2026, 1, 1, tzinfo=UTC),
    date(2026, 1, 1),
    time(1, 2),
    "no such word",
    "\x1b[31m\n",
    [{}],
    ["x"],
    [[1, 2], [3]],
    ["x", 1],
    math.nan,
    [math.nan],
    -math.inf,
    10**400,
    -(10**400),
]
EDGES = [0, -1, True, 2.5, 1e39, math.inf, 10**12, 2**63, [1.0, 2.0], [0, 1], [[1, 2], [2, 1]], "", [], [[]]]
"""Right for some keys: each may be built, or is refused in one line."""

HEAD = "seeds = 2\nblocks = 3\nout = 'nowhere'\n"
PARTS = {"nodes": {"equal": 2}, "network": {"instant": {}}, "mechanism": {"PoW": 1.0}}
TASK = {"synthetic": {"key_or_seed": 0, "num_features": 4, "num_classes": 2, "hidden": 2, "num_train": 64}}
POLE = {"PoLe": {"task": TASK, "model": {"MultilayerPerceptron": {"hidden": [], "num_classes": 2}}}}
BANK = {"learning_curves": {"num_curves": 2, "mechanism": POLE}}
NEEDED = {
    "from_shares": {"shares": [1, 1]},
    "growth": {"nodes": {"equal": 2}, "per_block": 0.1},
    "lose": {"nodes": {"equal": 2}, "lost": [True, False], "height": 9},
    "schedule": {"nodes": {"equal": 2}, "since": [0, 9], "factor": [1.0, 0.5]},
    "clique": {"seconds": 1.0},
    "from_matrix": {"delay": [[0.0, 1.0], [1.0, 0.0]]},
    "regions": {"region": [0, 1], "between": [[1.0, 2.0], [2.0, 1.0]]},
    "relay": {"network": {"from_matrix": [[0, 9], [9, 0]]}, "members": [True, True], "seconds": 1.0},
    "gossip": {"graph": {"from_edges": {"edges": [[0, 1]]}}, "latency": 1.0},
    "random_delays": {"base": {"instant": {}}, "law": {"constant_delay": 1.0}},
    "constant_delay": {"seconds": 1.0},
    "exponential_delay": {"mean": 1.0},
    "lognormal_delay": {"median": 1.0, "sigma": 1.0},
    "uniform_delay": {"low": 1.0, "high": 2.0},
    "empirical_delay": {"quantiles": [0.0, 1.0]},
    "from_edges": {"edges": [[0, 1]]},
    "erdos_renyi": {"probability": 1.0},
    "random_regular": {"degree": 1},
    "scale_free": {"links": 1},
    "small_world": {"count": 3, "degree": 2},
    "PoW": {"work": 9.0},
    "HashedPoW": {"work": 9.0},
    "gamma": {"mean": 9.0, "shape": 2.0},
    "weibull": {"mean": 9.0, "shape": 2.0},
    "lognormal": {"mean": 9.0, "sigma": 2.0},
    "TaskStream": {"tasks": [{"PoW": 9.0}], "rates": [0.1], "rewards": [1.0], "idle": {"PoW": 5.0}},
    "PoLe": POLE["PoLe"],
    "Replay": {"bank": BANK},
    "BestInWindow": {"seconds": 3.0},
    "BestAtDeadline": {"seconds": 3.0},
    "accuracy": {"target": 60.0},
    "withholding": {"seconds": 3.0, "addresses": [1]},
    "leak": {"seconds": 3.0, "addresses": [1]},
    "early_key": {"seconds": 3.0, "addresses": [1], "release": 5.0},
    "Cheating": {"bank": BANK, "plays": [True, False]},
    "LiveTheft": {"plays": [True, False]},
    "synthetic": TASK["synthetic"],
    "mnist": {"folder": "nowhere"},
    "cifar10": {"folder": "nowhere"},
    "npz": {"path": "nowhere"},
    "MultilayerPerceptron": {"hidden": [], "num_classes": 2},
    "ConvolutionalNetwork": {"shape": [2, 2], "num_classes": 2},
    "learning_curves": {"num_curves": 2, "mechanism": POLE},
    "load_bank": {"path": "nowhere"},
}
"""Arguments with which a constructor can be called."""

ANY_WORD = {("synthetic", "name"), ("digits", "name")}


def placed(field, table):
    """The tables of a scenario with a part in its place."""
    if field in PARTS or field in ("election", "difficulty", "adversary"):
        return {**PARTS, field: table}
    if field in ("base", "law"):
        return placed("network", {"random_delays": {**NEEDED["random_delays"], field: table}})
    if field == "graph":
        return placed("network", {"gossip": {"graph": table, "latency": 1.0}})
    if field in ("task", "model", "sml"):
        return placed("mechanism", {"PoLe": {**POLE["PoLe"], field: table}})
    if field == "bank":
        return placed("mechanism", {"Replay": {"bank": table}})
    assert field == "idle"
    return placed("mechanism", {"TaskStream": {**NEEDED["TaskStream"], field: table}})


def refusal(entry):
    """The line with which an entry is refused, as the command line prints it; None: it is built."""
    try:
        list(Builder("nowhere", train=False).scenarios(0, entry))
    except (ValueError, StudyError) as error:
        return str(error)
    return None


def arguments():
    """Field, constructor and argument of all that can be named in a file."""
    for field, makers in CONSTRUCTORS.items():
        for maker in makers:
            trained = maker.__name__ == "learning_curves"
            for name in inspect.signature(Builder("nowhere")._train if trained else maker).parameters:
                yield field, maker.__name__, name


def test_bad_values_of_every_key_are_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(banks, "trainer", forbidden)
    tried = 0
    values = list(enumerate(NEVER_RIGHT + EDGES))
    for number, (field, maker, name) in enumerate(arguments()):
        if field in ("base", "idle"):  # as network and mechanism are
            continue
        slow = field in ("bank", "task", "model", "sml") or maker in ("PoLe", "Replay", "Cheating")
        for index, value in values[number % 4 :: 4] if slow else values:
            if field == "nodes" and name == "count" and value in (10**12,):
                continue
            said = refusal(placed(field, {maker: {**NEEDED.get(maker, {}), name: value}}))
            tried += 1
            case = f"{field}.{maker}.{name} = {value!r}"
            assert said is not None or index >= len(NEVER_RIGHT), case
            assert said is None or "\n" not in said, (case, said)
    assert tried > 3_000


def forbidden(*_, **__):
    raise AssertionError("a bank is trained before everything is checked")


def line(arguments, capsys):
    """The one line with which the command line refuses arguments."""
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    printed = capsys.readouterr().err
    assert stop.value.code == 2, printed
    assert printed.count("\n") == 1
    assert printed.startswith("polejax: ")
    assert all(letter.isprintable() or letter == "\n" for letter in printed)
    return printed


TOP = {
    "seeds": ["seeds = 0", "seeds = 'x'", "seeds = true", "seeds = nan", "seeds = [2]", f"seeds = {10**30}"],
    "blocks": ["blocks = -1", "blocks = 2.5", "blocks = inf", "blocks = 2026-01-01"],
    "out": ["out = ''", "out = 3", "out = '~nosuchuser/x'", "out = ['x']", 'out = "\\u0000"'],
    "seed": ["seed = -1", f"seed = {2**31}", "seed = 'x'"],
    "records": ["records = 'all'", "records = 3", "records = {}"],
    "seeds_per_shard": ["seeds_per_shard = 0", "seeds_per_shard = 'x'", "seeds_per_shard = []"],
    "method": ["method = 'x'", "method = 1"],
    "scenario": ["scenario = 3", "scenario = []", "scenario = [1]", "scenario = ['x']"],
    "": ["seedz = 3", "\x1b", "= 3", "seeds = 1\nseeds = 2", "x = " + "[" * 5_000],
}
GOOD = {
    "seeds": "seeds = 2",
    "blocks": "blocks = 3",
    "out": "out = 'nowhere'",
    "scenario": """
[[scenario]]
nodes = { equal = 2 }
network = { instant = {} }
mechanism = { PoW = 1.0 }
""",
}
ENTRIES = [
    "grid = 5",
    "grid = { 'network.seconds' = [] }",
    "grid = { 3 = [1] }",
    "grid = { '' = [1] }",
    "name = 3",
    "name = ['x']",
    "[[scenario.grid]]",
    "nodes = { equal = 1000000000000 }",
    "nodes = {}",
    "mechanism = 'PoW'",
    "mechanism = { PoW = 1.0, HashedPoW = 2.0 }",
    "network = { relay = { network = { clique = 1.0 }, members = [true, true], seconds = 0.5 } }",
    "network = { clique = [1.0, 2.0] }",
    "difficulty = { fixed = 3 }",
    "difficulty = { asert = { target = 600.0, half_life = 2.0 } }",
    "grid = { 'mechanism.work' = [1.0, 1.0] }",
]


def test_whatever_is_wrong_at_the_top_is_told_in_one_line(tmp_path, capsys):
    path = tmp_path / "study.toml"
    for key, wrongs in TOP.items():
        for wrong in wrongs:
            path.write_text("\n".join([wrong, *(text for name, text in GOOD.items() if name != key)]))
            line(["study", str(path)], capsys)
    for wrong in ENTRIES:
        field = wrong.split(" ")[0]
        kept = [part for part in GOOD["scenario"].splitlines() if not part.startswith(field)]
        path.write_text("\n".join([*list(GOOD.values())[:3], *kept, wrong]))
        line(["study", str(path)], capsys)
    path.write_bytes("seeds = 2".encode("utf-16"))
    assert "is not TOML" in line(["study", str(path)], capsys)
    assert r"a\x1b[31m" in line(["study", "a\x1b[31m"], capsys)
    assert "it must be a path, got an empty one" in line(["study", ""], capsys)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("\ufeff" + "\n".join(GOOD.values()), encoding="utf-8")
    assert len(config.read(path).scenarios) == 1


def test_every_mistake_is_found_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(banks, "trainer", forbidden)
    good = """
[[scenario]]
nodes = { equal = 2 }
network = { instant = {} }
[scenario.mechanism.Replay]
threshold = 0.6
[scenario.mechanism.Replay.bank.learning_curves]
num_curves = 20
[scenario.mechanism.Replay.bank.learning_curves.mechanism.PoLe]
task = { synthetic = { key_or_seed = 0, num_features = 8, num_classes = 3, hidden = 4, num_train = 128 } }
"""
    path = tmp_path / "study.toml"
    for wrong, message in (
        ("sml = { SecureMappingLayer = { law = 'gauss' } }", "law must be one of gaussian"),
        ("model = { MultilayerPerceptron = { num_classes = 3, activation = 'softmax' } }", "one of relu, tanh"),
        ("[scenario.difficulty.window]\nblocks = 9", "difficulty Window moves work"),
        ("[scenario.adversary.withholding]\nseconds = 1.0\naddresses = [7]", "7"),
        (
            "[[scenario]]\nname = '0'\nnodes = { equal = 2 }\nnetwork = { instant = {} }\nmechanism = { PoW = 1 }",
            "twice",
        ),
    ):
        path.write_text(HEAD + good + good + wrong)
        with pytest.raises(ValueError, match=message):
            config.read(path)
    path.write_text(HEAD + "method = 'poisson'\n" + good)
    with pytest.raises(ValueError, match="no scenario allows"):
        config.read(path)
