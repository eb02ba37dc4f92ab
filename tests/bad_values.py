"""Values that users pass by mistake, or to see what happens: fifty and more, each with a name."""

import datetime
import decimal
import fractions

import jax
import jax.numpy as jnp
import numpy as np
from handmade import history

import polejax as pj


class Hostile:
    """An object that raises whatever is asked of it."""

    def __repr__(self):
        raise RuntimeError("no\nname")

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no\narray")

    def __float__(self):
        raise RuntimeError("no\nfloat")

    def __eq__(self, other):
        raise RuntimeError("not\ncomparable")

    __hash__ = None


STRUCTURED = np.array([(1.0, 2)], dtype=[("a", "f4"), ("b", "i4")])

BAD = {
    "None": None,
    "True": True,
    "False": False,
    "np.True_": np.True_,
    "no": "no",
    "empty text": "",
    "600 as text": "600",
    "lines": "two\nlines",
    "NUL": "\0",
    "bytes": b"600",
    "nan": float("nan"),
    "np.nan": np.float32("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "-1": -1,
    "-0.5": -0.5,
    "0": 0,
    "0.5": 0.5,
    "1.5": 1.5,
    "1e30": 1e30,
    "1e-30": 1e-30,
    "1e39": 1e39,
    "1e300": 1e300,
    "10^400": 10**400,
    "10^5000": 10**5000,
    "complex": 1 + 2j,
    "NaN of Decimal": decimal.Decimal("NaN"),
    "third": fractions.Fraction(1, 3),
    "date": datetime.date(2020, 1, 1),
    "datetime64": np.datetime64("2020-01-01"),
    "timedelta64": np.timedelta64(3, "s"),
    "datetimes": np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"),
    "masked": np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]),
    "structured": STRUCTURED,
    "void": STRUCTURED[0],
    "objects": np.array([1.0, None, "x"], object),
    "texts": np.array(["1", "2", "3"]),
    "flags": np.array([True, False, True]),
    "empty": [],
    "with None": [1.0, None, 3.0],
    "with True": [True, 2.0, 3.0],
    "ragged": [[1.0, 2.0], [3.0]],
    "with nan": [1.0, float("nan"), 3.0],
    "three": [3.0, 2.0, 1.0],
    "square": np.ones((3, 3)),
    "cube": np.ones((3, 3, 3), np.float32),
    "dict": {"a": 1.0},
    "set": {1.0},
    "range": range(3),
    "generator": (value for value in ()),
    "object": object(),
    "hostile": Hostile(),
    "function": lambda *args: None,
    "module": np,
    "class": pj.PoW,
    "class of networks": pj.network.Clique,
    "class of adversaries": pj.attacks.Withholding,
    "mechanism": pj.PoW(600.0),
    "nodes": pj.nodes.equal(3),
    "network": pj.network.clique(3, 1.0),
    "history": history(np.ones((2, 5), np.float32)),
    "key": jax.random.key(0),
    "raw key": jax.random.PRNGKey(0),
    "keys": jax.random.split(jax.random.key(0), 2),
    "jax flags": jnp.ones(3, bool),
}
