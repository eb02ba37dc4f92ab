"""Config files: what a file says is what Python would build, and what it gets wrong is said in its own words."""

import inspect
import re
import tomllib

import flax
import jax
import numpy as np
import pytest

import polejax as pj
from polejax._core.describe import describe
from polejax.jobs import config
from polejax.jobs.config_builder import Builder
from polejax.jobs.config_names import CONSTRUCTORS
from polejax.studies.grid import listed

HEAD = 'seeds = 3\nblocks = 4\nout = "{out}"\n'
SCENARIO = """
[[scenario]]
name = "work"
nodes = {{ from_shares = [3, 2, 1] }}
network = {{ clique = {{ seconds = 1.0 }} }}
mechanism = {{ PoW = {{ work = 60.0 }} }}
difficulty = {{ window = {{ blocks = 10, target = 60.0 }} }}
"""
POLE = """
[[scenario]]
name = "learning"
nodes = {{ equal = {{ count = 3 }} }}
network = {{ gossip = {{ graph = {{ small_world = {{ count = 3, degree = 2 }} }}, latency = 0.5 }} }}
difficulty = {{ accuracy = 60.0 }}
[scenario.mechanism.Replay]
threshold = 0.6
[scenario.mechanism.Replay.bank.learning_curves]
num_curves = 20
seed = 1
[scenario.mechanism.Replay.bank.learning_curves.mechanism.PoLe]
batch_size = 16
max_steps = 20
task = {{ synthetic = {{ key_or_seed = 0, num_features = 8, num_classes = 3, hidden = 4, num_train = 128 }} }}
model = {{ MultilayerPerceptron = {{ hidden = [], num_classes = 3 }} }}
sml = {{ SecureMappingLayer = {{ law = "rademacher" }} }}
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "study.toml"
        path.write_text(text.format(out=(tmp_path / "out").as_posix()))
        return path

    return write


@pytest.mark.smoke
def test_a_file_says_what_python_builds(write):
    found = config.read(write(HEAD + SCENARIO))
    expected = pj.Scenario(
        pj.nodes.from_shares([3, 2, 1]),
        pj.network.clique(3, seconds=1.0),
        pj.PoW(work=60.0),
        difficulty=pj.difficulty.window(10, 60.0),
    )
    assert describe(found.scenarios) == describe([expected])
    assert (found.names, found.num_seeds, found.num_blocks, found.seed) == (["work"], 3, 4, 0)


def test_a_grid_and_a_bank(write, tmp_path):
    grid = '[scenario.grid]\n"mechanism.threshold" = [0.4, 0.5]\n"mechanism.jitter" = [0.0, 0.1, 0.2]\n'
    path = write(HEAD + SCENARIO + POLE + grid)
    result = config.run(path)
    data = result.to_xarray()
    assert data.sizes["scenario"] == 7
    np.testing.assert_allclose(data["mechanism.threshold"][1:], [0.4] * 3 + [0.5] * 3)
    np.testing.assert_allclose(data["mechanism.jitter"][1:], [0.0, 0.1, 0.2] * 2, rtol=1e-6)
    assert result.names[2] == "learning, mechanism.threshold=0.4, mechanism.jitter=0.1"
    (bank,) = (tmp_path / "out").glob("bank-*")  # trained once, and kept
    scenarios = listed(config.read(path).scenarios).scenarios
    assert scenarios[1].mechanism.bank is scenarios[6].mechanism.bank
    np.testing.assert_array_equal(pj.load_bank(bank).test[:20], scenarios[1].mechanism.bank.test)
    assert isinstance(scenarios[1].mechanism.bank.evaluate_every, int)
    assert jax.tree.structure(scenarios[1]) == jax.tree.structure(scenarios[6])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PoW = ", "PoV = ", r"scenario 'work': mechanism has no constructor 'PoV': try PoW, HashedPoW, PoLe"),
        ("seconds = 1.0", "secs = 1.0", r"network\.clique has no 'secs': it takes count, seconds"),
        ("seconds = 1.0", "seconds = -1.0", r"scenario 'work': seconds must be at least 0, got -1"),
        ("work = 60.0", "work = nan", "scenario 'work': work must be a number, got nan"),
        ("work = 60.0", "work = inf", "scenario 'work': work must be finite and above 0, got inf"),
        ("work = 60.0", 'work = "60"', "scenario 'work': work must be a number or an array of numbers, got '60'"),
        ("work = 60.0 ", "", r"mechanism\.PoW: .*missing 1 required positional argument: 'work'"),
        ("mechanism = ", "mechanisme = ", r"scenario 'work' has no 'mechanisme': it takes"),
        ("seeds = 3", "seeds = 0", "seeds must be at least 1"),
        ("seeds = 3", "", "must have 'seeds'"),
        ("seeds = 3", "seeds = ", "is not TOML"),
        ("[[scenario]]", "[scenario]", r"write \[\[scenario\]\]"),
        (
            'name = "work"',
            'name = "work"\ngrid = {{ "network.seconds" = 3 }}',
            r"grid 'network\.seconds' must be a list",
        ),
        ('name = "work"', 'name = "work"\ngrid = {{ "election.x" = [3] }}', r"'election\.x' must lead to an argument"),
        ('name = "work"', 'name = "work"\ngrid = {{ "nodes.shares" = [3] }}', "must lead to a named argument"),
        ("nodes = {{ from_shares = [3, 2, 1] }}", "", "nodes is missing: give one of from_shares, equal"),
    ],
)
def test_mistakes_are_named(write, old, new, message):
    text = (HEAD + SCENARIO).replace(old, new)
    assert text != HEAD + SCENARIO
    with pytest.raises(ValueError, match=message) as error:
        config.read(write(text))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"config must be a file that can be read, got .*none\.toml"):
        config.read(tmp_path / "none.toml")


EXAMPLES = {
    "nodes": """
        { from_shares = [2, 1] } | { equal = 2 } | { zipf = 2 } | { lognormal = 2 }
        { growth = { nodes = { equal = 2 }, per_block = 0.1 } }
        { lose = { nodes = { equal = 2 }, lost = [true, false], height = 9 } }
        { schedule = { nodes = { equal = 2 }, since = [0, 9], factor = [1.0, 0.5] } }""",
    "network": """
        { clique = { seconds = 1.0 } } | { instant = {} } | { internet = { year = 2015 } }
        { from_matrix = [[0.0, 1.0], [1.0, 0.0]] }
        { regions = { region = [0, 1], between = [[1.0, 2.0], [2.0, 1.0]] } }
        { relay = { network = { from_matrix = [[0, 9], [9, 0]] }, members = [true, true], seconds = 1.0 } }
        { gossip = { graph = { from_edges = { edges = [[0, 1]] } }, latency = 1.0 } }
        { gossip = { graph = { erdos_renyi = { probability = 1.0 } }, latency = 1.0 } }
        { gossip = { graph = { random_regular = { degree = 1 } }, latency = 1.0 } }
        { gossip = { graph = { scale_free = { links = 1 } }, latency = 1.0 } }
        { random_delays = { base = { instant = {} }, law = { constant_delay = 1.0 } } }
        { random_delays = { base = { instant = {} }, law = { exponential_delay = 1.0 } } }
        { random_delays = { base = { instant = {} }, law = { lognormal_delay = { median = 1.0, sigma = 1.0 } } } }
        { random_delays = { base = { instant = {} }, law = { uniform_delay = { low = 1.0, high = 2.0 } } } }
        { random_delays = { base = { instant = {} }, law = { empirical_delay = { quantiles = [0.0, 1.0] } } } }""",
    "mechanism": """
        { PoW = 9.0 } | { HashedPoW = 9.0 } | { gamma = { mean = 9.0, shape = 2.0 } }
        { weibull = { mean = 9.0, shape = 2.0 } } | { lognormal = { mean = 9.0, sigma = 2.0 } }
        { TaskStream = { tasks = [{ PoW = 9.0 }], rates = [0.1], rewards = [1.0], idle = { PoW = 5.0 } } }""",
    "election": "{ FirstSeen = {} } | { BestInWindow = 3.0 } | { BestAtDeadline = 3.0 }",
    "difficulty": """
        { fixed = {} } | { bitcoin = {} } | { window = 10 } | { asert = 9.0 } | { ema = 9.0 } | { homestead = {} }
        { byzantium = {} }""",
    "adversary": """
        { withholding = { seconds = 3.0, addresses = [1] } } | { leak = { seconds = 3.0, addresses = [1] } }
        { early_key = { seconds = 3.0, addresses = [1], release = 5.0 } }""",
}
ELSEWHERE = {
    "small_world",
    "accuracy",
    "PoLe",
    "Replay",
    "synthetic",
    "MultilayerPerceptron",
    "SecureMappingLayer",
    "learning_curves",
}
FROM_FILES = {
    "mnist",
    "cifar10",
    "npz",
    "load_bank",
    "Cheating",
    "LiveTheft",
    "digits",
    "ConvolutionalNetwork",
}  # called alike


def test_whatever_there_is_can_be_named_in_a_file():
    for field, examples in EXAMPLES.items():
        for example in examples.replace("\n", "|").split("|"):
            if example.strip():
                tables = {
                    "nodes": {"equal": 2},
                    "network": {"instant": {}},
                    "mechanism": {"PoW": 1.0},
                    **tomllib.loads(f"{field} = {example}"),
                }
                built = getattr(Builder("none").scenario(tables), field)
                assert built is not None, example
    named = {maker.__name__ for makers in CONSTRUCTORS.values() for maker in makers}
    used = set(re.findall(r"\b\w+(?= =)", " ".join(EXAMPLES.values()))) & named
    assert used | ELSEWHERE | FROM_FILES == named
    for name in named:
        assert re.search(rf"\b{name}\b", config.__doc__), name


NO_PARTS = {
    "network": {"hop_delay", "verified"},  # what pj.protocols is built of has no name in files yet
    "mechanisms": {
        *("Mechanism", "MechanismWrapper", "Parametric", "posted", "verify"),  # Parametric: by its three laws
        *("ArchitectureSpread", "HashTrainingHash", "TrainingPhase"),
    },
    "elections": {"Election"},
    "difficulty": {"Accuracy", "Asert", "Difficulty", "Ethereum", "Fixed", "LevelRule", "MovingAverage", "Window"},
    "attacks": {"Adversary", "EarlyKey", "Leak", "Withholding", "cheats_bank", "honest_bank", "run"},
    "tasks": {
        "from_arrays",
        "from_splits",
        "hold_out",
        "holds_cifar10",
        "idx",
        "majority_accuracy",
        "stratified_split",
    },
    "models": {"ColumnModel", "Dense", "LayeredModel"},
}
"""What namespaces export and no file can name: bases, records that a function makes, and helpers."""


def parts_of(namespace):
    """Names of a namespace's functions, and of its mechanisms, elections, adversaries and networks."""
    bases = (pj.Mechanism, pj.elections.Election, pj.attacks.Adversary, flax.linen.Module)
    for name in dir(namespace):
        value = getattr(namespace, name)
        if inspect.isfunction(value) or (isinstance(value, type) and issubclass(value, bases)):
            yield name


@pytest.mark.parametrize(
    "space", ["network", "nodes", "elections", "difficulty", "tasks", "models", "mechanisms", "attacks"]
)
def test_whatever_a_namespace_exports_can_be_named_in_a_file(space):
    named = {maker.__name__ for makers in CONSTRUCTORS.values() for maker in makers}
    exported = set(parts_of(getattr(pj, space)))
    if space == "models":
        exported = {name for name in exported if name[0].isupper()}  # functions of models measure them
    assert exported - NO_PARTS.get(space, set()) <= named


def test_a_stream_of_tasks_is_what_python_builds(write):
    stream = """
[[scenario]]
nodes = {{ equal = 3 }}
network = {{ instant = {{}} }}
[scenario.mechanism.TaskStream]
tasks = [{{ weibull = {{ mean = 30.0, shape = 4.0 }} }}, {{ weibull = {{ mean = 90.0, shape = 4.0 }} }}]
rates = [0.1, 0.2]
rewards = [1.0, 3.0]
idle = {{ PoW = {{ work = 60.0 }} }}
[scenario.grid]
"mechanism.order" = ["fifo", "reward"]
"""
    found = config.read(write(HEAD + stream)).scenarios
    tasks = [pj.mechanisms.weibull(mean, 4.0) for mean in (30.0, 90.0)]
    expected = [
        pj.Scenario(
            pj.nodes.equal(3),
            pj.network.instant(3),
            pj.TaskStream(tasks, [0.1, 0.2], [1.0, 3.0], pj.PoW(60.0), order=order),
        )
        for order in ("fifo", "reward")
    ]
    assert describe(list(found)) == describe(expected)
    with pytest.raises(ValueError, match=r"tasks must be a list of \{ constructor = arguments \}"):
        config.read(write(HEAD + stream.replace("tasks = [", "tasks = 3 # [")))
    with pytest.raises(ValueError, match="mechanism has no constructor 'weibul'"):
        config.read(write(HEAD + stream.replace("[{{ weibull", "[{{ weibul")))
