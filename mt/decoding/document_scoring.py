"""How likely a model that remembers finds the translations of documents: all is there already, so that several of a
document's sentences are read at once, as in training."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from mt.decoding.batches import RowWorkers, bound, in_batches
from mt.decoding.remembering import nothing, stacked
from mt.decoding.scoring import forced_batch, log_probs_of, padded
from mt.decoding.turns import turns
from mt.models.interface import Params

# Tokens of either side that are read at once. Shorter rows, at documents' ends, are filled up: a program more would
# take longer to compile.
_ROW = 256


def score_documents(
    workers: RowWorkers,
    model: Any,
    start: int,
    pairs: Sequence[tuple[list[int], list[int]]],
    documents: Sequence[int],
) -> list[list[float]]:
    """As `scoring.score_pairs`, each pair with the memory of those of its document that stand before it.

    Args:
        workers: see there.
        model: see `remembering.After`.
        start: see there.
        pairs: see there.
        documents: of each pair, the number of its document.
    """
    rows, of_rows = _rows(pairs, documents)
    carries = dict.fromkeys(documents, nothing(model))
    found: list[list[float]] = [[] for _ in pairs]
    for turn in turns(of_rows):
        own = [[pairs[number] for number in rows[row]] for row in turn]
        read = _read(workers, model, start, own, [carries[of_rows[row]] for row in turn])
        for row, (log_probs, carry) in zip(turn, read):
            carries[of_rows[row]] = carry
            ends = np.cumsum([len(pairs[number][1]) for number in rows[row]])
            for number, end in zip(rows[row], ends.tolist()):
                found[number] = log_probs[end - len(pairs[number][1]) : end].tolist()
    return found


def _rows(pairs: Sequence[tuple[list[int], list[int]]], documents: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """Which pairs are read at once, those of each document in their order, and the document of each row."""
    rows: list[list[int]] = []
    of_rows: list[int] = []
    last: dict[int, tuple[int, int, int]] = {}  # a document's last row, and the tokens there
    for number, ((source, target), document) in enumerate(zip(pairs, documents)):
        row, *tokens = last.get(document, (-1, _ROW, _ROW))
        tokens = [before + len(side) for before, side in zip(tokens, (source, target))]
        if max(tokens) > _ROW:
            row, tokens = len(rows), [len(source), len(target)]
            rows.append([])
            of_rows.append(document)
        rows[row].append(number)
        last[document] = (row, tokens[0], tokens[1])
    return rows, of_rows


def _read(
    workers: RowWorkers,
    model: Any,
    start: int,
    rows: Sequence[Sequence[tuple[list[int], list[int]]]],
    carries: Sequence[Any],
) -> list[tuple[np.ndarray, Any]]:
    """Of each row, the log-probabilities of its targets' tokens one after the other, and what is remembered then."""
    sizes = [max(sum(len(pair[side]) for pair in row) for side in range(2)) for row in rows]
    bounds = [_ROW]
    while bounds[-1] < max(sizes):
        bounds.append(2 * bounds[-1])

    def function(params: Params, arrays: Any) -> Any:
        carry, *tokens, source_segments, target_segments = arrays
        batch = forced_batch(*tokens) | {"source_segments": source_segments, "target_segments": target_segments}
        document = {"source": source_segments > 0, "target": target_segments > 0}  # the only one: its number is 1
        batch |= {f"{side}_documents": inside.astype(np.int32) for side, inside in document.items()}
        hidden, carry = model.apply({"params": params}, batch, carry, method="read")
        return log_probs_of(model, params, hidden, batch["target_tokens"]), carry

    def begin(numbers: list[int], length: int, height: int) -> Any:
        arrays = padded([rows[number] for number in numbers], height, length, length, start)
        batch = stacked([carries[number] for number in numbers], height), *arrays
        return workers.begin(function, model, ("log-probabilities of documents", model), batch)

    def end(numbers: list[int], found: Any) -> list[tuple[np.ndarray, Any]]:
        log_probs, carry = found
        return [(log_probs[row], jax.tree.map(lambda leaf, row=row: leaf[row], carry)) for row in range(len(numbers))]

    return in_batches(sizes, lambda size: bound(size, bounds), lambda _: workers.rows(), begin, end)
