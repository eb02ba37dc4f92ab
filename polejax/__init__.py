"""polejax: vectorised Monte Carlo simulation of Proof of Learning consensus in JAX.

A scenario is nodes, a network and a mechanism; `simulate` plays it; `summarise` says what came out. The rest lies in
namespaces: `nodes network tasks models mechanisms elections difficulty attacks analysis theory figures testing
devices protocols baselines`.
"""

# The names are imported when the first of them is asked for, and little is imported here: the command line handles
# signals before it imports JAX.

TYPE_CHECKING = False  # type checkers take it for True, as they do that of `typing`

if TYPE_CHECKING:
    from polejax._public import *  # noqa: F403
    from polejax._public import __all__ as __all__
else:

    def __getattr__(name: str) -> object:
        """Import what is asked for."""
        import importlib

        if name in ("analysis", "attacks", "mechanisms", "network", "theory"):  # also for rooms that import one another
            return importlib.import_module(f"polejax.{name}")
        if name == "figures":
            return importlib.import_module("polejax.analysis.figures")
        if not name.startswith("__") or name in ("__all__", "__version__"):
            public = importlib.import_module("polejax._public")
            if name in public.__all__ or name == "__all__":
                return getattr(public, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from polejax import _public

    return list(_public.__all__)
