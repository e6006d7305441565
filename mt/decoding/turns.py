"""Sentences in the order of their documents, each worked on with what is remembered of those before it."""

from collections.abc import Callable, Sequence
from typing import Any

from mt.decoding.batches import RowWorkers
from mt.decoding.remembering import nothing
from mt.decoding.scoring import forced_batch, read_pairs
from mt.models.interface import Params

_SHORTEST = 16  # tokens of a row that a program is compiled for


def read_on(
    workers: RowWorkers,
    model: Any,
    start: int,
    pairs: Sequence[tuple[list[int], list[int]]],
    carries: Sequence[Any],
) -> list[Any]:
    """What is remembered after one more sentence of each document.

    Args:
        workers: have the parameters.
        model: see `remembering.After`.
        start: the token that the decoder begins with.
        pairs: each sentence and its translation, with eos.
        carries: of the sentences before.
    """

    def read(params: Params, rows: Any) -> Any:
        carry, *arrays = rows
        return model.apply({"params": params}, forced_batch(*arrays), carry, method="read")[1]

    longest = max((len(side) for pair in pairs for side in pair), default=_SHORTEST)
    lengths = [_SHORTEST]
    while lengths[-1] < longest:
        lengths.append(2 * lengths[-1])
    return read_pairs(workers, model, "read_on", read, start, pairs, lengths, carries)


def in_turns(
    workers: RowWorkers,
    model: Any,
    start: int,
    documents: Sequence[int],
    work: Callable[[list[int], list[Any]], Sequence[tuple[list[int], list[int]]]],
) -> None:
    """Works on sentences in the order of their documents, on all that can be together.

    Args:
        workers: see `read_on`.
        model: see there.
        start: see there.
        documents: of each sentence, the number of its document.
        work: is given the numbers of some sentences, and what is remembered before each; it returns each one's ids and
            its translation's, with eos.
    """
    carries = dict.fromkeys(documents, nothing(model))
    last = {document: number for number, document in enumerate(documents)}
    for turn in turns(documents):
        before = [carries[documents[number]] for number in turn]
        pairs = work(turn, before)
        further = [place for place, number in enumerate(turn) if number != last[documents[number]]]
        read = read_on(workers, model, start, [pairs[each] for each in further], [before[each] for each in further])
        for place, carry in zip(further, read):
            carries[documents[turn[place]]] = carry


def turns(documents: Sequence[int]) -> list[list[int]]:
    """Which sentences can be searched together: each document's first, each one's second, and so on.

    Args:
        documents: of each sentence, the number of its document.
    """
    found: list[list[int]] = []
    counts: dict[int, int] = {}
    for number, document in enumerate(documents):
        turn = counts.get(document, 0)
        counts[document] = turn + 1
        if turn == len(found):
            found.append([])
        found[turn].append(number)
    return found
