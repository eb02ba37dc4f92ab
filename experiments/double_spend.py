"""Is double spending harder where blocks come more steadily? `python experiments/double_spend.py`.

One attacker of a tenth of all power races the honest rest under gamma work, whose shape says how steady it is: 1 is
Proof of Work, and the work of one node has CV 1 / sqrt(shape). Two honest sides of the same power are compared:

- one node: its chain keeps its pace whatever the shape, and steadier chains are overtaken less often;
- nine nodes: the first of nine that all need about the same work is hardly faster than one of them, so that the chain
  slows down as work becomes steadier, while the attacker, alone, loses nothing.

Writes double_spend.pdf, .png and .csv: chances with 95% intervals. Under a minute on two cores.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

import polejax as pj
from polejax import theory
from polejax._core import devices
from polejax.analysis.estimate import Estimate
from polejax.analysis.figure_style import Plot, canvas, marks, save, say_size, styled
from polejax.attacks import double_spend
from polejax.jobs import options

SHARE, WORK = 0.1, 600.0  # the attacker's part of all power; mean work of a block at one unit of power
SHAPES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
CONFIRMATIONS = (1, 6)
HONEST = {"one honest node": 1, "nine honest nodes": 9}

Chances = dict[str, list[Estimate]]  # honest side -> at each shape, [Z]


def play(races: int, horizon: int = 60) -> Chances:
    """The chance of a double spend against each honest side, at each shape and after each number of confirmations."""
    keys, attacker = jax.random.split(jax.random.key(0), races), pj.nodes.equal(1, SHARE)
    found: Chances = {}
    for label, count in HONEST.items():
        honest, network = pj.nodes.equal(count, 1.0 - SHARE), pj.network.instant(count)
        laws = [pj.Scenario(honest, network, pj.mechanisms.gamma(WORK, shape)) for shape in SHAPES]
        found[label] = [double_spend.race(keys, law, attacker, CONFIRMATIONS, horizon) for law in laws]
    return found


@styled
def draw(chances: Chances, races: int) -> Plot:
    """Chance against shape, a panel for each number of confirmations."""
    figure, panels = canvas(4.2, len(CONFIRMATIONS), sharex=True)
    columns: dict[str, np.ndarray] = {"shape": np.array(SHAPES)}
    for row, (axes, confirmations) in enumerate(zip(panels, CONFIRMATIONS, strict=True)):
        walk = theory.double_spend(SHARE, confirmations)
        axes.axhline(walk, color="0.6", lw=0.8, label="Rosenfeld 2014")
        columns[f"{confirmations} confirmations, Rosenfeld"] = np.full(len(SHAPES), walk)
        for label, found, mark in marks(chances):
            value, low, high = (np.array([getattr(one, end)[row] for one in found]) for end in ("value", "low", "high"))
            axes.errorbar(SHAPES, value, [value - low, high - value], color=mark.colour, ls="none")
            seen = np.where(value > 0, value, np.nan)
            axes.plot(SHAPES, seen, color=mark.colour, ls=mark.line, marker=mark.marker, label=label)
            for end, numbers in (("", value), (", low", low), (", high", high)):
                columns[f"{confirmations} confirmations, {label}{end}"] = numbers
        axes.set(xscale="log", ylim=(1e-4, 1.5))
        axes.set_yscale("log", nonpositive="clip")  # of none in all races the interval's upper part still shows
        axes.set_ylabel("chance of a double spend")
        axes.set_title(f"{confirmations} confirmation{'s' * (confirmations > 1)}", loc="left")
        axes.set_xticks(SHAPES, [f"{shape:g}" for shape in SHAPES])
        axes.minorticks_off()
    panels[0].legend(loc="lower left")
    panels[-1].set_xlabel("shape of the gamma law of work (1: Proof of Work)")
    say_size(panels[0], f"attacker {SHARE:.0%}; {races:,} races; bars: 95%")
    return Plot(figure, columns)


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Play, draw and write; returns the paths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=16_384, help="of each law and honest side")
    parser.add_argument("--out", type=options.user_path, default=Path("figures"), help="folder")
    settings = parser.parse_args(arguments)
    chances = play(settings.races)
    for label, found in chances.items():
        for shape, one in zip(SHAPES, found, strict=True):
            print(f"{label:18} shape {shape:4g}: {one} after {CONFIRMATIONS} confirmations")
    plot = draw(chances, settings.races)
    return save(plot.figure, settings.out / "double_spend", plot.columns)


if __name__ == "__main__":
    devices.use_all_cores()
    main()
