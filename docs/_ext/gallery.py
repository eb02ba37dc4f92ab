"""The gallery: in which order its scripts stand, and how what they draw becomes an image."""

from typing import Any

from sphinx_gallery.scrapers import figure_rst, matplotlib_scraper

ORDER = (
    *("interval_survival", "interval_quantiles", "interval_series", "variation_and_stale_blocks"),
    *("price_of_steadiness", "task_spread", "stale_against_delay", "retarget_law", "difficulty_after_loss"),
    *("learning_curves", "stolen_models", "win_shares", "latency_against_load", "selfish_mining", "double_spend"),
    "internet_delays",
)


class ByTitle:
    """A sort key of file names for sphinx-gallery; a script that `ORDER` lacks comes last."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> tuple[int, str]:
        """Where a file stands."""
        stem = name.removesuffix(".py")
        return (ORDER.index(stem) if stem in ORDER else len(ORDER), stem)

    def __repr__(self) -> str:
        return "<the order of the gallery>"


def scraper(block: Any, variables: dict[str, Any], conf: dict[str, Any]) -> str:
    """Save what a script drew: pyplot's figures, or its `plot`, whose figure pyplot does not know."""
    plot = variables["example_globals"].pop("plot", None)
    if plot is None:
        return str(matplotlib_scraper(block, variables, conf))
    path = next(variables["image_path_iterator"])
    plot.figure.savefig(path, dpi=200)
    return str(figure_rst([path], conf["src_dir"]))
