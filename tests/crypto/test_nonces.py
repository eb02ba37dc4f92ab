"""Consecutive nonces against hashlib: by XLA, and by the kernel of GPUs and TPUs, interpreted."""

import hashlib
import importlib.util
import struct
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from polejax._core import lanes
from polejax.crypto import header, nonces

COUNT = 300  # no whole number of tiles
FIRST = np.uint32(2**32 - 100)  # so that nonces wrap


@pytest.fixture(scope="module")
def headers():
    return np.random.default_rng(0).integers(0, 2**32, (2, 20), dtype=np.uint32)


@pytest.fixture(scope="module")
def arguments(headers):
    return header.midstate(headers[:, :16]), jnp.asarray(headers[:, 16:19]), jnp.asarray(FIRST)


def expected(headers):
    """The eight words u32[8, 2, COUNT], with hashlib."""
    found = np.empty((8, 2, COUNT), np.uint32)
    for row, words in enumerate(headers):
        head = words[:19].astype(">u4").tobytes()
        for place in range(COUNT):
            message = head + struct.pack("<I", (int(FIRST) + place) % 2**32)
            digest = hashlib.sha256(hashlib.sha256(message).digest()).digest()
            found[:, row, place] = np.frombuffer(digest, dtype=">u4")
    return found


@pytest.mark.smoke
@pytest.mark.device
def test_digests_are_hashlib_s_on_this_backend(headers, arguments):
    """On a GPU or TPU this runs the kernel."""
    found = jax.jit(lambda *rest: nonces.digests(*rest, COUNT))(*arguments)
    np.testing.assert_array_equal(np.stack(found), expected(headers))


@pytest.mark.parametrize("backend", ["gpu", "tpu"])
def test_the_kernel_is_bitwise_hashlib_s(headers, arguments, backend):
    found = jax.jit(lambda *rest: nonces.in_kernel(*rest, COUNT, backend, interpret=True))(*arguments)
    np.testing.assert_array_equal(np.stack(found), expected(headers))


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("platform", "capability", "call"),
    [("cuda", "8.0", "triton"), ("tpu", None, "tpu_custom_call"), ("cuda", "7.5", "")],
)
def test_an_accelerator_gets_the_kernel_unless_it_is_old(arguments, platform, capability, call, monkeypatch):
    """It lowers, as a round uses it: batched over chains. That needs no device, unlike running it."""
    device = types.SimpleNamespace() if capability is None else types.SimpleNamespace(compute_capability=capability)
    monkeypatch.setattr(jax, "local_devices", lambda **_: [device])
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu" if platform == "tpu" else "gpu")
    chains = jax.vmap(lambda *rest: nonces.digests(*rest, COUNT))
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), arguments)
    ours = [export.DisabledSafetyCheck.custom_call(name) for name in ("__gpu$xla.gpu.triton", "tpu_custom_call")]
    module = export.export(jax.jit(chains), platforms=[platform], disabled_checks=ours)(*batch).mlir_module()
    assert lanes.takes_kernels() == bool(call)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert lanes.takes_kernels() == (platform == "tpu")  # on a JAX without Triton
    if call:
        assert call in module
    else:
        assert "custom_call" not in module
