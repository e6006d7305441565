"""How likely a model finds translations that are there already."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mt.decoding.batches import RowWorkers, bound, in_batches
from mt.decoding.ensemble import Ensemble, log_mean
from mt.decoding.fusion import Fused, nothing
from mt.decoding.remembering import After, after, stacked
from mt.layers.attention_maps import maps_of
from mt.models.interface import Batch, Params

# Tokens of a side beyond which pairs are read one by one.
_LONGEST_TOGETHER = 1024


class Score(NamedTuple):
    """What a model makes of a source's translation.

    Attributes:
        score: what the search ranks translations by: the log-probability over the length penalty.
        log_prob: in nats, the end included; the sum of the tokens'.
        pieces: the translation's tokens as the tokenizer writes them, the end included.
        log_probs: of each of them, given the source and those before it.
    """

    score: float
    log_prob: float
    pieces: list[str]
    log_probs: list[float]


def forced_log_probs(model: Any) -> Callable[[Params, tuple[jax.Array, jax.Array, jax.Array]], jax.Array]:
    """The log-probability of each token of a translation, as the search would find it, in one pass.

    Args:
        model: a Flax module with the methods `hidden` and `logits`, an `Ensemble` of such, a `Fused`, of which it is
            what the search adds up, or an `After`.

    Returns:
        A function of parameters and int arrays: source [rows, source_length], target inputs and targets
        [rows, target_length], all padded with 0. It returns float32 [rows, target_length], 0 at padding.
    """
    if isinstance(model, Ensemble):
        members = [forced_log_probs(member) for member in model.members]

        def joint(params: Params, rows: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            return log_mean([member(own, rows) for member, own in zip(members, params)])

        return joint
    if isinstance(model, Fused):
        own, others = forced_log_probs(model.translator), forced_log_probs(model.language_model)

        def fused(params: Params, rows: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            source, inputs, targets = rows
            return own(params[0], rows) + model.weight * others(params[1], (nothing(source), inputs, targets))

        return fused
    before: tuple[Any, ...] = ()
    if isinstance(model, After):
        model, before = model.model, (model.carry,)

    def log_probs(params: Params, rows: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        found = model.apply({"params": params}, forced_batch(*rows), *before, method="read" if before else "hidden")
        return log_probs_of(model, params, found[0] if before else found, rows[2])

    return log_probs


def log_probs_of(model: Any, params: Params, hidden: jax.Array, targets: jax.Array) -> jax.Array:
    """The log-probability of each target, given the hidden state before it.

    Args:
        model: a Flax module with the method `logits`.
        params: its parameters.
        hidden: [rows, target_length, model_dim].
        targets: int [rows, target_length], padded with 0.

    Returns:
        float32 [rows, target_length], 0 at padding.
    """

    # A row at a time: of all rows together, logits would take more memory than all else.
    def of_row(row: tuple[jax.Array, jax.Array]) -> jax.Array:
        logits = model.apply({"params": params}, row[0], method="logits")  # [target_length, vocab]
        chosen = jnp.take_along_axis(logits, row[1][:, None], axis=-1)[:, 0]
        return jnp.where(row[1] > 0, chosen - jax.nn.logsumexp(logits, axis=-1), 0.0)

    return jax.lax.map(of_row, (hidden, targets))


def attention_maps(
    model: Any, params: Params, source: list[int], inputs: list[int], targets: list[int]
) -> dict[str, np.ndarray]:
    """Where a model's attention looks, as it reads a source and a translation.

    Args:
        model: see `forced_log_probs`.
        params: its parameters.
        source: with eos.
        inputs: what the decoder reads.
        targets: what it is to write.

    Returns:
        float32 [layers, heads, query, key] by name, see `attention_maps.with_attention`.
    """
    batch = forced_batch(*(np.array([ids], np.int32) for ids in (source, inputs, targets)))

    found = jax.device_get(jax.jit(lambda params: maps_of(model, params, batch))(params))
    return {name: np.stack(layers)[:, 0] for name, layers in found.items()}


def forced_batch(source: Any, inputs: Any, targets: Any) -> Batch:
    """A batch of pairs, one a row, as a model is trained on; see `forced_log_probs` for the arguments."""
    batch = {"source_tokens": source, "target_tokens": targets, "target_inputs": inputs}
    for side, tokens in (("source", source), ("target", targets)):
        batch[f"{side}_segments"] = (tokens > 0).astype(jnp.int32)
        batch[f"{side}_positions"] = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    return batch


def score_pairs(
    workers: RowWorkers,
    model: Any,
    start: int,
    pairs: Sequence[tuple[list[int], list[int]]],
    lengths: Sequence[int],
    carries: Sequence[Any] | None = None,
) -> list[list[float]]:
    """The log-probability of each of the targets' tokens.

    Args:
        workers: have the parameters.
        model: see `forced_log_probs`.
        start: the token that the decoder begins with.
        pairs: source and target, each with eos.
        lengths: of either side that programs are compiled for, the last no shorter than the longest.
        carries: what is remembered before each pair, see `remembering.After`; None is nothing.
    """
    name, function = "log-probabilities", forced_log_probs(model) if carries is None else after(model, forced_log_probs)
    found = read_pairs(workers, model, name, function, start, pairs, lengths, carries)
    return [of_row[: len(target)].tolist() for of_row, (_, target) in zip(found, pairs)]


def read_pairs(
    workers: RowWorkers,
    model: Any,
    name: str,
    function: Callable[[Params, Any], Any],
    start: int,
    pairs: Sequence[tuple[list[int], list[int]]],
    lengths: Sequence[int],
    carries: Sequence[Any] | None = None,
) -> list[Any]:
    """What a model makes of translations that are there already.

    Args:
        workers: see `score_pairs`.
        model: which the function is of.
        name: of the function, which together with the model decides what it does.
        function: of parameters and the arrays of `forced_log_probs`; its result, an array or a tree of them, has a
            row for each of theirs.
        start: see `score_pairs`.
        pairs: see there.
        lengths: see there.
        carries: see there; with them, they are the first of the arrays.

    Returns:
        A row a pair, padded.
    """

    def begin(numbers: list[int], shape: tuple[int, int], height: int) -> Any:
        batch: Any = padded([[pairs[number]] for number in numbers], height, *shape, start)[:3]
        if carries is None:
            return workers.begin(function, model, (name, model), batch)
        batch = stacked([carries[number] for number in numbers], height), *batch
        return workers.begin(function, model, ("after", name, model), batch)

    def shape_of(sizes: tuple[int, int]) -> tuple[int, int]:
        return bound(sizes[0], lengths), bound(sizes[1], lengths)

    sizes = [(len(source), len(target)) for source, target in pairs]

    def end(numbers: list[int], found: Any) -> list[Any]:
        leaves, structure = jax.tree.flatten(found)
        return [jax.tree.unflatten(structure, [leaf[row] for leaf in leaves]) for row in range(len(numbers))]

    # Attention to a whole source grows with the square of the length: of what is longest, one row at a time.
    def heights_of(shape: tuple[int, int]) -> list[int]:
        return workers.rows() if max(shape) <= _LONGEST_TOGETHER else workers.rows()[:1]

    return in_batches(sizes, shape_of, heights_of, begin, end)


def padded(
    rows: Sequence[Sequence[tuple[list[int], list[int]]]],
    height: int,
    source_length: int,
    target_length: int,
    start: int,
) -> tuple[np.ndarray, ...]:
    """The arrays of `forced_log_probs`, int32, of rows that hold several pairs one after the other, and of either side
    which pair each token is of, from 1; rows past those given are padding."""
    source, source_segments = (np.zeros((height, source_length), np.int32) for _ in range(2))
    inputs, targets, target_segments = (np.zeros((height, target_length), np.int32) for _ in range(3))
    for row, pairs in enumerate(rows):
        read = written = 0
        for segment, (ids, answer) in enumerate(pairs, 1):
            here, there = slice(read, read + len(ids)), slice(written, written + len(answer))
            source[row, here], source_segments[row, here] = ids, segment
            targets[row, there], target_segments[row, there] = answer, segment
            inputs[row, there] = [start, *answer[:-1]]
            read, written = here.stop, there.stop
    return source, inputs, targets, source_segments, target_segments
