"""Functional encryption of inner products: the key for W reveals W x and nothing else of x (a demonstration).

The scheme is that of Abdalla, Bourse, De Caro, Pointcheval (PKC 2015, IACR ePrint 2015/017), secure if the decisional
Diffie-Hellman problem is hard, over the quadratic residues modulo a safe prime. Proof of Learning uses it so that a
node learns samples only as mapped by its own Secure Mapping Layer. Plain Python; not hardened against timing attacks.

It cannot hide x from holders of as many independent rows of W as x has entries. So the key of a square or expanding
layer reveals the samples, and so do the keys of compressive layers of a few nodes, or heights, together
(`polejax.attacks.rebasing`).
"""

import math
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from polejax._core import checks

Random = Callable[[int], int]  # draws a uniform whole number from 0 to its argument, exclusive

_HEX = (
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
    "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF"
)


class Group(NamedTuple):
    """The subgroup of prime order q = (p - 1) / 2 of the numbers modulo a safe prime p.

    Attributes:
      prime: p.
      generator: of the subgroup.
    """

    prime: int
    generator: int

    @property
    def order(self) -> int:
        """The prime q."""
        return (self.prime - 1) // 2


MODP_2048 = Group(int(_HEX, 16), 4)
"""2,048 bits: group 14 of RFC 3526, with the square of its generator 2."""


class PublicKey(NamedTuple):
    """The key that a data node publishes, with which anyone can encrypt vectors of D entries.

    Attributes:
      group: in which the scheme computes.
      powers: g^s_i for the D entries of the master secret s.
    """

    group: Group
    powers: tuple[int, ...]


class Ciphertext(NamedTuple):
    """An encrypted vector.

    Attributes:
      nonce: g^r.
      entries: g^(s_i r + x_i) for the D entries.
    """

    nonce: int
    entries: tuple[int, ...]


class FunctionKey(NamedTuple):
    """A key that reveals the inner product with `weights`; given to the node whose layer has that column.

    Attributes:
      weights: whole numbers, D of them.
      secret: <s, weights> mod q.
    """

    weights: tuple[int, ...]
    secret: int


def set_up(
    size: int, group: Group = MODP_2048, random: Random = secrets.randbelow
) -> tuple[PublicKey, tuple[int, ...]]:
    """Draw the public key, and the master secret s that only the data node keeps.

    Args:
      size: D, number of entries of the vectors to encrypt.
      group: in which the scheme computes.
      random: source of secret numbers.

    Raises:
      ValueError: a size below 1.
    """
    master = tuple(random(group.order) for _ in range(checks.whole("size", size, low=1)))
    return PublicKey(group, tuple(pow(group.generator, secret, group.prime) for secret in master)), master


def encrypt(key: PublicKey, vector: Sequence[int], random: Random = secrets.randbelow) -> Ciphertext:
    """Encrypt a vector of whole numbers [D].

    Raises:
      ValueError: the vector has another number of entries than the key.
    """
    _check_size("vector", vector, len(key.powers))
    prime, generator = key.group.prime, key.group.generator
    once = random(key.group.order)
    entries = (
        pow(power, once, prime) * pow(generator, int(entry), prime) % prime
        for power, entry in zip(key.powers, vector, strict=True)
    )
    return Ciphertext(pow(generator, once, prime), tuple(entries))


def function_key(master: Sequence[int], weights: Sequence[int], group: Group = MODP_2048) -> FunctionKey:
    """The key for the inner product with whole-number weights [D].

    Raises:
      ValueError: the number of weights differs from the number of secrets.
    """
    _check_size("weights", weights, len(master))
    weights = tuple(int(weight) for weight in weights)
    return FunctionKey(weights, sum(s * w for s, w in zip(master, weights, strict=True)) % group.order)


def decrypt(key: PublicKey, opened: FunctionKey, ciphertext: Ciphertext, bound: int) -> int:
    """The inner product <weights, vector>, if it is within -bound..bound.

    g^<x, y> = prod_i (ct_i)^y_i / (ct_0)^<s, y>; its logarithm is found by baby and giant steps (Shanks 1971), in
    O(sqrt(bound)).

    Raises:
      ValueError: the inner product is outside, or the key is for another number of entries.
    """
    _check_size("ciphertext", ciphertext.entries, len(opened.weights))
    prime = key.group.prime
    power = pow(ciphertext.nonce, -opened.secret, prime)
    for entry, weight in zip(ciphertext.entries, opened.weights, strict=True):
        power = power * pow(entry, weight, prime) % prime
    found = _logarithm(key.group, power, checks.whole("bound", bound))
    if found is None:
        raise ValueError(f"bound must be at least the inner product's size, got {bound}: raise it")
    return found


def quantised(samples: np.ndarray, kernel: np.ndarray, fraction_bits: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Samples and kernel as whole numbers, as a `polejax.SecureMappingLayer` with `fraction_bits` rounds them.

    Args:
      samples: f32[M, D].
      kernel: f32[D, F], derived by a layer with these `fraction_bits`.
      fraction_bits: b.

    Returns:
      i64[M, D], i64[D, F], and the unit of their product: the layer's output is the unit times samples @ kernel.

    Raises:
      ValueError: fraction_bits below 0.
    """
    scale = 2.0 ** checks.whole("fraction_bits", fraction_bits)
    rows = math.sqrt(kernel.shape[0])
    numbers = np.round(np.asarray(samples, np.float64) * scale).astype(np.int64)
    weights = np.round(np.asarray(kernel, np.float64) * rows * scale).astype(np.int64)
    return numbers, weights, 1.0 / (rows * scale**2)


def _logarithm(group: Group, power: int, bound: int) -> int | None:
    """The number e in -bound..bound with generator^e = power, or None."""
    prime, generator = group.prime, group.generator
    stride = math.isqrt(2 * bound + 1) + 1
    baby: dict[int, int] = {}
    step = 1
    for exponent in range(stride):
        baby.setdefault(step, exponent)
        step = step * generator % prime
    giant = pow(generator, -stride, prime)
    power = power * pow(generator, bound, prime) % prime
    for count in range(stride + 1):
        if power in baby:
            found = count * stride + baby[power] - bound
            return found if abs(found) <= bound else None
        power = power * giant % prime
    return None


def _check_size(name: str, entries: Sequence[int], size: int) -> None:
    if len(entries) != size:
        raise ValueError(f"{name} must have {size} entries, got {len(entries)}: set up for that size")
