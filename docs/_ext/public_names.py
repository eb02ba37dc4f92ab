"""Links to public names: types in signatures name the module that defines them, and docstrings the bare name.

A reference that nothing answers is shown as plain text if it can be imported, or stands in single backticks in a
docstring, where many things are no names; any other is a warning, and so fails the build.
"""

import functools
import importlib
import re
import types
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import polejax

SPACES = (
    *("nodes", "network", "tasks", "models", "mechanisms", "protocols", "elections", "difficulty", "attacks"),
    *("analysis", "theory", "figures", "testing", "devices"),
)
"""Public namespaces in the order of the site; any other comes after these."""

_NUMBERS = r"~?jax\.Array \| ~?numpy\.ndarray \| ~?numpy\.bool \| ~?numpy\.number"
_SHORT = [
    (re.compile(_NUMBERS.replace("jax", r"(?:jax|jax\.jaxlib\._jax)") + r" \| float \| int"), "Numeric"),
    (re.compile(_NUMBERS.replace("jax", r"(?:jax|jax\.jaxlib\._jax)")), "Array"),
    (re.compile(r"~?jax\.jaxlib\._jax\.Array"), "~jax.Array"),
    (re.compile(r"~?numpy\._typing\._array_like\._Buffer \|.*?(?:bytes|complex) \| str\]", re.DOTALL), "ArrayLike"),
]


def spaces() -> Iterator[tuple[str, Any]]:
    """The dotted names of public modules, and the modules."""
    yield "polejax", polejax
    others = [name for name in polejax.__all__ if isinstance(getattr(polejax, name), types.ModuleType)]
    for name in dict.fromkeys((*SPACES, *others)):
        space = getattr(polejax, name)
        yield f"polejax.{name}", space
        for inner in space.__all__:
            if isinstance(getattr(space, inner), types.ModuleType) and f"polejax.{inner}" != "polejax.figures":
                yield f"polejax.{name}.{inner}", getattr(space, inner)


def members(module: Any) -> Iterator[tuple[str, Any]]:
    """What a public module shows that is no module: `__all__`, or what is defined there."""
    names = getattr(module, "__all__", None) or [  # `polejax` makes its own when asked
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    for name in names:
        value = getattr(module, name)
        if not isinstance(value, types.ModuleType) and name != "__version__":
            yield name, value


@functools.cache
def homes() -> dict[str, str]:
    """Where each public name is documented, by its dotted public names, by its defining module, and by itself."""
    found: dict[str, str] = {}
    first: dict[int, str] = {}
    for space, module in spaces():
        for name, value in members(module):
            home = first.setdefault(id(value), f"{space}.{name}")
            found.setdefault(f"{space}.{name}", home)
            defined = getattr(value, "__module__", None)
            if isinstance(defined, str) and defined.startswith("polejax"):
                found.setdefault(f"{defined}.{getattr(value, '__qualname__', name)}", home)
            found.setdefault(name, home)
    return found


def _importable(target: str) -> bool:
    """Whether a dotted name means something in Python."""
    parts = target.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        try:
            functools.reduce(getattr, parts[end:], value)
        except AttributeError:
            return False
        return True
    return False


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Node) -> nodes.Node | None:
    if node.get("refdomain") != "py":
        return None
    target = re.sub(r"^pj\.", "polejax.", node["reftarget"])
    owner, _, method = target.rpartition(".")
    known = homes()
    home = known.get(target) or (f"{known[owner]}.{method}" if owner in known else target)
    domain = env.domains["py"]
    found = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, contnode)
    if found is not None:
        return found
    is_page = str(env.doc2path(node["refdoc"])).endswith(".md")
    builtin = target.split(".")[0] in {"Array", "Numeric", "ArrayLike", "Key", "Tree"}
    return contnode if builtin or not is_page or _importable(target) else None


def _shorten(app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str) -> Any:
    def short(text: str | None) -> str | None:
        for long, word in _SHORT:
            text = long.sub(word, text) if text else text
        return text

    return short(signature), short(returns)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect both."""
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-process-signature", _shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
