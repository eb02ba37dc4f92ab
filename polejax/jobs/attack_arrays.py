"""What `polejax attack` keeps on disk of the attacks on one layer, as arrays by name."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from polejax._core.keys import key_of
from polejax._core.netcdf import Variables
from polejax.attacks import head_start
from polejax.attacks.head_start import Run
from polejax.attacks.theft import Attempt
from polejax.learning.recipe import Recipe


def stored(honest: Run, model: Run, attempts: Mapping[str, Attempt], strategies: Sequence[str]) -> Variables:
    """Curves as a netCDF file holds them, and the weights that a network without a layer ends with.

    Attempts are numbered by their places in `strategies`, all there are.
    """
    curve = ("seed", "evaluation")
    variables: Variables = {
        f"{who}_{split}": (curve, np.asarray(getattr(run, split)))
        for who, run in (("honest", honest), ("model", model))
        for split in ("validation", "test")
    }
    for name, tried in attempts.items():
        at = strategies.index(name)
        variables |= {f"attempt{at}_{split}": (curve, getattr(tried, split)) for split in ("validation", "test")}
        variables[f"attempt{at}_rest"] = (("rest",), np.array([tried.cost, tried.truthful], np.float32))
    for number, leaf in enumerate(jax.tree.leaves(model.final)):
        dims = ("seed", *(f"axis{number}_{axis}" for axis in range(1, leaf.ndim)))
        variables[f"final{number}"] = (dims, np.asarray(leaf))
    return variables


def restored(
    arrays: Mapping[str, np.ndarray], recipe: Recipe, strategies: Sequence[str]
) -> tuple[Run, Run, dict[str, Attempt]]:
    """The honest run, the victims' run and the attempts that `stored` made arrays of."""
    who = head_start.identities(key_of(0), 1)
    abstract = jax.eval_shape(lambda: head_start.fresh(recipe, who))
    numbers = range(len(jax.tree.leaves(abstract)))
    final = jax.tree.unflatten(jax.tree.structure(abstract), [arrays[f"final{number}"] for number in numbers])
    honest, model = (
        Run(arrays[f"{who}_validation"], arrays[f"{who}_test"], None, final if who == "model" else None)
        for who in ("honest", "model")
    )
    attempts = {}
    for at, name in enumerate(strategies):
        if f"attempt{at}_test" in arrays:
            cost, truthful = arrays[f"attempt{at}_rest"]
            attempts[name] = Attempt(
                arrays[f"attempt{at}_validation"], arrays[f"attempt{at}_test"], cost, bool(truthful)
            )
    return honest, model, attempts
