"""Where calls of public callables are stopped once their arguments are checked, before what takes time."""

import contextlib
import sys
from unittest import mock


class Accepted(BaseException):
    """A call went past its checks: it took its arguments for good ones."""


_SKLEARN = mock.Mock(load_digits=mock.Mock(side_effect=Accepted))
_HEAD_START = ("polejax.attacks.head_start._train", "polejax.attacks.head_start._fresh")

STOPS = {
    "pj.PoLe": ("polejax.learning.recipe.Recipe._check_model",),
    "pj.Recipe": ("polejax.learning.recipe.Recipe._check_model",),
    "pj.analysis.cost": ("polejax.analysis.cost._spent",),
    "pj.analysis.figures": (
        "polejax.analysis.figures.canvas",
        "polejax.analysis.interval_figures.canvas",
        "matplotlib.figure.Figure.savefig",
    ),
    "pj.analysis.node_work": ("polejax.analysis.node_work._replayed",),
    "pj.attacks.collusion.advantage": ("polejax.attacks.collusion.honest_bank",),
    "pj.attacks.collusion.measure": ("polejax.attacks.collusion.advantage",),
    "pj.attacks.double_spend.race": ("polejax.attacks.double_spend.simulate_many",),
    "pj.attacks.double_spend.walk": ("jax.lax.while_loop",),
    "pj.attacks.forging": ("jax.vmap", "polejax.attacks.head_start.layers", *_HEAD_START),
    "pj.attacks.head_start.identities": ("jax.vmap",),
    "pj.attacks.head_start": (*_HEAD_START, "jax.vmap"),
    "pj.attacks.rebasing": ("polejax.attacks.rebasing._solved", "polejax.learning.recipe.Recipe.map_inputs"),
    "pj.attacks.run": ("polejax.attacks.theft.encounter",),
    "pj.attacks.selfish.mine": ("jax.lax.scan",),
    "pj.attacks.selfish.relative_revenue": ("polejax.attacks.selfish._mine_many",),
    "pj.attacks.theft.encounter": ("polejax.attacks.head_start.identities",),
    "pj.attacks.theft": ("polejax.attacks.theft._carry", "polejax.attacks.head_start.layers", *_HEAD_START),
    "pj.analysis.service_at_loads": ("polejax.analysis.service_at_loads.serve",),
    "pj.analysis.winner_work": ("polejax.analysis.node_work._delays",),
    "pj.Bank.save": ("polejax._core.folder.Folder.write_file",),
    "pj.baselines.at": ("polejax.jobs.pow_baselines.simulate_many",),
    "pj.bank_estimate": ("polejax.studies.bank_error.simulate_many",),
    "pj.learning_curves": ("polejax.studies.banks.trainer",),
    "pj.mechanisms.verify": ("polejax.mechanisms.verification._test_columns",),
    "pj.models.accuracy": ("jax.numpy.argmax",),
    "pj.models.cross_entropy": ("polejax.learning.measures.log_sum_exp",),
    "pj.models.logits": ("flax.linen.Module.apply",),
    "pj.serve": ("polejax.analysis.mempool._serve",),
    "pj.simulate": ("polejax.consensus.simulate.whole_chain",),
    "pj.simulate_many": ("polejax._engine.segments.play", "polejax._engine.runner._start_poisson"),
    "pj.study": ("polejax.studies.study._run",),
    "pj.tally_many": ("polejax._engine.segments.play", "polejax._engine.poisson_sums.prepare"),
    "pj.tasks.digits": ("sklearn.datasets.load_digits",),
    "pj.testing.check_mechanism": ("polejax.consensus.testing.mechanism.try_round",),
    "pj.testing.check_network": ("polejax.consensus.testing.network._check_delays",),
}
"""Of a call's path, or what it begins with: what raises `Accepted` instead of being computed; the longest that fits."""


@contextlib.contextmanager
def stopped(path):
    """Replace, for one callable, what its calls would compute."""
    fitting = [start for start in STOPS if path.startswith(start)]
    places = STOPS[max(fitting, key=len)] if fitting else ()
    with contextlib.ExitStack() as stack:
        for place in places:
            if place.startswith("sklearn"):  # takes seconds to import
                stack.enter_context(
                    mock.patch.dict(sys.modules, {"sklearn": mock.Mock(), "sklearn.datasets": _SKLEARN})
                )
            else:
                stack.enter_context(mock.patch(place, side_effect=Accepted))
        yield
