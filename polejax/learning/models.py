"""Models: the networks that nodes train, what is measured of them, and what they cost; a namespace of all of it.

A model may be any Flax Linen module from features f32[M, F] to logits f32[M, C] that has parameters only, or, through
`from_nnx`, such a module of `flax.nnx`.
"""

from polejax.learning.block_weight import ModelBlock, model_block
from polejax.learning.cost import forward_flops, num_parameters, step_bytes, step_flops
from polejax.learning.layers import Dense, relu
from polejax.learning.measures import accuracy, cross_entropy, logits, logits_of_columns
from polejax.learning.networks import ColumnModel, ConvolutionalNetwork, LayeredModel, MultilayerPerceptron
from polejax.learning.nnx_models import from_nnx

__all__ = [
    "ColumnModel",
    "ConvolutionalNetwork",
    "Dense",
    "LayeredModel",
    "ModelBlock",
    "MultilayerPerceptron",
    "accuracy",
    "cross_entropy",
    "forward_flops",
    "from_nnx",
    "logits",
    "logits_of_columns",
    "model_block",
    "num_parameters",
    "relu",
    "step_bytes",
    "step_flops",
]


def __dir__() -> list[str]:
    return __all__
