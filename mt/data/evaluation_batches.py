"""A corpus in batches for a loss: every pair once, in the shapes that training has compiled already."""

from collections.abc import Iterator

import numpy as np

from mt.data.batching import BatchingConfig, Shape, assemble, plan_buckets, plan_documents, plan_packing
from mt.data.tokenized import TokenizedCorpus


def evaluation_batches(
    corpus: TokenizedCorpus, batching: BatchingConfig, shapes: list[Shape], part: tuple[int, int]
) -> Iterator[dict[str, np.ndarray]]:
    """Every pair of a corpus once, packed, in documents, or bucketed.

    Args:
        corpus: what is read.
        batching: as in training.
        shapes: see `TrainingData.shapes`.
        part: which host this is, of how many; it has that share of each batch.
    """
    lengths = np.asarray(corpus.source.lengths), np.asarray(corpus.target.lengths)
    if batching.kind == "documents":
        assert corpus.documents is not None
        plan = plan_documents(*lengths, np.asarray(corpus.documents) + 1, shapes[0])
    elif batching.kind == "packing":
        plan = plan_packing(*lengths, shapes[0], 0)
    else:
        plan = plan_buckets(*lengths, shapes, 0)
    which = np.zeros(len(corpus), np.int64)
    for batch in range(len(plan.shapes)):
        yield assemble([corpus], which, np.arange(len(corpus)), plan, batch, part)
