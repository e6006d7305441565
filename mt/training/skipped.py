"""The text of the batches whose updates were skipped, for whoever looks for what is to blame."""

import pathlib

import numpy as np

from mt import parallel
from mt.data.tokenizer import EOS
from mt.data.tokenizers import Side, Tokenizers
from mt.models.interface import Batch

SKIPPED = "skipped.tsv"
_MOST = 100  # batches, of which a training that skips one now and then for weeks leaves no more


class SkippedText:
    """Appends to a run's skipped.tsv: the step, the source (empty where there is none) and the target a line."""

    def __init__(self, run: pathlib.Path, tokenizers: Tokenizers):
        """Args:
        run: the run's folder. Each host writes the rows that it has, all but the first in a file of its own.
        tokenizers: of both sides.
        """
        own = SKIPPED if parallel.is_main() else f"{SKIPPED.removesuffix('.tsv')}-{parallel.process_index()}.tsv"
        self._path, self._tokenizers, self._left = run / own, tokenizers, _MOST

    def __call__(self, step: int, batch: Batch) -> None:
        """Adds a batch, of which this host has the rows [local devices, rows, length]."""
        if not self._left:
            return
        self._left -= 1
        sources = _texts(batch, "source", self._tokenizers.source)
        targets = _texts(batch, "target", self._tokenizers.target)
        with self._path.open("a", encoding="utf-8") as file:
            for place in sorted(sources.keys() | targets.keys()):
                file.write(f"{step}\t{sources.get(place, '')}\t{targets.get(place, '')}\n")


def _texts(batch: Batch, name: str, side: Side) -> dict[tuple[int, int], str]:
    """A side's texts by row and segment."""
    if f"{name}_tokens" not in batch:
        return {}
    tokens, segments = (
        np.asarray(batch[f"{name}_{field}"]).reshape(-1, batch[f"{name}_{field}"].shape[-1])
        for field in ("tokens", "segments")
    )
    places = [(row, segment) for row, own in enumerate(segments) for segment in np.unique(own[own > 0]).tolist()]
    ids = [tokens[row][(segments[row] == segment) & (tokens[row] > EOS)].tolist() for row, segment in places]
    return dict(zip(places, (" ".join(text.split()) for text in side.decode(ids))))
