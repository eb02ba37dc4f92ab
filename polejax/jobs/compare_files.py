"""What `polejax compare` writes: results.nc, summary.json and the figures."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polejax._core import paths, unfinished
from polejax._core.describe import as_text, describe
from polejax._core.netcdf import write_whole
from polejax.analysis.paired import paired
from polejax.analysis.summaries import as_dict
from polejax.jobs import kept_options
from polejax.jobs.compare import Outcome, Settings
from polejax.studies import shards
from polejax.studies.coordinates import coordinates

AGAINST = "PoLe against PoW"
NOT_MECHANISMS = (
    *(AGAINST, "service", "service of", "settings", "versions", "machine", "seconds", "seconds of compiling"),
)
"""Entries of summary.json that are no mechanism's summary."""


def to_xarray(outcome: Outcome, provenance: Mapping[str, Any]) -> Any:
    """`xarray.Dataset` of all chains: dimensions scenario, seed, height, node, word (of a hash), evaluation.

    Args:
      outcome: of `run`.
      provenance: what repeats the run, stored as JSON in the data set's attributes beside each scenario's description.

    Returns:
      Variables as `History` names them; NaN or 0 where a mechanism has none. Coordinates carry the parameters, as
      `Results.to_xarray` gives them.
    """
    import xarray

    dims = {
        "tip": ("seed", "height", "word"),
        "commitment": ("seed", "height", "word"),
        "curve": ("seed", "height", "evaluation"),
    }
    parts = []
    for label, history in outcome.histories.items():
        arrays: dict[str, Any] = dict(shards.variables(history))
        if history.tip is not None:
            arrays |= {"tip": history.tip, "commitment": history.commitment}
        if history.learning is not None:
            arrays["curve"] = history.learning.curve
        data = {name: (dims.get(name) or shards.dimensions(name), array) for name, array in arrays.items()}
        description = as_text(describe(outcome.scenarios[label]))
        power = np.asarray(outcome.scenarios[label].nodes.power)
        parts.append(
            xarray.Dataset({**data, "power": ("node", power)}, attrs={"description": description}).expand_dims(
                scenario=[label]
            )
        )
    joined = xarray.concat(parts, "scenario", join="outer", combine_attrs="drop", data_vars="all", fill_value=0)
    joined = joined.assign_coords(coordinates(_manifest(outcome)))
    units = {"interval": "s", "power": "work units / s", "useful": "work units", "computed": "work units"}
    for name, unit in units.items():
        if name in joined:
            joined[name].attrs["units"] = unit
    about = {f"scenario {part.scenario.item()}": part.attrs["description"] for part in parts}
    return joined.assign_attrs({**about, **{name: as_text(describe(value)) for name, value in provenance.items()}})


def _manifest(outcome: Outcome) -> dict[str, Any]:
    """What a study's manifest would say of the scenarios, for the same coordinates as a study's."""
    seeds, blocks = next(iter(outcome.histories.values())).interval.shape
    return {
        "names": list(outcome.histories),
        "scenarios": [describe(outcome.scenarios[label]) for label in outcome.histories],
        "parameters": [{} for _ in outcome.histories],
        "grid": None,
        "num_nodes": [outcome.scenarios[label].nodes.count for label in outcome.histories],
        "num_seeds": seeds,
        "num_blocks": blocks,
    }


def open_folder(settings: Settings) -> None:
    """Make the folder for results before anything is computed for it, unless it holds those of other options.

    Results of the same options are computed and written again, by whatever version of polejax they were made.

    Raises:
      ValueError: it cannot be made, or holds other results and the settings do not say `overwrite`; in one line.
    """
    folder = Path(paths.checked("out", settings.out))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        summary = folder / "summary.json"
        before = (
            json.loads(summary.read_text())["settings"] if summary.exists() else _settings_of(folder / "results.nc")
        )
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"out must be a folder that can be written to, got {folder} ({reason})") from None
    except (ValueError, LookupError, TypeError):
        before = kept_options.UNTOLD
    kept_options.check_others(folder, "compare")
    if before is not None:
        found = kept_options.differing(before, *(_options(dataclasses.asdict(one)) for one in (settings, Settings())))
        kept_options.refuse_others(folder, found, settings.overwrite)


def _settings_of(results: Path) -> Any:
    """The settings that a results.nc tells of, of a job that was killed before it wrote its summary; None: no file."""
    import xarray

    if not results.exists():
        return None
    with xarray.open_dataset(results, engine="h5netcdf") as saved:
        return json.loads(saved.attrs["settings"])


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that say what is computed."""
    return {name: value for name, value in settings.items() if name not in ("out", "overwrite")}


def save(outcome: Outcome, settings: Settings, seconds: float) -> list[Path]:
    """Write results.nc, summary.json and figures/ into the settings' folder; return the paths.

    Raises:
      ValueError: the folder cannot be written to.
    """
    from polejax._core import devices
    from polejax.analysis import figures

    folder = Path(paths.checked("out", settings.out))
    provenance = {
        "settings": dataclasses.asdict(settings) | {"out": str(folder)},
        "versions": devices.versions(),
        "machine": devices.machine(),
        "seconds": {**outcome.seconds, "in all": seconds},
        "seconds of compiling": dict(outcome.compiling),
    }
    summary = {label: as_dict(summary) for label, summary in outcome.summaries.items()}
    summary[AGAINST] = as_dict(paired(outcome.histories["PoLe"], outcome.histories["PoW"]))
    summary["service"] = {
        label: {f"{load:g}": None if found is None else as_dict(found) for load, found in by_load.items()}
        for label, by_load in outcome.service.summaries.items()
    }
    summary["service of"] = {
        "capacity": outcome.service.capacity,
        "needed": {
            label: {f"{load:g}": blocks for load, blocks in by_load.items()}
            for label, by_load in outcome.service.needed.items()
        },
        "intervals": {label: as_dict(seconds) for label, seconds in outcome.service.intervals.items()},
    }
    results = folder / "results.nc"
    partial = folder / ".results.nc.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").unlink(missing_ok=True)  # it must not tell of results that it does not belong to
        with unfinished.noted(str(partial)):
            to_xarray(outcome, provenance).to_netcdf(partial, engine="h5netcdf")
            partial.replace(results)
        text = json.dumps({**summary, **describe(provenance)}, indent=2, allow_nan=False)
        write_whole(str(folder / "summary.json"), (text + "\n").encode())
        drawn = figures.write_all(outcome.histories, outcome.scenarios, folder / "figures", service=outcome.service)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"out must be a folder that can be written to, got {folder} ({reason})") from None
    return [results, folder / "summary.json", *drawn]
