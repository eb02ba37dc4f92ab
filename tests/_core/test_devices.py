"""Devices: all cores in time, and too late."""

import os
import subprocess
import sys

import jax
import pytest

from polejax._core import devices


@pytest.fixture
def unset(monkeypatch):
    """A process in which nobody has chosen devices, and JAX has started with one of many cores."""
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setenv("XLA_FLAGS", "")

    class Config:
        jax_num_cpu_devices = -1

        @staticmethod
        def update(name, value):
            raise RuntimeError("backends are initialised")

    monkeypatch.setattr(devices.jax, "config", Config)


@pytest.mark.usefixtures("unset")
def test_too_late_is_told_where_cores_are_left_out(monkeypatch):
    with pytest.warns(RuntimeWarning, match=r"comes too late: JAX has started with 8 of 64 cores .*start Python again"):
        devices.use_all_cores()
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    devices.use_all_cores()  # none is left out: nothing to tell
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
    devices.use_all_cores()  # the user's choice


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the platform does not tell its cores")
def test_in_time_every_core_is_a_device_and_a_second_call_is_silent():
    code = (
        "import os, jax; from polejax._core import devices; devices.use_all_cores(); devices.use_all_cores(); "
        "assert jax.device_count() == len(os.sched_getaffinity(0)); devices.use_all_cores()"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert jax.device_count() >= 1
