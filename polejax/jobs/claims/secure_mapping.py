"""Claim 3: what the Secure Mapping Layer detects, as `polejax attack` and experiments/sml_claims.md measured it."""

from polejax.jobs.claims.section import Section
from polejax.jobs.claims.workbench import Bench, Row

PAGE = "experiments/sml_claims.md"
VERDICTS = (
    (
        "a stolen model, claimed as it is, is detected",
        "holds under every layer measured: test accuracy 0.10 to 0.11 where chance is 0.10, detection 64 of 64",
    ),
    (
        "so theft is worth nothing",
        "fails behind every square or expanding linear layer before a dense model, and per patch before a convolution: "
        "a model re-based by `A' = pinv(W_j) W_i A` is accepted 64 times of 64 and saves 100% [94, 100]",
    ),
    (
        "fine-tuning a stolen model, or training under an old key, is worth nothing",
        "nearly, on average, but not in a race: fine-tuning saves 8% [5, 10] behind a gaussian layer, an advantage of "
        "2.3 [2.0, 2.7]; pre-training 14% [11, 16] and 3.3 [2.9, 3.7]",
    ),
    (
        "the layer costs little accuracy",
        "depends on the law: orthogonal -0.01 [-0.17, 0.15] points, gaussian 0.9 [0.7, 1.0], before a convolution 5.7 "
        "[5.1, 6.3] flat",
    ),
    (
        "honest claims are not turned down",
        "holds with the margin of 0.05: no first claim of 64 was rejected (interval up to 5.6%; 7.7% before a "
        "convolution); without a margin 2 to 13% (dense)",
    ),
)
"""Claims and verdicts of the page, whose numbers a test looks up there."""


def measure(bench: Bench) -> list[Row]:
    """Nothing: this job does not train cheats."""
    return []


def tell(rows: list[Row]) -> Section:
    """The page's verdicts in five lines."""
    return Section(
        name="secure_mapping",
        title="The Secure Mapping Layer catches cheats at a small cost",
        claim='"SML can detect cheating nodes at small cost to the predictive performance" (abstract of 2007.15145).',
        measured=(
            "Not by this job: `polejax attack` trains the cheats, 64 to 512 seeds each, and "
            f"[{PAGE}](../{PAGE}) reports every layer, attack and interval. Its verdicts in five lines:"
        ),
        verdict=(
            "holds for plain theft; fails against re-basing, which makes a stolen model pass behind every square or "
            "expanding linear layer; the cost in accuracy depends on the layer's law"
        ),
        depends=(
            "the layer's law, size and activation, which the paper leaves open",
            "whether an attacker knows the samples in advance",
        ),
        not_measured=("harder tasks than the digits; see the end of the page",),
        rows=rows,
        plot=None,
        table=[["claim", "verdict"], *(list(line) for line in VERDICTS)],
    )
