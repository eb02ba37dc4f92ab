"""Mechanisms of a user's own: twenty lines run, their faults are told early, and their flaws are marked."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own import Erlang, Ring
from scipy import integrate, stats

import polejax as pj
from polejax._core.record import replace
from polejax.consensus import trial

NODES = pj.nodes.equal(3)
CLIQUE = pj.network.clique(3, seconds=1.0)


def scenario(mechanism, **parts):
    return pj.Scenario(NODES, parts.pop("network", CLIQUE), mechanism, **parts)


@functools.cache
def altered(change, base=Erlang):
    """An Erlang mechanism whose claims are changed by a function of claims and height."""

    class Altered(base):
        def race(self, key, views, nodes, listening=None):
            return change(base.race(self, key, views, nodes, listening), views.height)

    return Altered(600.0)


@pytest.mark.smoke
def test_twenty_lines_are_a_mechanism():
    pj.testing.check_mechanism(Erlang(600.0, stages=4))


def test_its_intervals_follow_the_gamma_law():
    alone = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), Erlang(600.0, stages=3))
    history = jax.jit(pj.simulate, static_argnums=2)(jax.random.key(1), alone, 20_000)
    assert stats.kstest(np.asarray(history.interval), stats.gamma(3, scale=200.0).cdf).pvalue > 1e-5


@pytest.mark.smoke
def test_it_is_swept_by_vmap_and_compiled_once():
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(key, mean, seconds):
        swept = jax.vmap(
            lambda mean: pj.simulate(key, scenario(Erlang(mean), network=pj.network.clique(3, seconds)), 50)
        )
        return swept(mean)

    for seed, seconds in ((0, 0.0), (1, 2.0), (2, 5.0)):
        history = run(jax.random.key(seed), jnp.float32([100.0, 200.0, 400.0]), jnp.float32(seconds))
        if not seconds:
            np.testing.assert_allclose(history.interval[2], 4.0 * history.interval[0], rtol=1e-5)
    assert np.isfinite(history.interval).all()


def test_a_study_takes_it(tmp_path):
    own = [scenario(Erlang(mean)) for mean in (100.0, 200.0)]
    result = pj.study(own, num_seeds=4, num_blocks=60, out=tmp_path / "own")
    assert result.to_xarray().sizes["scenario"] == 2
    chains = pj.simulate_many(jax.random.split(jax.random.key(0), 4), own[0], 60, segment=20)
    first, _ = integrate.quad(lambda seconds: stats.gamma(3, scale=100.0).sf(seconds) ** 3, 0.0, 2_000.0)
    assert pj.summarise(chains).interval_mean.value == pytest.approx(first, rel=0.15)


FAULTS = {
    "a tuple": (lambda claims, _: (claims.work, claims.score), r"Altered.race must return polejax.Claims, got tuple"),
    "None": (lambda claims, _: None, "must return polejax.Claims, got NoneType"),
    "one work for all": (lambda claims, _: replace(claims, work=claims.work[0]), r"work must be f32\[3\], got f32\[\]"),
    "a column": (lambda claims, _: replace(claims, work=claims.work[:, None]), r"f32\[3\], got f32\[3, 1\]: one entry"),
    "float64": (lambda claims, _: replace(claims, work=np.ones(3)), r"f32\[3\], got f64\[3\]: convert it with .astype"),
    "whole work": (lambda claims, _: replace(claims, work=claims.work.astype(jnp.int32)), r"work must .* got i32\[3\]"),
    "a list": (lambda claims, _: replace(claims, work=[1.0, 2.0, 3.0]), r"got list: make it an array"),
    "whole scores": (
        lambda claims, _: replace(claims, score=jnp.ones(3, int)),
        r"score must be f32\[3\], got i32\[3\]",
    ),
    "valid as a number": (
        lambda claims, _: replace(claims, valid=claims.score),
        r"valid must be bool\[3\], got f32\[3\]",
    ),
    "fallback of nodes": (
        lambda claims, _: replace(claims, fallback=claims.valid),
        r"fallback must be bool\[\], got bool\[",
    ),
    "a commitment unasked": (
        lambda claims, _: replace(claims, commitment=jnp.zeros((3, 8), jnp.uint32)),
        "commitment is .* but profile.hashes_tips is False: leave it out",
    ),
    "a reference without look_up": (
        lambda claims, _: replace(claims, reference=jnp.arange(3)),
        "Altered.look_up raised NotImplementedError",
    ),
    "something unlike learning": (
        lambda claims, _: replace(claims, learning=claims.work),
        "learning must be a polejax",
    ),
    "an error": (lambda claims, _: 1 / 0, "Altered.race raised ZeroDivisionError: division by zero"),
    "a decision by value": (
        lambda claims, _: claims if claims.work[0] > 1 else None,
        "Altered.race raised TracerBoolConversionError: Attempted boolean conversion",
    ),
}


@pytest.mark.smoke
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_race_is_told_in_one_line_when_the_scenario_is_built(fault):
    change, message = FAULTS[fault]
    with pytest.raises(ValueError, match=message) as told:
        scenario(altered(change))
    assert "\n" not in str(told.value)


class Hashing(Erlang):
    @property
    def profile(self):
        """Tips, but the race gives no commitment."""
        return pj.mechanisms.Profile(hashes_tips=True)


class Vague(Erlang):
    @property
    def initial_difficulty(self):
        """No scalar of float32."""
        return jnp.int32(600)


class Forgetful(Erlang):
    def begin_branch(self, count):
        """One number per node."""
        return jnp.zeros(count)

    def extend_branch(self, key, branch, interval, claims):
        """A whole number per node."""
        return branch.astype(jnp.int32)


class Rootless(Erlang):
    def begin_branch(self, count):
        """A number for all."""
        return jnp.zeros(())


OTHERS = [
    (lambda: Hashing(600.0), "commitment is None, but profile.hashes_tips is True: give one"),
    (lambda: Vague(600.0), r"Vague.initial_difficulty must be f32\[\], got i32\[\]"),
    (lambda: Erlang("600"), "mechanism.mean must be an array or a number, got '600': declare it with polejax.static"),
    (lambda: Forgetful(600.0), r"Forgetful.extend_branch must be f32\[3\], what begin_branch returns, got i32\[3\]"),
    (lambda: Rootless(600.0), r"Rootless.begin_branch must have a leading axis of 3 nodes, got f32\[\]"),
]


@pytest.mark.parametrize(("build", "message"), OTHERS)
def test_other_faults_of_a_mechanism_are_told_when_the_scenario_is_built(build, message):
    with pytest.raises(ValueError, match=message):
        scenario(build())


@pytest.mark.smoke
def test_missing_parts_are_told_when_the_mechanism_is_built():
    class Raceless(pj.Mechanism):
        @property
        def initial_difficulty(self):
            return jnp.float32(1.0)

    class Aimless(pj.Mechanism):
        def race(self, key, views, nodes, listening=None):
            """No claims."""

    for kind, part in ((Raceless, "race"), (Aimless, "initial_difficulty")):
        with pytest.raises(TypeError, match=rf"abstract class {kind.__name__} .*{part}"):
            kind()


def test_parts_within_parts_are_tried_too():
    bad = altered(FAULTS["a column"][0])
    with pytest.raises(ValueError, match=r"Altered.race: work must be f32\[3\], got f32\[3, 1\]"):
        scenario(pj.TaskStream([bad, bad], [0.01, 0.01], [1.0, 1.0], pj.PoW(600.0)))
    with pytest.raises(ValueError, match=r"Altered.race: work must be"):
        scenario(bad, adversary=pj.attacks.withholding(NODES, 5.0, [0]))
    scenario(pj.TaskStream([Erlang(100.0), Erlang(200.0)], [0.01, 0.01], [1.0, 1.0], Erlang(600.0)))
    late = pj.network.random_delays(Ring(1.0, 3), pj.network.exponential_delay(2.0))
    assert trial.foreign(scenario(pj.PoW(600.0), network=late)) == [late.base]


@pytest.mark.smoke
def test_polejax_s_own_parts_are_not_tried(monkeypatch):
    monkeypatch.setattr(trial, "play", lambda *_: pytest.fail("a round was played"))
    assert not trial.foreign(scenario(pj.PoW(600.0), difficulty=pj.difficulty.window()))


def test_sweeps_are_not_taken_for_faults():
    assert scenario(Erlang(np.float32([100.0, 200.0]))).mechanism.mean.shape == (2,)
    swept = scenario(Erlang(100.0), network=pj.network.clique(3, np.float32([0.0, 1.0])))
    axes = jax.tree.map(lambda leaf: 0 if leaf is swept.network.seconds else None, swept)
    history = jax.vmap(lambda one: pj.simulate(jax.random.key(0), one, 20), in_axes=(axes,))(swept)
    assert history.interval.shape == (2, 20)
    scenario(Erlang(100.0), election=pj.elections.BestInWindow(np.float32([1.0, 2.0, 3.0])))
    with pytest.raises(ValueError, match=r"Altered.race: work must be"):
        scenario(altered(FAULTS["a column"][0]), network=pj.network.clique(3, np.float32([0.0, 1.0])))


def nan_at(height):
    """Claims whose work is NaN at one height."""
    return lambda claims, now: replace(claims, work=jnp.where(now == height, jnp.nan, claims.work))


FLAWS = {
    "NaN work": nan_at(17),
    "NaN work of one node": lambda claims, now: replace(
        claims, work=claims.work.at[1].set(jnp.where(now == 17, jnp.nan, 1.0))
    ),
    "negative work": lambda claims, now: replace(claims, work=jnp.where(now == 17, -1.0, claims.work)),
    "NaN score": lambda claims, now: replace(claims, score=jnp.where(now == 17, jnp.nan, claims.score)),
    "nobody publishes": lambda claims, now: replace(claims, valid=claims.valid & (now != 17)),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_flawed_claims_are_marked(flaw):
    flawed = scenario(altered(FLAWS[flaw]))
    one = jax.device_get(jax.jit(pj.simulate, static_argnums=2)(jax.random.key(3), flawed, 30))
    np.testing.assert_array_equal(one.flawed, np.arange(1, 31) >= 17)
    assert one.settled[:14].all()
    assert not one.settled[16:].any()


def test_flawed_claims_never_enter_a_statistic(tmp_path):
    flawed = scenario(altered(FLAWS["NaN work"]))
    keys = jax.random.split(jax.random.key(3), 4)
    many = pj.simulate_many(keys, flawed, 30, segment=10, devices=jax.devices()[:1])
    np.testing.assert_array_equal(many.flawed, np.arange(1, 31)[None].repeat(4, axis=0) >= 17)
    assert not many.settled[:, 16:].any()
    result = pj.study([flawed], num_seeds=4, num_blocks=30, out=tmp_path / "flawed")
    for summary in (pj.summarise(many), result.summarise(0)):
        assert summary.num_flawed == 4 * 14
        assert np.isfinite(summary.interval_mean.value)
        assert np.isfinite(summary.win_share.value).all()


def test_check_mechanism_names_what_is_broken():
    broken = {
        "work must be at least 0, got -1": lambda claims, _: replace(claims, work=claims.work * 0 - 1),
        "score must be a number, got nan": lambda claims, _: replace(claims, score=claims.score * jnp.nan),
        "some claim must be valid": lambda claims, _: replace(claims, valid=claims.valid & False),
        "give other work from another key": lambda claims, _: replace(claims, work=jnp.ones_like(claims.work)),
        "in whatever order": lambda claims, _: replace(
            claims, work=claims.work + jnp.arange(claims.work.size, dtype=jnp.float32)
        ),
        "whoever else is there": lambda claims, _: replace(claims, work=claims.work + claims.work.sum()),
        "a claim of height 3 is flawed": nan_at(3),
    }
    for message, change in broken.items():
        with pytest.raises(ValueError, match=message):
            pj.testing.check_mechanism(altered(change))
    with pytest.raises(ValueError, match="must answer the difficulty, got the same work at 16 times as much"):
        pj.testing.check_mechanism(altered(lambda claims, _: claims, Deaf))
    pj.testing.check_mechanism(altered(lambda claims, _: claims, Deaf), answers=False)
    with pytest.raises(ValueError, match=r"mechanism must be a Mechanism, got float"):
        pj.testing.check_mechanism(1.0)


class Deaf(Erlang):
    def race(self, key, views, nodes, listening=None):
        """Claims at the first difficulty, for ever."""
        return super().race(
            key, replace(views, difficulty=jnp.full_like(views.difficulty, self.mean)), nodes, listening
        )
