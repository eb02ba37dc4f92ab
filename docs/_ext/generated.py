"""Pages made from the code before Sphinx reads any: the API, the keys of config files, commands, validation cases.

They lie in docs/generated, which git ignores, and are written only where they changed, so that a second build is quick.
"""

import contextlib
import dataclasses
import inspect
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import public_names
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "generated"


def first_sentence(value: Any) -> str:
    """The opening sentence of a docstring, on one line."""
    text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".") + "." if text else ""


def _constant_text(module: Any, name: str) -> str:
    """What the source says below or beside a constant of a public module."""
    path = Path(module.__file__ or "")
    for file in sorted(path.parent.glob("*.py")) if path.stem == "__init__" else [path]:
        comments = ModuleAnalyzer.for_file(file, f"{module.__name__}.{file.stem}").find_attr_docs()
        if ("", name) in comments:
            return " ".join(comments["", name]).strip()
    return ""


def _entry(space: str, module: Any, name: str, value: Any) -> Iterator[str]:
    """The directive that documents a public name, or a link to where it is documented."""
    path = f"{space}.{name}"
    if inspect.isclass(value):
        yield from ("", f".. autoclass:: {path}", "")
    elif callable(value):
        yield from ("", f".. autofunction:: {path}", "")
    else:
        shown = repr(value)
        yield from ("", f".. py:data:: {path}", *([f"   :value: {shown}"] if len(shown) < 60 else []), "")
        yield f"   {_constant_text(module, name) or 'See the types of the functions that take it.'}"


def _page(space: str, module: Any) -> str:
    """The page of a public module: what it holds in a table, then everything in full."""
    title = space.replace("polejax", "pj", 1)
    lines = [title, "=" * len(title), "", f".. py:module:: {space}", "", inspect.getdoc(module) or "", ""]
    if space == "polejax":
        lines += ["``import polejax as pj``: what a study needs stands here, the rest in the namespaces.", ""]
    rows, full = [], []
    for name, value in public_names.members(module):
        home = public_names.homes()[f"{space}.{name}"]
        about = first_sentence(value) if callable(value) else _constant_text(module, name).split(". ")[0]
        rows += [f"   * - :py:obj:`{name} <{home}>`", f"     - {about}"]
        full += _entry(space, module, name, value) if home == f"{space}.{name}" else []
    lines += [".. list-table::", "   :widths: 30 70", "", *rows] if rows else []
    return "\n".join([*lines, *full, ""])


def api() -> Iterator[tuple[str, str]]:
    """A page for every public module, and one that lists them."""
    names = []
    for space, module in public_names.spaces():
        names.append(space)
        yield f"api/{space}.rst", _page(space, module)
    title = "API"
    entries = [f"   {name.replace('polejax', 'pj', 1)} <{name}>" for name in names]
    text = "Generated from docstrings and types. ``dir(pj)`` and ``dir`` of every namespace show the same names."
    yield "api/index.rst", "\n".join([title, "=" * len(title), "", text, "", ".. toctree::", "", *entries, ""])


def _argument(parameter: inspect.Parameter) -> str:
    from polejax.jobs.config_names import CONSTRUCTORS, FUNCTIONS, LISTS

    default = parameter.default
    shown = "required" if default is inspect.Parameter.empty else f"default `{getattr(default, '__name__', default)}`"
    if parameter.name in CONSTRUCTORS or parameter.name in LISTS:
        kind = LISTS.get(parameter.name, parameter.name)
        shown += f"; {'a list of what' if parameter.name in LISTS else 'what'} [{kind}](#{kind}) makes"
        shown = shown if default is inspect.Parameter.empty else "optional; " + shown.split("; ", 1)[1]
    if parameter.name in FUNCTIONS:
        shown = "one of " + ", ".join(f'`"{word}"`' for word in FUNCTIONS[parameter.name])
    return " ".join(f"`{parameter.name}`, {shown}".replace("|", "\\|").split())


def config_keys() -> Iterator[tuple[str, str]]:
    """Every key of a config file, with defaults, as the code that reads the file accepts them."""
    from polejax.consensus.scenario import Scenario
    from polejax.jobs import config, config_builder, config_names

    fields = {field.name for field in dataclasses.fields(Scenario)}
    lines = [
        "# All keys of config files",
        "",
        "Generated from the constructors that a file may name. The arguments `count` and `nodes` may be left out where",
        "the scenario's nodes tell them. See [](../how-to/config_files.md) for a file to begin with.",
        "",
        "## Top of the file",
        "",
        *(f"- `{name}`" for name in sorted(config._TOP)),
        "",
        "## scenario",
        "",
        *(f"- `{name}`" + (f": see [{name}](#{name})" if name in fields else "") for name in (*sorted(fields),)),
        "- `name`: a word; without it, the scenario's number",
        "- `grid`: a table of dotted paths to lists of values; every combination becomes a scenario",
        "",
    ]
    for kind, makers in config_names.CONSTRUCTORS.items():
        lines += [f"## {kind}", ""]
        if kind in ("base", "idle"):
            like = "network" if kind == "base" else "mechanism"
            lines += [f"As [{like}](#{like}).", ""]
            continue
        for maker in makers:
            called = config_builder.Builder("")._train if maker.__name__ == "learning_curves" else maker
            arguments = inspect.signature(called).parameters.values()
            lines += [f"### {kind}: {maker.__name__}", "", first_sentence(maker).replace("`", ""), ""]
            lines += [f"- {_argument(argument)}" for argument in arguments if argument.name not in ("parent", "name")]
            lines += [""]
    yield "config_keys.md", "\n".join(lines)


def commands() -> Iterator[tuple[str, str]]:
    """What `polejax --help` and the help of each command print."""
    from polejax.jobs import cli

    lines = ["# Commands", "", "What `polejax --help`, and `--help` of each command, print.", ""]
    names = [options.name for one in get_args(cli.Command) for options in get_args(one)[1:]]
    for command in ("", *names):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            cli.parse([command, "--help"] if command else ["--help"])
        shown = printed.getvalue().strip("\n").replace(os.path.expanduser("~"), "~")
        lines += [f"## polejax {command}".rstrip(), "", "```text", shown, "```", ""]
    yield "commands.md", "\n".join(lines)


def validation() -> Iterator[tuple[str, str]]:
    """Every case of `polejax validate`, with its source."""
    from polejax.jobs import validate, validation_cases

    lines = ["| case | expected | source |", "|---|---|---|"]
    every = validate.cases()
    for case in every:
        within = f", within {case.tolerance:g}" if case.tolerance else ""
        cells = (case.name, f"{case.expected:.6g}{within}", case.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    about = f"{len(every)} cases in {len(validation_cases.GROUPS)} groups."
    yield "validation_cases.md", "\n".join([about, "", *lines, ""])


MIRRORED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "experiments/benchmarks/README.md": "benchmarks.md",
    "experiments/benchmarks/ahead_of_time.md": "ahead_of_time.md",
    "experiments/sml_claims.md": "sml_claims.md",
}
"""Pages of the repository that are part of the site, and their names there."""


def _relinked(text: str, folder: Path) -> str:
    """A page's text with relative links turned to the site's pages, or to plain words where the site has none."""

    def turned(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        whole = (folder / path).resolve()
        inside = whole.relative_to(ROOT).as_posix()
        anchor = f"#{anchor}" if anchor else ""
        if inside in MIRRORED:
            return f"[{words}]({MIRRORED[inside]}{anchor})"
        if whole.is_relative_to(ROOT / "docs") or mark:
            return f"{mark}[{words}]({os.path.relpath(whole, OUT / 'pages')}{anchor})"
        return f"{words} (`{inside}` in the repository)" if whole.exists() else found[0]

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", turned, text)


def mirrored() -> Iterator[tuple[str, str]]:
    """Pages that stand elsewhere in the repository."""
    for source, name in MIRRORED.items():
        path = ROOT / source
        yield f"pages/{name}", _relinked(path.read_text(encoding="utf-8"), path.parent)


def write(app: Sphinx | None = None) -> None:
    """Write all pages."""
    for made in (api(), config_keys(), commands(), validation(), mirrored()):
        for name, text in made:
            path = OUT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")


def adapt(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead links out of docs/ to the site's pages; take the claims out of the contents if `make claims` never ran."""
    for path, name in MIRRORED.items():
        source[0] = source[0].replace(f"](../{path}", f"](generated/pages/{name}")
    if docname == "index" and not (ROOT / "docs" / "claims.md").exists():
        source[0] = source[0].replace("\nclaims\n", "\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write before Sphinx looks for pages."""
    app.connect("builder-inited", write)
    app.connect("source-read", adapt)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
