"""Flat programs: a model's jaxpr as one list of operations, what each depends on, and values of parts of it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from polejax._core.types import Array

_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_CALLS = frozenset({
    *("jit", "pjit", "closed_call", "core_call", "remat2", "checkpoint"),
    *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"),
})  # fmt: skip
"""Operations that do what the jaxpr among their parameters does."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One operation.

    Attributes:
      equation: of the jaxpr.
      sources: numbers of the values that it takes.
      results: numbers of the values that it gives.
    """

    equation: Any
    sources: tuple[int, ...]
    results: tuple[int, ...]

    @property
    def name(self) -> str:
        """Of the operation."""
        return str(self.equation.primitive)

    def values(self, sources: Sequence[Any]) -> list[Any]:
        """What the operation gives, of values for its sources."""
        primitive = self.equation.primitive
        found = primitive.bind(*sources, **self.equation.params)  # what calls others is written out
        return list(found) if primitive.multiple_results else [found]


class FlatProgram:
    """A function of parameters and inputs, traced, with all calls written out.

    Args:
      function: called with `params` and `inputs`.
      params: nest of arrays or their shapes.
      inputs: array or its shape.
    """

    def __init__(self, function: Callable[[Any, Any], Any], params: Any, inputs: Any) -> None:
        closed = jax.make_jaxpr(function)(params, inputs)
        self.lines: list[Line] = []
        self.known: dict[int, Any] = {}
        """Values of constants and literals, by their numbers."""
        self._count = 0
        count = len(jax.tree.leaves(params))
        arguments = [self._new() for _ in closed.jaxpr.invars]
        self.params, self.inputs = arguments[:count], arguments[count]
        self.answers = self._write(closed.jaxpr, closed.consts, arguments)
        self._makers = {result: line for line in self.lines for result in line.results}
        self.depends: dict[int, frozenset[int]] = {number: frozenset({at}) for at, number in enumerate(self.params)}
        """By the number of a value, places of the parameters' leaves that it depends on."""
        self.reads: set[int] = {self.inputs}
        """Numbers of the values that depend on the inputs."""
        for line in self.lines:
            leaves = frozenset().union(*(self.depends.get(source, frozenset()) for source in line.sources))
            self.depends |= dict.fromkeys(line.results, leaves)
            if self.reads.intersection(line.sources):
                self.reads.update(line.results)

    def _new(self, value: Any = None) -> int:
        self._count += 1
        if value is not None:
            self.known[self._count] = value
        return self._count

    def _write(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[int]) -> list[int]:
        """Append a jaxpr's operations; the numbers of its results."""
        numbers = dict(zip(jaxpr.constvars, map(self._new, constants), strict=True))
        numbers |= dict(zip(jaxpr.invars, arguments, strict=True))

        def number(atom: Any) -> int:
            return numbers[atom] if not hasattr(atom, "val") else self._new(np.asarray(atom.val, atom.aval.dtype))

        for equation in jaxpr.eqns:
            sources = [number(atom) for atom in equation.invars]
            inner = _called(equation)
            if inner is not None:
                body, held = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
                results = self._write(body, held, sources[len(sources) - len(body.invars) :])
            else:
                results = [self._new() for _ in equation.outvars]
                self.lines.append(Line(equation, tuple(sources), tuple(results)))
            numbers |= dict(zip(equation.outvars, results, strict=True))
        return [number(atom) for atom in jaxpr.outvars]

    def maker(self, number: int) -> Line | None:
        """The operation that gives a value; None for constants, parameters and inputs."""
        return self._makers.get(number)

    def value(self, wanted: int, given: Mapping[int, Array]) -> Array:
        """A value of the program, of others that are given; only what it depends on is computed."""
        found: dict[int, Any] = {**self.known, **given}
        needed, lines = {wanted} - found.keys(), []
        for line in reversed(self.lines):
            if needed.intersection(line.results):
                lines.append(line)
                needed.update(source for source in line.sources if source not in found)
        for line in reversed(lines):
            values = line.values([found[source] for source in line.sources])
            found |= {result: value for result, value in zip(line.results, values, strict=True) if result not in given}
        return found[wanted]


def _called(equation: Any) -> Any:
    if str(equation.primitive) not in _CALLS:
        return None
    return next((equation.params[name] for name in _CALLED if name in equation.params), None)
