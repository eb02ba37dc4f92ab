"""Devices: what a run used, and how to use all of a processor."""

import os
import platform
import time
from importlib import metadata
from typing import Any

import jax

PACKAGES = ("jax", "jaxlib", "flax", "optax", "chex", "numpy", "scipy", "matplotlib", "xarray", "tyro")


def use_all_cores() -> None:
    """Make every CPU core a JAX device of its own, which trains twice as fast as XLA's threads; call it first.

    Nothing happens where JAX already runs, where `jax_num_cpu_devices` was set, or where an accelerator leads.
    """
    chosen: int = getattr(jax.config, "jax_num_cpu_devices", -1)
    if chosen < 0 and "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        try:
            jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
        except (RuntimeError, AttributeError):  # already running, or a platform that does not say
            return


def versions() -> dict[str, str]:
    """Versions of polejax, Python and the packages that decide a result, by name; "absent" where not installed."""
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
    """What every file of results says of where it comes from: versions, device, and when the work began."""
    from polejax._core.version import __version__

    device = machine()
    return {
        "polejax": __version__,
        "jax": jax.__version__,
        "device": f"{device['devices']} x {device['kind']} ({device['platform']})",
        "begun": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
