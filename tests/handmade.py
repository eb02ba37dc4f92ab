"""Histories made by hand, for tests of what is computed and drawn from them."""

import dataclasses

import numpy as np

from polejax.consensus.history import History


def history(interval, *, producer=None, stale=None, settled=None, learning=None, num_nodes=3, **fields):
    """A history whose node 0 published all stale blocks, one at a height that `stale` marks."""
    shape = np.shape(interval)
    settled = np.ones(shape, bool) if settled is None else settled
    producer = np.zeros(shape, np.int32) if producer is None else producer
    stale = np.zeros(shape, bool) if stale is None else stale
    by = np.stack([((producer == node) & settled).sum(axis=-1) for node in range(num_nodes)], axis=-1)
    by[..., 0] += (stale & settled).sum(axis=-1)
    drawn = dict(
        interval=np.asarray(interval, np.float32),
        producer=producer,
        score=np.ones(shape, np.float32),
        fallback=np.zeros(shape, bool),
        settled=settled,
        published=1 + stale.astype(np.int32),
        published_by=by,
        learning=learning,
    )
    return History(**(dict.fromkeys(field.name for field in dataclasses.fields(History)) | drawn | fields))
