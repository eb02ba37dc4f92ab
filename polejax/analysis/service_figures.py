"""Figures of service: what users get of several chains, against load."""

import numpy as np
from matplotlib.ticker import NullLocator

from polejax._core.checked import checked
from polejax.analysis.estimate import stack
from polejax.analysis.figure_style import Plot, canvas, draw_estimate, estimate_columns, marks, say_size, shown, styled
from polejax.analysis.service_at_loads import ServiceAtLoads, latency_mean, latency_quantile


@checked
@styled
def latency_against_load(service: ServiceAtLoads) -> Plot:
    """Mean and 95% confirmation latency against load, with confidence intervals; both axes of ratios are logarithmic.

    Args:
      service: of `polejax.analysis.service_at_loads`; loads that a chain is too short for are left out.

    Returns:
      `Plot`. The horizontal axis is the unused share of the capacity, 1 - load, falling to the right.

    Raises:
      ValueError: no chain is long enough for any of the loads.
    """
    if not any(found for by_load in service.summaries.values() for found in by_load.values()):
        raise ValueError("service must have a load that some chain is long enough for, got none: play longer chains")
    figure, axes = canvas(2.7)
    columns: dict[str, np.ndarray] = {}
    for place, (label, by_load, mark) in enumerate(marks(service.summaries)):
        told = {load: found for load, found in sorted(by_load.items()) if found is not None}
        stands = np.array([(1 - load) * 1.03 ** (place - 1) for load in told])
        columns[f"{label}: load [share of its capacity]"] = np.array(list(told))
        for name, pick, filled in (("mean", latency_mean, True), ("95%", latency_quantile, False)):
            if not told:
                continue
            estimate = stack([pick(found) for found in told.values()])
            axes.plot(stands, estimate.value, color=mark.colour, ls=mark.line, lw=0.8)
            draw_estimate(axes, stands, estimate, mark, filled, label=shown(label) if filled else None)
            columns |= estimate_columns(estimate, f"{label}: {name} latency", " [s]")
    axes.set(xscale="log", yscale="log")
    axes.invert_xaxis()
    loads = sorted(service.loads)
    axes.set_xticks([1 - load for load in loads], [f"{load:g}" for load in loads])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("load [share of the chain's own capacity]")
    axes.set_ylabel("confirmation latency [s]")
    axes.legend(loc="upper left")
    say_size(axes, f"filled: mean, open: 95%; {service.capacity:,} transactions a block\n{_sizes(service)}")
    return Plot(figure, columns)


def _sizes(service: ServiceAtLoads) -> str:
    """How many chains each label has; what the bars are."""
    told = {
        label: next(found for found in by_load.values() if found is not None)
        for label, by_load in service.summaries.items()
        if any(found is not None for found in by_load.values())
    }
    chains = ", ".join(f"{shown(label)} {found.num_seeds:,}" for label, found in told.items())
    confidence = next(iter(told.values())).confidence
    return f"bars: {confidence:.0%} intervals over chains ({chains})"
