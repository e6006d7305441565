"""Speed of the tf.data pipeline alone."""

import itertools
import time

from mt.benchmarks.timing import Measurement
from mt.benchmarks.training import target_tokens
from mt.data.pipeline import Position, TrainingData


def measure_input(data: TrainingData, seconds: float, repeats: int) -> Measurement:
    """Target tokens a second that are not padding, of batches that nobody waits for.

    Args:
        data: tokenised.
        seconds: of each repeat.
        repeats: one after the other on the same stream, whose beginning does not count.
    """
    batches = data.batches(Position())
    for _ in itertools.islice(batches, 10):
        pass
    rates = []
    for _ in range(repeats):
        start, tokens = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - start) < seconds:
            tokens += target_tokens(next(batches)[1])
        rates.append(tokens / elapsed)
    batches.close()
    return Measurement("input", "target tokens/s", tuple(rates))
