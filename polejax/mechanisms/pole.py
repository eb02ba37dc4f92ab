"""Proof of Learning: every node really trains, and the first valid model wins."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import errors
from flax import linen as nn

from polejax._core import checks, draw
from polejax._core.numerics import rounded
from polejax._core.record import convert, record, replace, static
from polejax._core.types import Array, Key
from polejax.consensus.claims import Claims, Learning
from polejax.consensus.listening import Listening, closes
from polejax.consensus.mechanism import Mechanism, Profile, Unit
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views
from polejax.crypto import header
from polejax.learning import holdout, models, training
from polejax.learning.holdout import Samples
from polejax.learning.sml import SecureMappingLayer
from polejax.learning.tasks import Task

FALLBACKS = ("best", "empty")


class PoLe(Mechanism):
    """Proof of Learning: the work to a block is the training steps to an accuracy, really taken.

    Every node trains its own network behind its own Secure Mapping Layer, keyed by the tip of its own view and its
    address, from its own initialisation and shuffle. Every `evaluate_every` steps it measures its validation accuracy;
    at or above the threshold it claims. Every node verifies a claim on test data that no trainer sees: accuracy at or
    above `accept` makes it a block. A claim turned down costs every racing node one verification time, charged at the
    evaluation at which it was made (ours), and the claimant trains on. A node gives up at the deadline or at its
    `max_steps`; when all have, the `fallback` makes the block. Training stops as soon as every node has claimed, given
    up, or can no longer claim in time (first seen: has heard a valid block).

    Args:
      task: `Task`, a data set with its three splits.
      threshold: f32[], validation accuracy that a claim needs, in [0, 1]; the difficulty that a controller moves.
      accept: f32[], test accuracy that verifiers ask for; None: the threshold less `margin`.
      margin: f32[], allowance for the difference of two finite samples; 0.05 is two standard errors on the digits.
      deadline: f32[], seconds from a node's start after which it gives up; inf: when `max_steps` are done.
      jitter: f32[], sigma of the log-normal factor, drawn per node and round, on the time of a step. Whole steps would
        make equal nodes tie exactly and fake forks (0.02, ours).
      verification: f32[], seconds that verifying one rejected claim costs (an accepted one's are part of the delay).
      learning_rate: f32[], of the optimiser.
      holdout: `Samples` that neither nodes nor verifiers see, on which the record shows what claims are worth
        (`polejax.holdout.hold_out`); None for none.
      learner: Flax Linen module, features f32[M, F] to logits f32[M, C]; None: one hidden layer of 32 units.
      sml: `SecureMappingLayer`, or None for none.
      make_optimiser: from a learning rate to an optax optimiser; static, so pass a function that has a name.
      batch_size: samples per step.
      evaluate_every: steps between evaluations.
      max_steps: steps after which a node gives up.
      fallback: what ends a round that nobody finished. "best": the node with the best validation accuracy publishes
        its model; "empty": the first to give up publishes a block without a model. Both ours: sources differ.
      curve_points: evaluations K of each node to keep in the record.

    Raises:
      ValueError: a number out of range, an unknown fallback, a learner that does not fit the task, or one with state
        beyond `params`.

    Source: Lan, Liu, Li 2020 (arXiv 2007.15145): the protocol; each reading that they leave open is an argument here.
    """

    task: Task
    threshold: Array = 0.9
    accept: Array | None = None
    margin: Array = 0.05
    deadline: Array = float("inf")
    jitter: Array = 0.02
    verification: Array = 0.0
    learning_rate: Array = 0.02
    holdout: Samples | None = None
    learner: nn.Module = static(default=None)
    sml: SecureMappingLayer | None = static(default=SecureMappingLayer())
    make_optimiser: Callable[[Array], optax.GradientTransformation] = static(default=training.momentum)
    batch_size: int = static(default=32)
    evaluate_every: int = static(default=5)
    max_steps: int = static(default=2_000)
    fallback: str = static(default="best")
    curve_points: int = static(default=0)

    def __post_init__(self) -> None:
        check_rules(self)
        if not isinstance(self.task, Task):
            raise ValueError(f"task must be a polejax.tasks.Task, got {self.task!r}: see polejax.tasks.digits()")
        if self.sml is not None and not isinstance(self.sml, SecureMappingLayer):
            raise ValueError(f"sml must be None or a polejax.SecureMappingLayer, got {self.sml!r}: build one")
        if self.learner is not None and not isinstance(self.learner, nn.Module):
            raise ValueError(f"learner must be a Flax module, got {self.learner!r}: build one, as polejax.learners do")
        if not callable(self.make_optimiser):
            given = type(self.make_optimiser).__name__
            raise ValueError(
                f"make_optimiser must be a function of the learning rate, got {given}: pass optax.adam itself"
            )
        if self.holdout is not None and not isinstance(self.holdout, Samples):
            raise ValueError(f"holdout must be None or made by polejax.holdout.hold_out, got {self.holdout!r}")
        convert(
            self,
            learning_rate=lambda value: checks.real("learning_rate", value, above=0.0),
            learner=lambda value: value or models.MultilayerPerceptron(num_classes=self.task.num_classes),
            batch_size=lambda value: checks.whole("batch_size", value, low=1, high=self.task.train_inputs.shape[-2]),
            evaluate_every=lambda value: checks.whole("evaluate_every", value, low=1),
            max_steps=lambda value: checks.whole("max_steps", value, low=self.evaluate_every),
            curve_points=lambda value: checks.whole("curve_points", value, low=0),
        )
        _check_learner(self)

    @property
    def initial_difficulty(self) -> Array:
        """f32[], the accuracy threshold of the first block."""
        return self.threshold

    @property
    def mapped_features(self) -> int:
        """Features F of a sample behind the layer: what a learner sees."""
        return self.sml.width(self.task.num_features) if self.sml else self.task.num_features

    @property
    def difficulty_unit(self) -> Unit:
        """See `Mechanism.difficulty_unit`."""
        return "accuracy"

    def nameless(self) -> "PoLe":
        """See `Mechanism.nameless`."""
        return replace(self, task=replace(self.task, name="stream"))

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`; up to 16 small networks stay in cache, a large one alone."""
        return Profile(
            hashes_tips=True,
            heights_per_call=8,
            cached_lanes=min(16, training.cached_networks(self, self.mapped_features)),
            bytes_per_node=self._node_bytes(),
            flops_per_unit=models.step_flops(self.learner, self.mapped_features, self.batch_size),
        )

    def _node_bytes(self) -> int:
        """The samples behind its layer, twice while they are shuffled, and a training step."""
        task = self.task
        parts = [task.train_inputs, task.validation_inputs, task.test_inputs]
        parts += [self.holdout.inputs] if self.holdout else []
        samples = sum(part.shape[-2] for part in parts)
        step = models.step_bytes(self.learner, self.mapped_features, self.batch_size)
        return 8 * self.mapped_features * samples + step

    def layer_variables(self, tip: Array, address: Array) -> Any:
        """Variables of the Secure Mapping Layer for one tip u32[8] and address u32[]; empty without a layer."""
        return self.sml.derive(tip, address, self.task.num_features) if self.sml else {}

    def map_inputs(self, layer: Any, inputs: Array, in_columns: bool = False) -> Array:
        """Images f32[M, F] of samples f32[M, D] under a layer with the given variables; `in_columns`, f32[F, M]."""
        if self.sml is None:
            return inputs.T if in_columns else inputs
        return self.sml.apply(layer, inputs, in_columns=in_columns)

    def accepts(self, accuracy: Array, difficulty: Array) -> Array:
        """Whether verifiers accept test accuracies f32[...] on branches whose threshold is `difficulty`."""
        return accuracy >= (difficulty - self.margin if self.accept is None else self.accept)

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes that really trained, work f32[N] in steps; see `Mechanism.race`."""
        return self.race_from(key, views, nodes, listening)[0]

    def race_from(
        self,
        key: Key,
        views: Views,
        nodes: Nodes,
        listening: Listening | None = None,
        begin: Callable[..., Any] | None = None,
    ) -> tuple[Claims, Any]:
        """The claims, and the networks that they are for, params with leading axis N.

        Nodes start from `begin(params, layer)` of the fresh params and their layers' variables, leading axis N each;
        None: from the fresh ones.
        """
        key, jitter_key = jax.random.split(key)
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, nodes.address)
        order_keys, begin_keys = jax.vmap(lambda key: tuple(jax.random.split(key)))(keys)
        material = training.prepare(self, order_keys, views.tip, nodes.address)
        slowness = draw.lognormal_of(draw.bits(jitter_key, nodes.address), self.jitter)
        chunk = rounded(self.evaluate_every * slowness)  # work between a node's evaluations, in steps of usual length
        networks = training.begin(self, begin_keys, material)
        if begin is not None:
            networks = replace(networks, params=begin(networks.params, material.layer))
        race = _Race.begin(self, networks, nodes.count)
        test = training.map_test_inputs(self, material.layer)  # once: most rounds see several claims

        def undecided(race: _Race) -> Array:
            now = views.start + nodes.seconds(race.work)
            publish = jnp.where(race.finished, now, jnp.inf)
            close = closes(listening, publish)
            return (~race.out & (now < close)).any()

        def play(race: _Race) -> _Race:
            trained = training.train(self, material, race.networks, self.evaluate_every)
            return race.evaluated(self, material, test, views, nodes, trained, chunk)

        race = jax.lax.while_loop(undecided, play, race)
        return race.claims(self, material, test, views, nodes), race.networks.params


@record
class _Race:
    """A round under way, leading axis N; a node that is out keeps its network and its clock."""

    networks: training.Training
    finished: Array  # bool[N]: holds a valid claim
    out: Array  # bool[N]: holds a valid claim or has given up
    work: Array  # f32[N], steps of usual length since the node's start, and what verifying cost
    accuracy: Array  # f32[N], validation accuracy at its last evaluation
    score: Array  # f32[N], test accuracy of its last claim
    rejected: Array  # i32[N]
    evaluations: Array  # i32[], made so far
    curve: Array  # f32[N, K]

    @staticmethod
    def begin(mechanism: PoLe, networks: training.Training, count: int) -> "_Race":
        no, zero = jnp.zeros(count, bool), jnp.zeros(count)
        curve = jnp.zeros((count, mechanism.curve_points))
        rejected = jnp.zeros(count, jnp.int32)
        return _Race(networks, no, no, zero, zero, zero, rejected, jnp.int32(0), curve)

    def evaluated(
        self,
        mechanism: PoLe,
        material: training.Material,
        test: Array,
        views: Views,
        nodes: Nodes,
        trained: training.Training,
        chunk: Array,
    ) -> "_Race":
        """The race after one more stretch of training, worth `chunk` f32[N] steps, and its evaluation."""
        racing = ~self.out
        params = jax.tree.map(
            lambda new, old: jnp.where(_expand(racing, new), new, old), trained.params, self.networks.params
        )
        accuracy = jnp.where(racing, training.validate(mechanism, material, params), self.accuracy)
        claims = racing & (accuracy >= views.difficulty)
        # Under vmap `cond` computes both sides; a single chain verifies only when somebody claims.
        score = jax.lax.cond(
            claims.any(),
            lambda: jnp.where(claims, training.judge(mechanism, test, params), self.score),
            lambda: self.score,
        )
        valid = claims & mechanism.accepts(score, views.difficulty)
        rejected = claims & ~valid
        finished = self.finished | valid
        lost = rounded(mechanism.verification * rejected.sum().astype(jnp.float32) * nodes.power)
        work = self.work + jnp.where(racing, chunk, 0.0) + jnp.where(racing & ~valid, lost, 0.0)
        evaluations = self.evaluations + 1
        spent = (evaluations + 1) * mechanism.evaluate_every > mechanism.max_steps
        here = jnp.arange(mechanism.curve_points) == self.evaluations
        curve = jnp.where(here[None] & racing[:, None], accuracy[:, None], self.curve)
        return _Race(
            replace(trained, params=params),
            finished,
            finished | self.out | spent | (nodes.seconds(work + chunk) > mechanism.deadline),
            work,
            accuracy,
            score,
            self.rejected + rejected.astype(jnp.int32),
            evaluations,
            curve,
        )

    def claims(self, mechanism: PoLe, material: training.Material, test: Array, views: Views, nodes: Nodes) -> Claims:
        """What the nodes claim when the race has ended."""
        params = self.networks.params
        fallback = ~self.finished.any()
        chosen, ends = fall_back(mechanism, views.start, nodes.seconds(self.work), self.accuracy, nodes.address)
        commitment = header.commit(params)
        score = self.score
        if mechanism.fallback == "best":
            score = jax.lax.cond(fallback, lambda: training.judge(mechanism, test, params), lambda: score)
        else:
            commitment = jnp.where(fallback, jnp.uint32(0), commitment)
            score = jnp.where(fallback, 0.0, score)
        untouched = None
        if mechanism.holdout is not None:
            untouched = training.verify(holdout.judging(mechanism), material.layer, params)
        return Claims(
            work=jnp.where(fallback, ends * nodes.power, self.work),
            score=score,
            valid=jnp.where(fallback, chosen, self.finished),
            commitment=commitment,
            computed=jnp.full(nodes.count, self.evaluations * mechanism.evaluate_every).astype(jnp.float32),
            fallback=fallback,
            learning=Learning(self.accuracy, self.rejected, training.diverged(params), self.curve, untouched),
        )


def fall_back(mechanism: Any, start: Array, elapsed: Array, accuracy: Array, address: Array) -> tuple[Array, Array]:
    """Who makes the block of a round that nobody finished, and when.

    Args:
      mechanism: with `fallback` and `deadline`.
      start: f32[N], s, when each node began.
      elapsed: f32[N], s that each node spent before it gave up.
      accuracy: f32[N], each node's last validation accuracy.
      address: u32[N]; the lowest wins a tie.

    Returns:
      bool[N], true for one node; f32[N], s from the node's start to its publishing: the deadline, or, where that is
      infinite, when it gave up.
    """
    ends = jnp.where(jnp.isinf(mechanism.deadline), elapsed, mechanism.deadline)
    merit = accuracy if mechanism.fallback == "best" else -(start + ends)
    tied = merit == merit.max()
    chosen = tied & (address == jnp.where(tied, address, jnp.uint32(0xFFFFFFFF)).min())
    return chosen, ends


def check_rules(mechanism: Any) -> None:
    """Check and convert the fields that every reading of Proof of Learning has; for use in `__post_init__` only."""
    convert(
        mechanism,
        threshold=lambda value: checks.real("threshold", value, low=0.0, high=1.0),
        accept=lambda value: value if value is None else checks.real("accept", value, low=0.0, high=1.0),
        margin=lambda value: checks.real("margin", value, low=0.0, high=1.0),
        deadline=lambda value: checks.real("deadline", value, above=0.0, infinite=True),
        jitter=lambda value: checks.real("jitter", value, low=0.0),
        verification=lambda value: checks.real("verification", value, low=0.0),
        fallback=lambda value: checks.one_of("fallback", value, FALLBACKS),
    )


def _expand(mask: Array, leaf: Array) -> Array:
    """A mask [N] with as many axes as the leaf [N, ...]."""
    return mask.reshape(-1, *(1,) * (leaf.ndim - 1))


def _check_learner(mechanism: PoLe) -> None:
    """Raise a ValueError unless the learner turns mapped samples into one logit per class and has no other state."""
    task = mechanism.task
    sample = jax.ShapeDtypeStruct((1, mechanism.mapped_features), jnp.float32)
    answer, variables = jax.eval_shape(mechanism.learner.init_with_output, jax.random.key(0), sample)
    if set(variables) != {"params"}:
        extra = sorted(set(variables) - {"params"}) or ["no params"]
        raise ValueError(
            f"learner must have params only, got {', '.join(extra)}: leave out batch statistics and the like"
        )
    if answer.shape != (1, task.num_classes):
        raise ValueError(
            f"learner must answer {task.num_classes} logits for {task.name}, got shape {answer.shape}: set num_classes"
        )
    try:
        jax.eval_shape(mechanism.learner.apply, variables, sample)
    except errors.InvalidRngError:
        raise ValueError("learner must draw no random numbers, got one that does: leave out Dropout") from None
