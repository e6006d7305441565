"""A model's vocabularies as other toolkits number them."""

import pathlib
from typing import NamedTuple

import numpy as np

from mt.data.marian_tokenizer import order, read_vocabulary
from mt.data.tokenizers import SHARED, SOURCE, TARGET, TARGET_VOCABULARY, VOCABULARY, Tokenizers
from mt.files import write_atomically


class Vocabularies(NamedTuple):
    """Of both sides.

    Attributes:
        source: the pieces of the source, in the order of their ids there.
        target: the pieces of the target.
        orders: for "source" and "target", the id there of each of ours, int [vocab].
        models: the SentencePiece models, by the names that Marian gives them.
        special: the ids there of "pad", "start", "eos" and "unk".
    """

    source: list[str]
    target: list[str]
    orders: dict[str, np.ndarray]
    models: dict[str, bytes]
    special: dict[str, int]

    def write_models(self, folder: pathlib.Path) -> None:
        """Writes the SentencePiece models."""
        for name, model in self.models.items():
            write_atomically(folder / name, model)


def of(tokenizers: Tokenizers) -> Vocabularies:
    """Those of a model: Marian's as they came, and ours as they are."""
    files = tokenizers.files
    if SHARED in files:
        size = len(tokenizers.target)
        pieces = tokenizers.target.pieces(range(size))
        ids = np.arange(size)
        orders, written = {"source": ids, "target": ids}, {"source": pieces, "target": pieces}
        models = {SOURCE: files[SHARED], TARGET: files[SHARED]}
    else:
        names = {"source": VOCABULARY, "target": TARGET_VOCABULARY if TARGET_VOCABULARY in files else VOCABULARY}
        vocabularies = {side: read_vocabulary(files[name], name) for side, name in names.items()}
        orders = {side: order(vocabulary) for side, vocabulary in vocabularies.items()}
        written = {side: sorted(vocabulary, key=vocabulary.__getitem__) for side, vocabulary in vocabularies.items()}
        models = {name: files[name] for name in (SOURCE, TARGET)}
    special = {"pad": 0, "start": tokenizers.start, "eos": 2, "unk": 3}
    theirs = {name: int(orders["target"][number]) for name, number in special.items()}
    return Vocabularies(written["source"], written["target"], orders, models, theirs)
