"""Proof of Learning: every node really trains, and the first valid model wins."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from polejax._core import checks, draw
from polejax._core.numerics import rounded
from polejax._core.record import Record, replace, static
from polejax._core.types import Array, Key, Numeric, Tree
from polejax.consensus.claims import Claims, Learning
from polejax.consensus.listening import Listening, closes
from polejax.consensus.mechanism import Mechanism, Profile, Unit
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views
from polejax.crypto import header
from polejax.learning import training
from polejax.learning.optimisers import MakeOptimiser, momentum
from polejax.learning.recipe import Recipe
from polejax.learning.sml import SecureMappingLayer
from polejax.learning.tasks import Samples, Task
from polejax.mechanisms.claim_rules import ClaimRules

_MOST_POINTS = 2**20  # evaluations of each node on record: more would fill any memory


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
      task, learning_rate, holdout, model, sml, make_optimiser, batch_size, evaluate_every, max_steps: what training is;
        see `Recipe`.
      threshold, accept, margin, deadline, jitter, verification, fallback: what a claim is; see `ClaimRules`.
      curve_points: evaluations K of each node to keep in the record.

    Attributes:
      recipe: `Recipe`.
      rules: `ClaimRules`.
      curve_points: K, as above.

    Raises:
      ValueError: a number out of range, an unknown fallback, a layer or model that does not fit the task, or a model
        with state beyond `params`.

    Source: Lan, Liu, Li 2020 (arXiv 2007.15145): the protocol; each reading that they leave open is an argument here.
    """

    inlined: ClassVar[tuple[str, ...]] = ("recipe", "rules")

    recipe: Recipe
    rules: ClaimRules
    curve_points: int = static()

    def __init__(
        self,
        task: Task,
        threshold: Numeric = 0.9,
        accept: Numeric | None = None,
        margin: Numeric = 0.05,
        deadline: Numeric = float("inf"),
        jitter: Numeric = 0.02,
        verification: Numeric = 0.0,
        learning_rate: Numeric = 0.02,
        holdout: Samples | None = None,
        model: nn.Module | None = None,
        sml: SecureMappingLayer | None = SecureMappingLayer(),  # noqa: B008
        make_optimiser: MakeOptimiser = momentum,
        batch_size: int = 32,
        evaluate_every: int = 5,
        max_steps: int = 2_000,
        fallback: str = "best",
        curve_points: int = 0,
    ) -> None:
        curve_points = checks.whole("curve_points", curve_points, low=0, high=2**20)
        rules = ClaimRules(threshold, accept, margin, deadline, jitter, verification, fallback)
        recipe = Recipe(
            task,
            learning_rate,
            holdout,
            model,  # type: ignore[arg-type]  # None: the default one
            sml,
            make_optimiser,
            batch_size,
            evaluate_every,
            max_steps,
        )
        object.__setattr__(self, "recipe", recipe)
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "curve_points", curve_points)

    @property
    def initial_difficulty(self) -> Array:
        """f32[], the accuracy threshold of the first block."""
        return self.rules.threshold

    @property
    def difficulty_unit(self) -> Unit:
        """See `Mechanism.difficulty_unit`."""
        return "accuracy"

    def nameless(self) -> "PoLe":
        """See `Mechanism.nameless`."""
        return replace(self, task=replace(self.recipe.task, name="stream"))

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`; up to 16 small networks stay in cache, a large one alone."""
        return Profile(
            hashes_tips=True,
            heights_per_call=8,
            cached_lanes=self.recipe.cached_lanes,
            bytes_per_node=self.recipe.node_bytes,
            flops_per_unit=self.recipe.step_flops,
        )

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes that really trained, work f32[N] in steps; see `Mechanism.race`."""
        return self.race_from(key, views, nodes, listening)[0]

    def race_from(
        self,
        key: Key,
        views: Views,
        nodes: Nodes,
        listening: Listening | None = None,
        begin: Callable[[Tree, Tree], Tree] | None = None,
    ) -> tuple[Claims, Tree]:
        """The claims, and the networks that they are for, params with leading axis N.

        Nodes start from `begin(params, layer)` of the fresh params and their layers' variables, leading axis N each;
        None: from the fresh ones.
        """
        recipe, rules = self.recipe, self.rules
        key, jitter_key = jax.random.split(key)
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, nodes.address)
        order_keys, begin_keys = jax.vmap(lambda key: tuple(jax.random.split(key)))(keys)
        material = training.prepare(recipe, order_keys, views.tip, nodes.address)
        slowness = draw.lognormal_of(draw.bits(jitter_key, nodes.address), rules.jitter)
        chunk = rounded(recipe.evaluate_every * slowness)  # work between a node's evaluations, in steps of usual length
        networks = training.begin(recipe, begin_keys, material)
        if begin is not None:
            networks = replace(networks, params=begin(networks.params, material.layer))
        race = _Race.begin(self, networks, nodes.count)
        test = training.map_test_inputs(recipe, material.layer)  # once: most rounds see several claims

        def undecided(race: _Race) -> Array:
            now = views.start + nodes.seconds(race.work)
            publish = jnp.where(race.finished, now, jnp.inf)
            close = closes(listening, publish)
            return (~race.out & (now < close)).any()

        def play(race: _Race) -> _Race:
            trained = training.train(recipe, material, race.networks, recipe.evaluate_every)
            return race.evaluated(self, material, test, views, nodes, trained, chunk)

        race = jax.lax.while_loop(undecided, play, race)
        return race.claims(self, material, test, views, nodes), race.networks.params


class _Race(Record):
    """A round under way, leading axis N; a node that is out keeps its network and its clock.

    Attributes:
      networks: parameters and optimiser state of every node, each leaf [N, ...].
      finished: bool[N]: holds a valid claim.
      out: bool[N]: holds a valid claim or has given up.
      work: f32[N], steps of usual length since the node's start, and what verifying cost.
      accuracy: f32[N], validation accuracy at its last evaluation.
      score: f32[N], test accuracy of its last claim.
      rejected: i32[N], claims that verification turned down.
      evaluations: i32[], made so far.
      curve: f32[N, K], validation accuracy at each evaluation.
    """

    networks: training.Training
    finished: Array
    out: Array
    work: Array
    accuracy: Array
    score: Array
    rejected: Array
    evaluations: Array
    curve: Array

    @staticmethod
    def begin(mechanism: PoLe, networks: training.Training, count: int) -> "_Race":
        """The race of `count` nodes before the first training step."""
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
        recipe, rules = mechanism.recipe, mechanism.rules
        racing = ~self.out
        params = jax.tree.map(
            lambda new, old: jnp.where(_expand(racing, new), new, old), trained.params, self.networks.params
        )
        accuracy = jnp.where(racing, training.validate(recipe, material, params), self.accuracy)
        claims = racing & (accuracy >= views.difficulty)
        # Under vmap `cond` computes both sides; a single chain verifies only when somebody claims.
        score = jax.lax.cond(
            claims.any(),
            lambda: jnp.where(claims, training.judge(recipe, test, params), self.score),
            lambda: self.score,
        )
        valid = claims & rules.accepts(score, views.difficulty)
        rejected = claims & ~valid
        finished = self.finished | valid
        lost = rounded(rules.verification * rejected.sum().astype(jnp.float32) * nodes.power)
        work = self.work + jnp.where(racing, chunk, 0.0) + jnp.where(racing & ~valid, lost, 0.0)
        evaluations = self.evaluations + 1
        spent = (evaluations + 1) * recipe.evaluate_every > recipe.max_steps
        here = jnp.arange(mechanism.curve_points) == self.evaluations
        curve = jnp.where(here[None] & racing[:, None], accuracy[:, None], self.curve)
        return _Race(
            replace(trained, params=params),
            finished,
            finished | self.out | spent | (nodes.seconds(work + chunk) > rules.deadline),
            work,
            accuracy,
            score,
            self.rejected + rejected.astype(jnp.int32),
            evaluations,
            curve,
        )

    def claims(self, mechanism: PoLe, material: training.Material, test: Array, views: Views, nodes: Nodes) -> Claims:
        """What the nodes claim when the race has ended."""
        recipe, rules = mechanism.recipe, mechanism.rules
        params = self.networks.params
        fallback = ~self.finished.any()
        chosen, ends = rules.fall_back(views.start, nodes.seconds(self.work), self.accuracy, nodes.address)
        commitment = header.commit(params)
        score = self.score
        if rules.fallback == "best":
            score = jax.lax.cond(fallback, lambda: training.judge(recipe, test, params), lambda: score)
        else:
            commitment = jnp.where(fallback, jnp.uint32(0), commitment)
            score = jnp.where(fallback, 0.0, score)
        untouched = None
        if recipe.holdout is not None:
            untouched = training.verify(recipe.held_out, material.layer, params)
        return Claims(
            work=jnp.where(fallback, ends * nodes.power, self.work),
            score=score,
            valid=jnp.where(fallback, chosen, self.finished),
            commitment=commitment,
            computed=jnp.full(nodes.count, self.evaluations * recipe.evaluate_every).astype(jnp.float32),
            fallback=fallback,
            learning=Learning(self.accuracy, self.rejected, training.diverged(params), self.curve, untouched),
        )


def _expand(mask: Array, leaf: Array) -> Array:
    """A mask [N] with as many axes as the leaf [N, ...]."""
    return mask.reshape(-1, *(1,) * (leaf.ndim - 1))
