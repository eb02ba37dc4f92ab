"""How does Proof of Learning compare with its relatives? `python experiments/relatives.py`.

Nine published protocols as `polejax.protocols` reads them, on one engine, with the same miners and network, and tuned
to one mean canonical interval where their rules allow that. The bank of learning curves is trained first, and kept in
the folder. Every number has a 95% interval that holds the bank's own error.

Writes relatives.csv (all numbers, and why some are missing), relatives_figure.pdf, .png and .csv. The default takes
under a minute on two cores; `--curves 4096 --seeds 64 --blocks 2048` is what to quote.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax

import polejax as pj
from polejax._core import devices
from polejax.analysis.figure_style import save
from polejax.jobs import kept_options, options, progress_bars, relatives, relatives_report


def trained(curves: int, steps: int, path: Path) -> pj.Bank:
    """A bank of the digits with half of the test samples held out, from its file if it is there."""
    task, held_out = pj.tasks.hold_out(pj.tasks.digits())
    mechanism = pj.PoLe(task, holdout=held_out)
    return pj.learning_curves(jax.random.key(2), mechanism, curves, num_steps=steps, out=path)


def main(arguments: Sequence[str] | None = None, bank: pj.Bank | None = None) -> list[Path]:
    """Train, tune, simulate, measure and write; returns the paths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=int, default=2_048, help="of the bank")
    parser.add_argument("--steps", type=int, default=400, help="of each curve")
    parser.add_argument("--seeds", type=int, default=16, help="chains of each protocol")
    parser.add_argument("--blocks", type=int, default=512, help="of each chain")
    parser.add_argument("--parts", type=int, default=4, help="of the bank, whose scatter gives the intervals")
    parser.add_argument("--threshold", type=float, default=0.9, help="of PoLe")
    parser.add_argument("--out", type=options.user_path, default=Path("figures"), help="folder")
    parser.add_argument("--overwrite", action="store_true", help="replace results of other options in that folder")
    settings = parser.parse_args(arguments)
    now, usual = (
        {name: value for name, value in vars(one).items() if name not in ("out", "overwrite")}
        for one in (settings, parser.parse_args([]))
    )
    kept = settings.out / "relatives.json"
    kept_options.check(kept, settings.out / "relatives.csv", now, usual, settings.overwrite)
    if bank is None:
        bank = trained(settings.curves, settings.steps, settings.out / "relatives_bank")
    with progress_bars.shown() as report:
        rows = relatives.run(
            bank,
            settings.seeds,
            settings.blocks,
            jax.random.key(0),
            threshold=settings.threshold,
            parts=settings.parts,
            progress=report,
        )
    print(relatives_report.table(rows))
    plot = relatives_report.figure(
        {row.name: relatives_report.numbers(row) for row in rows}, f"{settings.seeds} chains × {settings.blocks} blocks"
    )
    table = relatives_report.write_csv(rows, settings.out / "relatives.csv")
    kept_options.keep(kept, now)
    return [table, *save(plot.figure, settings.out / "relatives_figure", plot.columns)]


if __name__ == "__main__":
    devices.use_all_cores()
    main()
