"""Recipe: what training is, of which any number of nodes each train a network."""

import jax
import jax.numpy as jnp
import optax
from flax import errors
from flax import linen as nn

from polejax._core import checks, lanes
from polejax._core.keys import key_of
from polejax._core.record import Record, axes, convert, replace, static
from polejax._core.switches import steady
from polejax._core.types import Array, Numeric, Tree
from polejax.learning import nnx_models, optimisers
from polejax.learning.cost import step_bytes, step_flops
from polejax.learning.networks import MultilayerPerceptron
from polejax.learning.optimisers import MakeOptimiser, check_maker, check_optimiser, momentum
from polejax.learning.sml import SecureMappingLayer
from polejax.learning.tasks import Samples, Task

_MOST_LANES = 16  # networks that train in lockstep on a CPU, however small they are


class Recipe(Record):
    """What training is: the task, the model, the Secure Mapping Layer that it trains behind, and how it is trained.

    Attributes:
      task: `Task`, a data set with its three splits.
      learning_rate: f32[], of the optimiser.
      holdout: `Samples` that neither nodes nor verifiers see, on which the record shows what claims are worth
        (`polejax.tasks.hold_out`); None for none.
      model: Flax Linen module, features f32[M, F] to logits f32[M, C]; None: one hidden layer of 32 units. Modules of
        `flax.nnx` go through `polejax.models.from_nnx`.
      sml: `SecureMappingLayer`, or None for none.
      make_optimiser: from a learning rate to an optax optimiser, its schedule included; static, so pass a function that
        has a name.
      batch_size: samples per step.
      evaluate_every: steps between evaluations.
      max_steps: steps after which training ends.

    Raises:
      ValueError: a number out of range, a layer that does not fit the task, a model that does not, one with state
        beyond `params` or with parameters that are no float32, or an optimiser that needs more than gradients and
        parameters.
    """

    task: Task
    learning_rate: Numeric = axes(0, default=0.02)
    holdout: Samples | None = None
    model: nn.Module = static(default=None)
    sml: SecureMappingLayer | None = static(default=SecureMappingLayer())
    make_optimiser: MakeOptimiser = static(default=momentum)
    batch_size: int = static(default=32)
    evaluate_every: int = static(default=5)
    max_steps: int = static(default=2_000)

    @steady
    def __post_init__(self) -> None:
        if not isinstance(self.task, Task):
            raise ValueError(
                f"task must be a polejax.tasks.Task, got {checks.shown(self.task)}: see polejax.tasks.digits()"
            )
        if self.sml is not None and not isinstance(self.sml, SecureMappingLayer):
            raise ValueError(
                f"sml must be None or a polejax.SecureMappingLayer, got {checks.shown(self.sml)}: build one"
            )
        if self.model is not None and not isinstance(self.model, nn.Module):
            raise ValueError(
                nnx_models.refusal(self.model)
                or f"model must be a Flax module, got {checks.shown(self.model)}: build one, as polejax.models does"
            )
        if self.holdout is not None and not isinstance(self.holdout, Samples):
            raise ValueError(
                f"holdout must be None or made by polejax.tasks.hold_out, got {checks.shown(self.holdout)}"
            )
        if self.sml is not None:
            self.sml.check(self.task.num_features)
        convert(
            self,
            learning_rate=lambda value: checks.real("learning_rate", value, above=0.0),
            model=lambda value: value or MultilayerPerceptron(num_classes=self.task.num_classes),
            batch_size=lambda value: checks.whole("batch_size", value, low=1, high=self.task.train_inputs.shape[-2]),
            evaluate_every=lambda value: checks.whole("evaluate_every", value, low=1),
            max_steps=lambda value: checks.whole("max_steps", value, low=self.evaluate_every),
        )
        check_maker(self.make_optimiser)  # before the model is traced
        check_optimiser(self.make_optimiser, self.learning_rate, self._check_model())

    def _check_model(self) -> Tree:
        """Shapes of the parameters of one network.

        Raises:
          ValueError: the model does not turn mapped samples into one logit per class, draws random numbers, or has
            other state than float32 parameters.
        """
        sample = jax.ShapeDtypeStruct((1, self.mapped_features), jnp.float32)
        with jax.numpy_dtype_promotion("standard"):  # lest types that mix stop it before they are told
            answer, variables = jax.eval_shape(self.model.init_with_output, key_of(0), sample)
        if set(variables) != {"params"}:
            extra = sorted(set(variables) - {"params"}) or ["no params"]
            raise ValueError(
                f"model must have params only, got {', '.join(extra)}: leave out batch statistics and the like"
            )
        classes, name = self.task.num_classes, self.task.name
        if answer.shape != (1, classes):
            raise ValueError(
                f"model must answer {classes} logits for {name}, got shape {answer.shape}: set num_classes"
            )
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"]):
            if leaf.dtype != jnp.float32:
                where = jax.tree_util.keystr(path, simple=True, separator="/")
                raise ValueError(
                    f"model must have float32 parameters, got {leaf.dtype} in {where}: leave out param_dtype"
                )
        try:
            jax.eval_shape(self.model.apply, variables, sample)
        except errors.InvalidRngError:
            raise ValueError("model must draw no random numbers, got one that does: leave out Dropout") from None
        return variables["params"]

    @property
    def mapped_features(self) -> int:
        """Features F of a sample behind the layer: what the model sees."""
        return self.sml.width(self.task.num_features) if self.sml else self.task.num_features

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """What `make_optimiser` makes of the learning rate, which is traced inside compiled programs."""
        return optimisers.made(self.make_optimiser, self.learning_rate)

    @property
    def step_flops(self) -> int:
        """Floating-point operations of one training step, layer not included, as samples are mapped once."""
        return step_flops(self.model, self.mapped_features, self.batch_size)

    @property
    def node_bytes(self) -> int:
        """Bytes that a node holds: the samples behind its layer, twice while they are shuffled, and a training step."""
        task = self.task
        parts = [task.train_inputs, task.validation_inputs, task.test_inputs]
        parts += [self.holdout.inputs] if self.holdout else []
        samples = sum(part.shape[-2] for part in parts)
        return 8 * self.mapped_features * samples + step_bytes(self.model, self.mapped_features, self.batch_size)

    @property
    def cached_lanes(self) -> int:
        """Chains or curves that a CPU's core trains in lockstep: up to 16 small networks, a large one alone."""
        return min(_MOST_LANES, self.networks_in_cache(self.mapped_features))

    def networks_in_cache(self, num_features: int) -> int:
        """How many networks train in lockstep: as many as a CPU core's cache holds, or, on a GPU or TPU, any number.

        Args:
          num_features: F, of a sample behind the layer.
        """
        return lanes.in_cache(step_bytes(self.model, num_features, self.batch_size))

    @property
    def held_out(self) -> "Recipe":
        """The recipe with its held-out samples in place of its test samples, for `training.verify` and `judge`."""
        if self.holdout is None:
            raise ValueError("holdout must hold samples to judge by, got None: see polejax.tasks.hold_out")
        task = replace(self.task, test_inputs=self.holdout.inputs, test_labels=self.holdout.labels)
        return replace(self, task=task)

    def layer_variables(self, tip: Array, address: Array) -> Tree:
        """Variables of the Secure Mapping Layer for one tip u32[8] and address u32[]; empty without a layer."""
        return self.sml.derive(tip, address, self.task.num_features) if self.sml else {}

    def map_inputs(self, layer: Tree, inputs: Array, in_columns: bool = False) -> Array:
        """Images f32[M, F] of samples f32[M, D] under a layer with the given variables; `in_columns`, f32[F, M]."""
        if self.sml is None:
            return inputs.T if in_columns else inputs
        return self.sml.apply(layer, inputs, in_columns=in_columns)
