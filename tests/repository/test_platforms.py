"""What XLA or a platform needs stays out of protocol code: three files alone may ask where they run."""

import io
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "polejax"
MAY_ASK = {"_core/numerics.py", "_core/lanes.py", "learning/layers.py"}
QUESTIONS = {"default_backend", "platform_dependent", "compute_capability"}


def questions(text):
    """Questions in code; comments and docstrings may speak of them."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME} & QUESTIONS


@pytest.mark.smoke
def test_only_three_files_ask_for_the_platform():
    asking = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if questions(path.read_text(encoding="utf-8"))
    }
    assert asking <= MAY_ASK
    assert "_core/numerics.py" in asking  # the search finds what there is
