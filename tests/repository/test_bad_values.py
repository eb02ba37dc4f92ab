"""Every public callable is fed every bad value for every argument: one line of refusal, or a value that is right.

Callables are found by walking `polejax` and its namespaces. One without a valid call in `calls_of_scenarios`,
`calls_of_results` or `calls_of_theory` fails here, so that new ones are covered. What a call would compute once its
arguments are checked is left out (`stops`), so that 40,000 calls take seconds.
"""

import collections
import contextlib
import inspect
import io
import types
import warnings

import allowed_values
import calls_of_results
import calls_of_scenarios
import calls_of_theory
import numpy as np
import pytest
from bad_values import BAD
from flax import linen as nn
from stops import Accepted, stopped

import polejax as pj

CALLS = {**calls_of_scenarios.CALLS, **calls_of_results.CALLS, **calls_of_theory.CALLS}

OF_STUDY = {
    "pj.Results.compare": {"first": 0, "second": "b", "confidence": 0.95},
    "pj.Results.history": {"scenario": 0},
    "pj.Results.shards": {"scenario": 0, "names": ["interval"]},
    "pj.Results.summarise": {"scenario": "a", "nodes": calls_of_scenarios.NODES, "confidence": 0.95},
    "pj.Results.table": {"metrics": ["interval_mean"], "wide": False, "confidence": 0.95},
    "pj.Results.tally": {"scenario": 0},
    "pj.Results.to_xarray": {"names": ["interval"]},
}

READS = {
    *("pj.load_bank", "pj.open_study", "pj.Results", "pj.Bank.check_matches", "pj.analysis.node_work"),
    *("pj.tasks.cifar10", "pj.tasks.idx", "pj.tasks.mnist", "pj.tasks.npz"),
}
"""Whose valid call is refused all the same: there is no such file, or no record of that kind."""

MADE = {
    *("pj.Claims", "pj.Estimate", "pj.History", "pj.Progress", "pj.StudyError", "pj.Summary", "pj.Views"),
    *("pj.analysis.Blocks", "pj.analysis.Comparison", "pj.analysis.Cost", "pj.analysis.Fairness"),
    *(
        "pj.analysis.Observed",
        "pj.analysis.Rewards",
        "pj.analysis.Round",
        "pj.analysis.Service",
        "pj.analysis.ServiceSummary",
    ),
    "pj.analysis.ServiceAtLoads",
    *("pj.analysis.Tally", "pj.analysis.WinnersCurse", "pj.analysis.figures.Plot", "pj.attacks.detection.Honesty"),
    *("pj.attacks.detection.Measures", "pj.attacks.detection.Roc", "pj.attacks.head_start.Identity"),
    *("pj.attacks.head_start.Lesson", "pj.attacks.head_start.Run", "pj.attacks.selfish.Revenue"),
    "pj.attacks.selfish_pools.PoolsRevenue",
    "pj.attacks.Matrix",
    *("pj.attacks.theft.Attempt", "pj.attacks.theft.Encounter", "pj.elections.Closing", "pj.elections.Elected"),
    *("pj.mechanisms.Claim", "pj.mechanisms.Evidence", "pj.mechanisms.Learning", "pj.mechanisms.PostedTask"),
    *("pj.mechanisms.Profile", "pj.mechanisms.Reason", "pj.mechanisms.Taken", "pj.mechanisms.Verdict"),
    *("pj.models.ModelBlock", "pj.network.Graph", "pj.tasks.Samples", "pj.tasks.Task", "pj.theory.BulkQueue"),
    "pj.theory.Moments",
}
"""Records and errors that polejax makes, and rounds return: what takes them checks them."""

LAWS = {
    *("pj.difficulty.Accuracy", "pj.difficulty.Asert", "pj.difficulty.Ethereum", "pj.difficulty.MovingAverage"),
    *(
        "pj.difficulty.Window",
        "pj.network.Clique",
        "pj.network.Matrix",
        "pj.network.RandomDelays",
        "pj.network.Regions",
    ),
    "pj.nodes.Scheduled",
    "pj.mechanisms.TrainingPhase",
}
"""Classes whose lower-case constructor checks, and is in the table."""

INSIDE = {
    *(f"pj.mechanisms.draw.{name}" for name in pj.mechanisms.draw.__all__),
    "pj.models.relu",
    *(f"pj.ClaimRules.{name}" for name in ("accepts", "demanded", "fall_back", "passes")),
    *(
        "pj.models.LayeredModel.first_inputs",
        "pj.PoLe.race_from",
        "pj.Recipe.layer_variables",
        "pj.Recipe.make_optimiser",
        "pj.Recipe.map_inputs",
        "pj.Recipe.networks_in_cache",
    ),
    *(
        "pj.SecureMappingLayer.check",
        "pj.SecureMappingLayer.derive",
        "pj.SecureMappingLayer.features_mapped_at_once",
        "pj.TaskStream.postings",
    ),
    *("pj.nodes.Nodes.at", "pj.nodes.Nodes.seconds", "pj.nodes.Scheduled.at", "pj.Bank.of"),
    "pj.mechanisms.HashTrainingHash.added",
}
"""What mechanisms call inside compiled rounds, on arrays of theirs."""


def spaces(space, path):
    """The namespace and those in it, each with its path."""
    yield space, path
    for name in public(space):
        inner = getattr(space, name)
        if isinstance(inner, types.ModuleType) and inner.__name__.startswith("polejax."):
            yield from spaces(inner, f"{path}.{name}")


def public(space):
    """Names of a namespace: what it lists, or else what it defines."""
    if listed := getattr(space, "__all__", None):
        return listed
    return [
        name for name, it in vars(space).items() if name[0] != "_" and getattr(it, "__module__", 0) == space.__name__
    ]


def found():
    """Every public callable by its path, each once, methods of public classes among them."""
    callables, seen = {}, set()
    for space, path in spaces(pj, "pj"):
        for name in public(space):
            it = getattr(space, name)
            if callable(it) and not isinstance(it, types.GenericAlias) and id(it) not in seen:
                seen.add(id(it))
                callables[f"{path}.{name}"] = it
                if isinstance(it, type):
                    callables |= {f"{path}.{name}.{method}": getattr(it, method) for method in methods(it)}
    return callables


def methods(kind):
    """Methods of a class with arguments of their own, but for those that a base of it declares."""
    inherited = {name for base in kind.__mro__[1:] for name in vars(base)} | set(dir(nn.Module))
    for name, it in vars(kind).items():
        if (
            name[0] != "_"
            and isinstance(it, types.FunctionType | classmethod)
            and name not in inherited
            and not inspect.isabstract(kind)
        ):
            if inspect.signature(getattr(kind, name)).parameters.keys() - {"self"}:
                yield name


PLAYED = {"make_optimiser"}
"""Arguments that are checked by what calls are otherwise stopped at."""

FOUND = found()
EXEMPT = {
    path
    for path, it in FOUND.items()
    if inspect.isabstract(it)
    or (isinstance(it, type) and it in (pj.models.ColumnModel, pj.models.LayeredModel))
    or path in MADE | LAWS | INSIDE
    or (path.rpartition(".")[0] in MADE and path not in CALLS)
    or (isinstance(it, type) and issubclass(it, pj.mechanisms.MechanismWrapper | pj.network.NetworkWrapper))
}
OUTCOMES = collections.Counter()


def test_every_public_callable_has_a_valid_call():
    table = CALLS.keys() | OF_STUDY.keys()
    assert FOUND.keys() - EXEMPT - table == set()
    assert table - FOUND.keys() == set()
    assert (MADE | LAWS | INSIDE) - FOUND.keys() == set()
    assert len(BAD) >= 40


def test_valid_calls_are_accepted_with_every_argument(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, arguments in CALLS.items():
        unnamed = {
            name
            for name, it in inspect.signature(FOUND[path]).parameters.items()
            if it.kind not in (it.VAR_KEYWORD, it.VAR_POSITIONAL) and name not in ("parent", "name")
        } - arguments.keys()
        assert not (unnamed - {"self"}) or path.startswith("pj.models.") or path == "pj.tasks.from_splits", (
            path,
            unnamed,
        )
        if path not in READS:
            assert outcome(FOUND[path], arguments, path) is None, path


@pytest.mark.parametrize("path", CALLS)
def test_bad_values_are_refused_in_one_line_or_right(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse_all(path, CALLS[path])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    scenario = calls_of_scenarios.SCENARIO
    return pj.study([scenario, scenario], 2, 3, tmp_path_factory.mktemp("study") / "out", names=["a", "b"])


@pytest.mark.parametrize("path", OF_STUDY)
def test_results_refuse_bad_values(path, results):
    refuse_all(path, {"self": results, **OF_STUDY[path]})


def refuse_all(path, arguments):
    """Call one callable with every bad value in place of every argument."""
    wrong = []
    optional = {name for name, it in inspect.signature(FOUND[path]).parameters.items() if it.default is None}
    for name in arguments.keys() - {"self"}:
        right = allowed_values.ALLOWED.get(f"{path}.{name}", set()) | ({"None"} if name in optional else set())
        for label, value in BAD.items():
            told = outcome(FOUND[path], {**arguments, name: value}, path if name not in PLAYED else "")
            OUTCOMES["right" if told is None else "refused"] += 1
            if told is None:
                if label not in right:
                    wrong.append(f"{name}={label}: accepted")
            elif path in READS and label in right:
                continue  # refused because there is no such file
            elif "\n" in told or len(told) > 400 or not (any(word in told for word in arguments) or names(value, told)):
                wrong.append(f"{name}={label}: {told!r}")
    assert not wrong, "\n".join([path, *wrong])


def names(value, told):
    """Whether a message names the value, as one about a file names its path."""
    return isinstance(value, str) and value.strip() != "" and value in told


def outcome(function, arguments, path):
    """What a call is refused with; None if it goes past its checks; another error than those promised is raised."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            with stopped(path):
                result = function(**arguments)
                if inspect.isgenerator(result):
                    list(result)
        except Accepted:
            return None
        except (ValueError, pj.StudyError) as error:
            return str(error)
        except Exception as error:
            return f"{type(error).__name__}\nis no ValueError: {error}"
    return None
