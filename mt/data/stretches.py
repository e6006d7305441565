"""Lines joined to as much as a row holds, or cut where they are longer."""

import numpy as np

from mt.data.tokenized import Side, TokenizedCorpus, pack


def in_stretches(corpus: TokenizedCorpus, longest: int, shortest: int = 0, seed: int = 0) -> TokenizedCorpus:
    """A corpus whose pairs are whole documents, or stretches of those that are too long: cut between lines, each
    stretch as long as may be. Between lines there is no eos.

    Args:
        corpus: of lines, in the order of their documents.
        longest: the most tokens of either side that a stretch may have, its eos included; no line has more.
        shortest: if not 0, how long each may be is drawn between this and `longest`, by a density of 1 / length²: then
            stretches of each order of magnitude have as many tokens. One line is always one stretch at least.
        seed: of what is drawn.
    """
    assert corpus.documents is not None
    sides = corpus.source, corpus.target
    lengths = np.stack([np.maximum(side.lengths, 1) - 1 for side in sides], axis=1)  # [pairs, 2], without eos
    random = np.random.default_rng(seed)
    first: list[int] = []
    document, room = -1, np.zeros(2, np.int64)
    for number, (own, sizes) in enumerate(zip(corpus.documents.tolist(), lengths)):
        if own != document or np.any(sizes > room):
            first.append(number)
            document, length = own, longest
            if shortest:
                length = int(1 / (1 / shortest - random.random() * (1 / shortest - 1 / longest)))
            room = np.full(2, length - 1)
        room = room - sizes
    joined = [_joined(side, first) for side in sides]
    return TokenizedCorpus(joined[0], joined[1], corpus.counts, corpus.start, corpus.documents[first])


def _joined(side: Side, first: list[int]) -> Side:
    """Each stretch as one sentence; `first` are the numbers of their first lines."""
    tokens = np.asarray(side.tokens)  # slices of a memory map are slow
    lines = [tokens[start : start + length] for start, length in zip(side.starts.tolist(), side.lengths.tolist())]
    stretches = []
    for begin, end in zip(first, [*first[1:], len(lines)]):
        inner = [line[:-1] for line in lines[begin : end - 1]]
        stretches.append(np.concatenate([*inner, lines[end - 1]]))
    return pack(stretches)


def in_pieces(corpus: TokenizedCorpus, longest: int) -> TokenizedCorpus:
    """Text of one language, in the order of its documents, whose longer lines are several that follow each other; the
    last of them alone has an eos.

    Args:
        corpus: of lines without a source.
        longest: the most tokens that a piece may have.
    """
    assert corpus.documents is not None and not np.any(corpus.source.lengths)
    pieces = -(-corpus.target.lengths // longest)
    line = np.repeat(np.arange(len(corpus)), pieces)
    before = longest * (np.arange(len(line)) - np.repeat(np.cumsum(pieces) - pieces, pieces))
    lengths = np.minimum(corpus.target.lengths[line] - before, longest).astype(np.int32)
    target = Side(corpus.target.tokens, corpus.target.starts[line] + before, lengths)
    source = Side(corpus.source.tokens, corpus.source.starts[line], np.zeros_like(lengths))
    return TokenizedCorpus(source, target, corpus.counts, corpus.start, corpus.documents[line])
