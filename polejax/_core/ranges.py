"""Ranges: the sizes of numbers between which float32 neither overflows nor loses what it rounds to 0.

Powers, work, difficulties, delays and seconds of work must be from `LEAST` to `MOST`. Float32 holds numbers from
1.2e-38 to 3.4e38, and XLA rounds those nearer to 0 to 0. The margin below leaves room for a random number of 3e-8 and
the first of a million nodes; the margin above for heavy-tailed work (10^7 times its mean) and for sums (ours).
"""

import numpy as np

LEAST, MOST = 1e-24, 1e30
_TINY = np.finfo(np.float32).tiny


def check_kept(name: str, wide: np.ndarray, narrow: np.ndarray) -> None:
    """Raise a ValueError if float32 has lost a number: one that is not 0 came out as 0, or without all of its digits.

    Args:
      name: of the numbers.
      wide: as given, of any type.
      narrow: f32, the same; those that came out infinite are for the caller to refuse.
    """
    lost = (wide != 0) & (np.abs(narrow) < _TINY)
    if lost.any():
        raise ValueError(
            f"{name} must be 0 or at least {_TINY:.3g} in size, as float32 holds no smaller numbers, got "
            f"{float(wide[lost].flat[0]):g}: choose another unit"
        )


def as_delays(name: str, seconds: np.ndarray) -> np.ndarray:
    """Delays f32 of delays f64 in seconds, each 0 or in range.

    Raises:
      ValueError: a delay that is not 0 and below `LEAST`, or above `MOST` (or NaN).
    """
    wrong = (seconds != 0) & ~((seconds >= LEAST) & (seconds <= MOST))
    if wrong.any():
        got = float(seconds[wrong].flat[0])
        raise ValueError(
            f"{name} must add up to delays of 0 or from {LEAST:g} to {MOST:g} s, got {got:g}: change the unit of time"
        )
    return seconds.astype(np.float32)
