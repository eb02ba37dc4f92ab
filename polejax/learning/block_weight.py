"""Block weight: the bytes of a block that carries a model, and how long its verification takes."""

from typing import NamedTuple

from polejax._core import checks
from polejax._core.brief import brief
from polejax._core.checked import checked
from polejax._core.sweep import single
from polejax.learning.cost import forward_flops, num_parameters
from polejax.learning.recipe import Recipe


class ModelBlock(NamedTuple):
    """A block that carries a model.

    Attributes:
      num_bytes: its size.
      verification: seconds until a node that received it has checked it.
    """

    num_bytes: float
    verification: float

    def __repr__(self) -> str:
        return brief(self)


@checked
@single("recipe")
def model_block(
    recipe: Recipe, flops_per_second: float, *, bytes_per_parameter: float = 4.0, other_bytes: float = 0.0
) -> ModelBlock:
    """Size and verification time of a block that carries a model, from the model's own parameters and arithmetic.

    The block carries every trainable parameter; whoever receives it re-derives the Secure Mapping Layer from the header
    (its drawing is not counted), maps the test samples and runs the network forward on all of them (ours).

    Args:
      recipe: its task's test samples, its model and its layer are counted.
      flops_per_second: at which a node verifies.
      bytes_per_parameter: 4 for float32; less when a model is compressed.
      other_bytes: header and transactions.

    Raises:
      ValueError: a rate or size that is not positive, or negative other bytes.
    """
    rate = float(checks.real("flops_per_second", flops_per_second, above=0.0, ndim=0))
    size = float(checks.real("bytes_per_parameter", bytes_per_parameter, above=0.0, ndim=0))
    other = float(checks.real("other_bytes", other_bytes, low=0.0, ndim=0))
    samples, features = recipe.task.test_inputs.shape
    width = recipe.mapped_features
    flops = forward_flops(recipe.model, width, samples) + (2 * samples * features * width if recipe.sml else 0)
    return ModelBlock(size * num_parameters(recipe.model, width) + other, flops / rate)
