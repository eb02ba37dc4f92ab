"""Attacks on the Secure Mapping Layer: the algebra, verification, what each strategy gains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from scipy import stats
from small_tasks import small_pole

import polejax as pj
from polejax._core.record import replace
from polejax.attacks import cheating, collusion, detection, forging, head_start, rebasing, theft
from polejax.crypto import header
from polejax.learning import training
from polejax.learning.models import ConvolutionalNetwork, MultilayerPerceptron
from polejax.learning.recipe import Recipe
from polejax.learning.sml import SecureMappingLayer
from polejax.mechanisms.verification import Claim, Reason, posted, verify

SEEDS, EVALUATIONS = 64, 30
TIPS = jnp.arange(16, dtype=jnp.uint32).reshape(2, 8)


def two_layers(layer, num_features):
    derive = jax.jit(jax.vmap(lambda tip, address: layer.derive(tip, address, num_features)))
    both = derive(TIPS, jnp.uint32([5, 6]))
    return [jax.tree.map(lambda leaf, node=node: leaf[node], both) for node in (0, 1)]


def setting(layer, model, shape=(12,)):
    """A recipe, a random network's params, both layers, and samples."""
    features = int(np.prod(shape))
    samples = np.random.default_rng(0).standard_normal((80, features)).astype(np.float32)
    labels = (np.arange(80) % 3).astype(np.int32)
    task = pj.tasks.from_splits((samples, labels), (samples, labels), (samples, labels))
    recipe = Recipe(task, sml=layer, model=model, batch_size=16)
    params = model.init(jax.random.key(0), jnp.zeros((1, layer.width(features))))["params"]
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)  # biases too
    return recipe, params, *two_layers(layer, features), jnp.asarray(recipe.task.train_inputs)


rebase, refit = jax.jit(rebasing.rebase), jax.jit(rebasing.refit)


@jax.jit
def logits(recipe, params, layer, samples):
    with jax.default_matmul_precision("highest"):
        return recipe.model.apply({"params": params}, recipe.map_inputs(layer, samples))


@pytest.mark.parametrize(
    ("layer", "model", "shape"),
    [
        (SecureMappingLayer(law="orthogonal"), MultilayerPerceptron((7,), 3), (12,)),
        (SecureMappingLayer(law="positive"), MultilayerPerceptron((), 3), (12,)),
        (SecureMappingLayer(features=20), MultilayerPerceptron((7, 5), 3), (12,)),
        (
            SecureMappingLayer(features=5, law="rademacher", shape=(4, 6), patch=2),
            ConvolutionalNetwork((2, 3, 5), (4,), 3),
            (4, 6),
        ),
    ],
    ids=["orthogonal", "positive", "expanding", "patches"],
)
def test_re_basing_restores_the_logits_behind_every_invertible_layer(layer, model, shape):
    recipe, params, old, new, samples = setting(layer, model, shape)
    before = logits(recipe, params, old, samples)
    stolen = logits(recipe, params, new, samples)
    assert np.abs(before - stolen).max() > 0.3
    carried = rebase(recipe, params, old, new)
    conditions = np.linalg.cond(np.asarray(new["sml"]["kernel"], np.float64))
    assert conditions < 1e3  # else nobody could
    np.testing.assert_allclose(
        logits(recipe, carried, new, samples), before, atol=3e-7 * conditions * np.abs(before).max()
    )
    refitted = refit(recipe, params, old, new, samples)
    np.testing.assert_allclose(logits(recipe, refitted, new, samples), before, atol=0.03)


@pytest.mark.parametrize(("features", "activation"), [(5, None), (12, nn.relu)], ids=["compressive", "relu"])
def test_where_the_logits_are_lost_re_basing_finds_the_closest_linear_ones(features, activation):
    layer, model = SecureMappingLayer(features=features, activation=activation), MultilayerPerceptron((), 3)
    recipe, params, old, new, samples = setting(layer, model)
    before = logits(recipe, params, old, samples)
    lost = {}
    for name, carried in (
        ("rebase", rebase(recipe, params, old, new)),
        ("refit", refit(recipe, params, old, new, samples)),
    ):
        lost[name] = np.asarray(logits(recipe, carried, new, samples) - before, np.float64)
    assert lost["refit"].std() > 0.1 * np.std(before)
    assert (lost["refit"] ** 2).sum() < (lost["rebase"] ** 2).sum()
    regressors = np.asarray(recipe.map_inputs(new, samples), np.float64)
    # Normal equations: what is lost is orthogonal to all that the thief can see.
    assert np.abs(regressors.T @ lost["refit"]).max() < 1e-3 * np.abs(regressors.T @ np.asarray(before)).max()


def test_a_regression_is_put_into_a_network_of_relus():
    recipe, params, _, new, samples = setting(SecureMappingLayer(law="orthogonal"), MultilayerPerceptron((8,), 3))
    labels = recipe.task.train_labels
    answers = logits(recipe, jax.jit(rebasing.regress)(recipe, params, new, samples, labels), new, samples)
    regressors = np.concatenate([np.asarray(recipe.map_inputs(new, samples)), np.ones((80, 1))], axis=1)
    expected = regressors @ np.linalg.lstsq(regressors, np.eye(3)[labels], rcond=None)[0]
    np.testing.assert_allclose(answers, expected, atol=1e-3)


@pytest.fixture(scope="module")
def met():
    return theft.encounter(jax.random.key(0), small_pole(), SEEDS, EVALUATIONS)


def measure(met, tried):
    return detection.measure(met.mechanism, met.honest, tried)


def test_head_starts_train_as_proof_of_learning_does(met):
    mechanism, who = met.mechanism, met.cheat
    order, begin = jax.vmap(lambda key: tuple(jax.random.split(key)))(who.key)

    @jax.jit
    def plain(recipe, who):
        material = training.prepare(recipe, order, who.tip, who.address)

        def stretch(networks, _):
            trained = training.train(recipe, material, networks, recipe.evaluate_every)
            return trained, training.validate(recipe, material, networks.params)

        return jax.lax.scan(stretch, training.begin(recipe, begin, material), length=3)[1].T

    expected = plain(jax.tree.map(jnp.asarray, met.recipe), who)
    np.testing.assert_allclose(met.honest.validation[:, :3], expected, atol=0.011)  # one sample of 96 on the edge
    turned = jax.tree.map(lambda leaf: leaf[::-1], who)  # each seed on another device, beside another
    again = head_start.train_from(mechanism, turned, head_start.fresh(met.recipe, turned), EVALUATIONS)
    np.testing.assert_array_equal(again.test[::-1], met.honest.test)


def test_claims_are_kept_as_they_were_made_and_verified_from_their_headers(met):
    mechanism, who = met.mechanism, met.victim
    task, commit = posted(mechanism), jax.jit(header.commit)
    threshold = jnp.full(SEEDS, mechanism.rules.threshold)
    claim = Claim(met.model.claimed, who.tip, who.address, threshold, commit(met.model.claimed))
    judge = jax.jit(jax.vmap(verify, in_axes=(0, None)))
    verdict = judge(claim, task)
    passed = mechanism.rules.passes(met.model.validation, met.model.test)
    made, first = passed.any(axis=1), np.where(passed.any(axis=1), passed.argmax(axis=1), EVALUATIONS)
    np.testing.assert_allclose(verdict.accuracy, met.model.test[np.arange(SEEDS), first], atol=1e-6)
    assert verdict.accepted[made].all()
    np.testing.assert_array_equal(verdict.reason == Reason.ACCEPTED, verdict.accepted)
    assert made.sum() >= SEEDS - 4  # a few networks are stuck
    stolen = judge(replace(claim, tip=met.cheat.tip, address=met.cheat.address), task)
    np.testing.assert_allclose(stolen.accuracy, theft.thief(met).test[:, 0], atol=1e-6)
    np.testing.assert_array_equal(stolen.reason == Reason.INACCURATE, stolen.accuracy < 0.65)
    assert not stolen.accepted[stolen.accuracy < 0.65].any()
    for accuracy in (threshold - 0.01, threshold * jnp.nan):
        assert (judge(replace(claim, accuracy=accuracy), task).reason == Reason.BELOW_THRESHOLD).all()
    swapped = judge(replace(claim, params=jax.tree.map(lambda leaf: leaf[::-1], claim.params)), task)
    assert (swapped.reason == Reason.ALTERED).all()
    params = jax.tree.map(lambda leaf: leaf * jnp.inf, claim.params)
    broken = judge(replace(claim, params=params, commitment=commit(params)), task)
    assert (broken.reason == Reason.DIVERGED).all()
    assert (broken.accuracy == 0).all()
    harder = judge(replace(claim, accuracy=threshold + 0.3), posted(mechanism, np.float32(0.99)))
    assert (harder.reason == Reason.INACCURATE).all()
    np.testing.assert_array_equal(harder.accuracy, verdict.accuracy)


def test_plain_theft_is_worth_nothing_and_re_basing_everything_behind_a_square_layer(met):
    plain, carried = (measure(met, strategy(met)) for strategy in (theft.thief, theft.rebasing_thief))
    assert plain.accuracy.high < 0.6 < carried.accuracy.low  # chance is 1/3
    assert plain.detected.value > 0.8
    assert plain.auc.value > 0.95
    _, made = detection.honest_steps(met.mechanism, met.model)
    opening = theft.rebasing_thief(met).test[made, 0]  # of models that were broadcast
    assert (opening >= 0.65).all()
    assert carried.detected.value <= 2 / SEEDS
    assert carried.saved.value > 0.95
    assert 0.85 < carried.net.value < carried.saved.value


def test_what_other_cheats_do(met):
    honest, _ = detection.honest_steps(met.mechanism, met.honest)
    lies, _ = detection.cheat_steps(met.mechanism, forging.liar(met))
    assert (lies <= honest).all()  # on the same training
    assert lies.mean() < honest.mean()
    old = theft.pre_trainer(met)  # trained longer than a thief's model, and as worthless behind another layer
    assert old.test[:, 0].mean() < 0.6
    fitted = theft.refitting_pre_trainer(met)
    assert measure(met, fitted).saved.value > 0.9
    leaked = measure(met, forging.overfitter(met))
    assert leaked.excess.low > 0
    ground, stolen = forging.grinder(met, tries=8), theft.thief(met)
    assert ground.validation[:, 0].mean() > stolen.validation[:, 0].mean() + 0.05
    assert ground.cost == pytest.approx(8 * 96 / 192 * forging_epochs(met), rel=0.01)
    steps, probed = forging.easiest_address(met, tries=2, probe=2)
    np.testing.assert_array_equal(steps[:, 0], honest)  # the first address is its own
    np.testing.assert_array_equal(probed[:, 0], met.honest.validation[:, 2])
    assert (steps[:, 1] != honest).any()
    taught = theft.distilling_thief(met)
    assert taught.test[:, -1].mean() > stolen.test[:, 0].mean() + 0.2


def test_cheats_in_the_round_win_more_than_their_share_exactly_where_their_attack_works(met):
    mechanism, count = met.mechanism, 8
    honest = pj.Replay(cheating.honest_bank(mechanism, met.honest), threshold=0.7, margin=mechanism.rules.margin)
    nodes, network = pj.nodes.equal(count), pj.network.instant(count)
    plays = np.arange(count) < 1
    keys, share = jax.random.split(jax.random.key(1), 8), {}
    for name, tried in {
        "thief": theft.thief(met),
        "re-basing": theft.rebasing_thief(met),
        "late": replace(theft.rebasing_thief(met), cost=np.float32(17.0)),
        "liar": forging.liar(met),
    }.items():
        adversary = cheating.Cheating(cheating.cheats_bank(mechanism, tried), plays)
        history = pj.simulate_many(
            keys, pj.Scenario(nodes, network, honest, adversary=adversary), 256, devices=jax.devices()[:1]
        )
        wins = plays[history.producer]
        times = detection.honest_times(mechanism, met.honest), detection.cheat_times(mechanism, tried)
        expected = detection.advantage(*times, nodes=count).value / count
        assert abs(wins.mean() - expected) < 5 * (expected * (1 - expected) / wins.size + 1e-9) ** 0.5, name
        share[name] = expected
        assert not history.fallback.any()
    assert share["re-basing"] > 0.9
    assert share["thief"] < 0.3
    assert share["late"] < share["re-basing"] - 0.1
    with pytest.raises(ValueError, match="mechanism must be Replay"):
        pj.simulate(keys[0], pj.Scenario(nodes, network, mechanism, adversary=adversary), 1)


def test_live_thieves_win_as_replayed_ones_do(met):
    """Really stolen, re-based and trained on, against a bank of the same attempts."""
    count, heights, plays = 4, 6, np.arange(4) < 1
    mechanism, nodes, network = met.mechanism, pj.nodes.equal(count), pj.network.instant(count)
    honest = pj.Replay(cheating.honest_bank(mechanism, met.honest), threshold=0.7, margin=mechanism.rules.margin)
    keys = jax.random.split(jax.random.key(2), 64)

    def played(mechanism, adversary, blocks):
        scenario = pj.Scenario(nodes, network, mechanism, adversary=adversary)
        return pj.simulate_many(keys, scenario, blocks)

    live = played(mechanism, cheating.LiveTheft(plays, rebasing.rebase), heights)
    bank = cheating.cheats_bank(mechanism, theft.rebasing_thief(met))
    replayed = played(honest, cheating.Cheating(bank, plays), heights * 16)
    later = live.interval[:, 1:].ravel()
    distance = stats.ks_2samp(later, replayed.interval.ravel()).statistic
    assert distance < 1.95 * (1 / later.size + 1 / SEEDS) ** 0.5  # of 0.1%, the bank itself a sample of that many
    share, expected = plays[live.producer[:, 1:]].mean(), plays[replayed.producer].mean()
    assert abs(share - expected) < 5 * (expected * (1 - expected) / later.size) ** 0.5
    assert share > 0.9
    assert plays[live.producer[:, 0]].mean() < 0.55  # before the first block there is nothing to steal
    with pytest.raises(ValueError, match="mechanism must be PoLe"):
        pj.simulate(keys[0], pj.Scenario(nodes, network, honest, adversary=cheating.LiveTheft(plays)), 1)


def test_an_early_key_wins_its_lead_unless_layers_are_bound_to_tips_and_samples_come_with_them(met):
    mechanism, run = met.mechanism, met.honest
    times = detection.honest_times(mechanism, run)
    for lead in (0.0, 40.0):  # steps; most end within 30 evaluations of 5 steps
        found = collusion.advantage(mechanism, run, lead, bound=False)
        expected = detection.advantage(times + mechanism.recipe.evaluate_every, np.maximum(times - lead, 0) + 5).value
        assert found.low - 0.15 < expected < found.high + 0.15  # jitter breaks the ties that the formula shares out
    assert found.value > 3
    slow = collusion.advantage(mechanism, run, 40.0, release=10.0)
    assert 1 < slow.value < found.value
    assert collusion.advantage(mechanism, run, 40.0).value == collusion.advantage(mechanism, run, 0.0).value
    opened = measure(met, collusion.early_key(mechanism, met.model))
    first = detection.claimed_accuracy(mechanism, met.model)
    assert opened.detected.value == (first < 0.65).mean()  # as often as an honest node
    assert opened.auc.low < 0.5 < opened.auc.high
    late = collusion.early_key(mechanism, run, 4)
    (steps, found), (honest, made) = detection.cheat_steps(mechanism, late), detection.honest_steps(mechanism, run)
    np.testing.assert_array_equal(found, made)
    waits = np.asarray(run.validation >= mechanism.rules.threshold).argmax(
        axis=1
    )  # with its first claim, at most so long
    np.testing.assert_array_equal(steps[made], honest[made] - 5 * np.minimum(waits, 4)[made])
    assert (steps[made] > np.maximum(honest[made] - 20, 0)).any()  # some first claims are turned down


def test_claims_turned_down_are_claims_and_an_attack_longer_than_a_run_never_ends(met):
    mechanism = met.mechanism  # threshold 0.7, less 0.05 for verifiers; evaluated every 5 steps
    validation, test = np.float32([[0.2, 0.8, 0.9], [0.2, 0.3, 0.4]]), np.float32([[0.1, 0.5, 0.9], [0.1, 0.2, 0.3]])
    claimed = detection.claimed_accuracy(mechanism, head_start.Run(validation, test, None, None))
    np.testing.assert_array_equal(claimed, np.float32([0.5, 0.3]))
    good = np.full((1, 3), 0.9, np.float32)
    for cost, steps in {0.0: 5.0, 5.0: 5.0, 5.1: 10.0, 10.0: 10.0, 10.1: np.inf, 1e6: np.inf}.items():
        for truthful in (True, False):
            tried = theft.Attempt(good, good, np.float32(cost), truthful)
            np.testing.assert_array_equal(detection.cheat_times(mechanism, tried), [steps])


def forging_epochs(met):
    """Steps' worth of mapping and answering a training split's number of samples."""
    return theft.answering_flops(met.recipe, 192) / met.recipe.step_flops


def test_bad_input_names_the_remedy(met):
    flat = setting(SecureMappingLayer(), ConvolutionalNetwork((3, 4), (2,), 3))
    with pytest.raises(ValueError, match="use refit"):
        rebasing.rebase(*flat[:4])
    with pytest.raises(ValueError, match="sml must be a layer"):
        rebasing.rebase(replace(met.recipe, sml=None), {}, {}, {})
    recipe, params, _, new, samples = setting(SecureMappingLayer(), MultilayerPerceptron((5,), 3))
    with pytest.raises(ValueError, match="at least 6 units"):
        rebasing.regress(recipe, params, new, samples, recipe.task.train_labels)
