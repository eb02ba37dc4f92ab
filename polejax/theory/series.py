"""Series that several closed forms share."""

import math


def geometric_sum(exponent: float, terms: int) -> float:
    """Sum of exp(-exponent * i) for i = 1 .. terms, without cancellation near exponent 0."""
    return math.exp(-exponent) * math.expm1(-terms * exponent) / math.expm1(-exponent)
