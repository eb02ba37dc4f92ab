"""Devices: which ones a run used, and how to use all cores of a CPU."""

import os
import platform
import time
import warnings
from importlib import metadata
from typing import Any

import jax

from polejax._core.keys import GENERATOR
from polejax._core.switches import settings

PACKAGES = ("jax", "jaxlib", "flax", "optax", "chex", "numpy", "scipy", "matplotlib", "xarray", "tyro")

__all__ = ["machine", "provenance", "use_all_cores", "versions"]


def use_all_cores() -> None:
    """Make every CPU core a JAX device, which trains twice as fast as XLA's own threads; call it before using JAX.

    It changes nothing where `jax_num_cpu_devices` is set, or where JAX runs on an accelerator.

    Warns:
      RuntimeWarning: JAX has started already, with fewer devices than there are cores: it is too late.
    """
    chosen: int = getattr(jax.config, "jax_num_cpu_devices", -1)
    if chosen >= 0 or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # the platform does not tell
        return
    try:
        jax.config.update("jax_num_cpu_devices", cores)
    except AttributeError:  # before jax 0.5
        return
    except RuntimeError:  # JAX has started
        local = jax.local_devices()
        if local[0].platform == "cpu" and len(local) < cores:
            warnings.warn(
                f"use_all_cores() comes too late: JAX has started with {len(local)} of {cores} cores as devices; start "
                "Python again, and call it before anything that computes with JAX",
                RuntimeWarning,
                stacklevel=2,
            )


def versions() -> dict[str, str]:
    """Versions, by name, of polejax, Python and the packages that results depend on; "absent" where not installed."""
    from polejax._core.version import __version__

    found = {"polejax": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def machine() -> dict[str, Any]:
    """The devices JAX computes on, in plain words: platform, kind, count; the machine's cores and system."""
    local = jax.local_devices()
    return {
        "platform": local[0].platform,
        "kind": local[0].device_kind,
        "devices": len(local),
        "processes": jax.process_count(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }


def provenance() -> dict[str, str]:
    """Where results come from, as every file of results states it: versions, device, time, generator, settings."""
    from polejax._core.version import __version__

    device = machine()
    return {
        "polejax": __version__,
        "jax": jax.__version__,
        "device": f"{device['devices']} x {device['kind']} ({device['platform']})",
        "begun": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "generator": GENERATOR,
        **settings(),
    }


def __dir__() -> list[str]:
    return __all__
