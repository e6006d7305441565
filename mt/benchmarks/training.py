"""Speed of training: real updates, timed as the training loop makes them."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from mt import parallel
from mt.benchmarks.timing import Measurement, seconds
from mt.data.tokenizer import BOS
from mt.training.train_step import TrainState


def target_tokens(batch: dict[str, np.ndarray]) -> int:
    """Target positions that are not padding."""
    return int(np.sum(batch["target_segments"] > 0))


def useful_flops(model: Any, batch: dict[str, np.ndarray]) -> float:
    """Of one update: the forward pass over what is not padding, and twice as much for the gradients."""
    sides = batch["source_segments"], batch["target_segments"]
    numbers = np.arange(1, max(segments.max(initial=0) for segments in sides) + 1)  # 0 is padding
    # A pair has the same number on both sides.
    source, target = ((segments[:, :, None] == numbers).sum(1).ravel() for segments in sides)
    return 3 * model.flops(source, target)


def random_batch(
    rows: int, source_length: int, target_length: int, vocab: int, seed: int = 0, aligned: bool = False
) -> dict[str, np.ndarray]:
    """A batch without padding: a sentence of random words in each row; if `aligned`, with links between them."""
    random = np.random.default_rng(seed)
    batch: dict[str, np.ndarray] = {}
    for side, length in (("source", source_length), ("target", target_length)):
        batch[f"{side}_tokens"] = random.integers(3, vocab, (rows, length)).astype(np.int32)
        batch[f"{side}_positions"] = np.broadcast_to(np.arange(length, dtype=np.int32), (rows, length))
        batch[f"{side}_segments"] = np.ones((rows, length), np.int32)
    batch["target_inputs"] = np.roll(batch["target_tokens"], 1, axis=1)
    batch["target_inputs"][:, 0] = BOS
    if aligned:
        batch["target_links"] = random.integers(-1, source_length, (rows, target_length)).astype(np.int32)
    return batch


def measure_training(
    model: Any,
    train_step: Callable[[TrainState, Any], tuple[TrainState, Any]],
    state: TrainState,
    batches: list[dict[str, np.ndarray]],
    steps: int,
    repeats: int,
) -> Measurement:
    """Target tokens a second that are not padding, over updates that are given to the device one after the other.

    Args:
        model: of the objective; counts its FLOPs.
        train_step: pmapped; the state is donated to it.
        state: replicated.
        batches: of all shapes that are to be trained on; they are taken in turn.
        steps: updates a repeat, at least.
        repeats: how often they are timed.
    """
    rounds = -(-steps // len(batches))
    sharded = [parallel.shard(batch) for batch in batches]
    tokens = rounds * sum(map(target_tokens, batches))
    flops = rounds * sum(useful_flops(model, batch) for batch in batches)

    def run():
        nonlocal state
        for batch in itertools.chain.from_iterable(itertools.repeat(sharded, rounds)):
            state, metrics = train_step(state, batch)
        return metrics

    for batch in sharded:  # compiles each shape
        state, metrics = train_step(state, batch)
    jax.block_until_ready(metrics)
    taken = seconds(run, repeats)
    return Measurement(
        "training", "target tokens/s", tuple(tokens / each for each in taken), flops / float(np.median(taken))
    )
