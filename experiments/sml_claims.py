"""Numbers of sml_claims.md that `polejax attack` does not print: what really was broadcast, more seeds, encryption."""

import time

import jax
import numpy as np

import polejax as pj
from polejax._core import devices
from polejax.attacks import detection, forging, theft
from polejax.crypto import functional_encryption as fe
from polejax.learning.models import ConvolutionalNetwork


def fine_tuning(law: str, seeds: int = 512) -> None:
    """What a model trained behind another key is worth as a start, over more seeds than all attacks get."""
    met = theft.encounter(jax.random.key(1), _mechanism(law), seeds, 80)
    honest, _ = detection.honest_steps(met.mechanism, met.honest)
    for name, strategy in (("stolen", theft.thief), ("pre-trained", theft.pre_trainer)):
        tried = strategy(met)
        found = detection.measure(met.mechanism, met.honest, tried)
        spread = detection.cheat_steps(met.mechanism, tried)[0].std() / honest.std()
        print(f"{law}, {name}: saves {found.saved}, advantage {found.advantage}, times spread x {spread:.2f}")


def broadcast(seeds: int = 64) -> None:
    """Re-basing per patch: models that their victims could claim, and the last ones of victims who never could."""
    task = pj.tasks.digits()
    layer = pj.SecureMappingLayer(shape=task.shape, patch=2)
    mechanism = pj.PoLe(task, sml=layer, model=ConvolutionalNetwork((4, 4, 4)), max_steps=400)
    met = theft.encounter(jax.random.key(0), mechanism, seeds, 80)
    tried = theft.rebasing_thief(met)
    honest, _ = detection.honest_steps(mechanism, met.honest)
    cheats, _ = detection.cheat_steps(mechanism, tried)
    _, claimed = detection.honest_steps(mechanism, met.model)
    for which, name in ((claimed, "claimed"), (~claimed, "unfinished")):
        saved = detection.saved(honest[which], cheats[which])
        print(
            f"re-based per patch, {which.sum()} models {name}: {(cheats[which] == 0).sum()} pass at once, {saved} saved"
        )
    changed = np.abs(tried.test[:, 0] - detection.claimed_accuracy(mechanism, met.model)).max()
    print(f"  test accuracy changed by {changed:.4f} at most")


def grinding(law: str, seeds: int = 64, tries: int = 16, probe: int = 2) -> None:
    """Same weights and shuffle behind many addresses: how much the best of them saves, chosen after a probe."""
    mechanism = _mechanism(law)
    met = theft.encounter(jax.random.key(0), mechanism, seeds, 80)
    steps, probed = forging.easiest_address(met, tries, probe)
    chosen = np.take_along_axis(steps, probed.argmax(axis=1)[:, None], axis=1)[:, 0]
    spread = detection.mean(steps.std(axis=1, ddof=1) / steps.mean(axis=1))
    lucky = detection.saved(steps.mean(axis=1), steps.min(axis=1))
    picked = detection.saved(steps.mean(axis=1), chosen + (tries - 1) * probe * mechanism.recipe.evaluate_every)
    alone = detection.saved(steps.mean(axis=1), chosen)
    print(
        f"{law}: CV over addresses {spread}; best of {tries} saves {lucky}, picked after {probe} evaluations {alone},"
    )
    print(f"  and, the probes' steps counted, {picked}")


def _mechanism(law: str) -> pj.PoLe:
    return pj.PoLe(pj.tasks.digits(), sml=pj.SecureMappingLayer(law=law), max_steps=400)


def luck() -> None:
    """The winner's curse on 400 test samples, and how often a worse model must be tried."""
    for tries in (10, 80, 1_000):
        print(f"best of {tries} models of accuracy 0.85 on 400 samples: +{forging.winners_curse(0.85, 400, tries):.4f}")
    for accuracy in (0.84, 0.82, 0.80, 0.75):
        print(f"accuracy {accuracy} passes 0.85 of 400 once in {forging.tries_to_pass(accuracy, 0.85, 400):.3g} models")


def encryption(features: int = 64, outputs: int = 64) -> None:
    """Seconds of one core to encrypt one sample of the digits and to open its image, in 2,048 bits."""
    layer = pj.SecureMappingLayer(features=outputs, fraction_bits=2)
    kernel = np.asarray(layer.derive(np.arange(8, dtype=np.uint32), np.uint32(1), features)["sml"]["kernel"])
    numbers, weights, _ = fe.quantised(np.asarray(pj.tasks.digits().test_inputs[:1]), kernel, 2)
    key, master = fe.set_up(features)
    opened = [fe.function_key(master, column) for column in weights.T.tolist()]
    begun = time.process_time()
    ciphertext = fe.encrypt(key, numbers[0].tolist())
    encrypted = time.process_time()
    image = [fe.decrypt(key, column, ciphertext, 10_000) for column in opened]
    done = time.process_time()
    assert image == (numbers @ weights)[0].tolist()
    print(f"encrypting a sample {encrypted - begun:.2f} s, opening {outputs} features {done - encrypted:.2f} s")


if __name__ == "__main__":
    devices.use_all_cores()
    luck()
    encryption()
    for law in ("gaussian", "orthogonal", "uniform"):
        fine_tuning(law)
    broadcast()
    for law in ("gaussian", "orthogonal", "positive"):
        grinding(law)
