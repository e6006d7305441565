"""The tf.data pipeline from tokenised corpora to batches. Its position is a small value, its order a pure function."""

import dataclasses
import functools
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

import numpy as np

from mt.data.augmentation import augment
from mt.data.backwards import BACKWARDS, with_backwards
from mt.data.batching import (
    Plan,
    Shape,
    assemble,
    fit_buckets,
    plan_buckets,
    plan_documents,
    plan_packing,
)
from mt.data.data_config import DataConfig
from mt.data.document_order import DocumentOrder
from mt.data.infilling import infill
from mt.data.mixture import Mixture
from mt.data.stretches import in_pieces, in_stretches
from mt.data.subword_sampling import resample
from mt.data.tensorflow import import_tensorflow
from mt.data.tokenized import FilterConfig, Pairs, TokenizedCorpus, tokenized_corpus
from mt.data.tokenizers import Tokenizers
from mt.data.word_alignment import WordAlignment
from mt.errors import UserError

# Pairs that are planned together, and the fewest batches that make: the last batch of each shape in a window may be
# partly empty, so a window must hold many.
_WINDOW_PAIRS = 1 << 18
_WINDOW_BATCHES = 200
_MOST_DOCUMENTS = 2**31 - 2
_ANY_LENGTH = 2**31 - 1


def tokenized(
    config: DataConfig,
    corpus: str,
    split: str,
    tokenizers: Tokenizers,
    filters: FilterConfig,
    progress: Callable[[Pairs], Pairs] = lambda pairs: pairs,
    seed: int | None = None,
) -> TokenizedCorpus:
    """A corpus as it is read in training; see `tokenized_corpus` for the arguments. The seed is of the stretches that
    are trained on; None is whole documents."""
    longest = filters.max_length
    if config.cuts_lines:
        filters = dataclasses.replace(filters, max_length=_ANY_LENGTH)
    found = tokenized_corpus(corpus, split, config.of_lines, tokenizers, filters, config.cache_folder, progress)
    if config.cuts_lines:
        return in_pieces(found, longest)
    if not config.whole_documents:
        return found
    return in_stretches(found, filters.max_length, 0 if seed is None else config.shortest_stretch, seed or 0)


class Position(NamedTuple):
    """Where in the training data a run stands: the next batch's epoch, window of the epoch, and place in the window."""

    epoch: int = 0
    window: int = 0
    batch: int = 0


@dataclasses.dataclass(frozen=True)
class _Window:
    """Pairs that are planned together.

    Attributes:
        corpora: where their tokens are.
        corpus: int64 [pairs], the corpus of each.
        index: int64 [pairs], its index there.
        plan: of their batches.
    """

    corpora: list[TokenizedCorpus]
    corpus: np.ndarray
    index: np.ndarray
    plan: Plan


class TrainingData:
    """The training batches of a run, from any position on."""

    def __init__(
        self,
        config: DataConfig,
        tokenizers: Tokenizers,
        seed: int,
        shares: int = 1,
        share: int = 0,
        aligned: bool = False,
    ):
        """Args:
        config: what and how.
        tokenizers: of the run.
        seed: of the order.
        shares: how many hosts share each batch.
        share: which of them this one is.
        aligned: whether batches say which source token each target token comes from, see `load`.
        """
        batching = config.batching
        filters = config.filter
        if not filters.max_length:
            filters = dataclasses.replace(filters, max_length=batching.row_length)
        self.corpora = [
            tokenized(config, corpus, "train", tokenizers, filters, _progress, seed)
            for corpus in config.training_corpora
        ]
        self.names = config.train
        weights = config.train_weights or (1.0,) * len(self.corpora)
        self._mixture = Mixture(tuple(len(corpus) for corpus in self.corpora), weights, seed)
        self._batching, self._seed, self._part = batching, seed, (share, shares)
        self._augmentation, self._sampling, self._tokenizers = config.augmentation, config.sampling, tokenizers
        self._infilling, self._whole_documents = config.infilling, config.whole_documents
        self._unit = "lines" if config.languages.alone else "pairs"
        self._documents = DocumentOrder(self.corpora, weights, seed) if batching.kind == "documents" else None
        if batching.kind != "buckets":
            self.shapes = [Shape(batching.rows(batching.row_length), batching.row_length, batching.row_length)]
        else:
            sample = [_some_lengths(corpus) for corpus in self.corpora]
            source_lengths, target_lengths = np.concatenate(sample, axis=1)
            self.shapes = fit_buckets(source_lengths, target_lengths, batching)
        if not config.has_source:
            self.shapes = [shape._replace(source_length=0) for shape in self.shapes]
        for shape in self.shapes:
            if shape.rows % shares:
                raise UserError(f"data.batching: {shape.rows} rows a batch cannot be shared by {shares} hosts")
        # The corpora's own mean, so that the window depends on nothing but the config and the data.
        mean = max(1.0, float(np.mean([np.mean(_some_lengths(corpus)[1]) for corpus in self.corpora])))
        self._window = max(_WINDOW_PAIRS, int(_WINDOW_BATCHES * batching.batch_tokens / mean))
        self._alignment = WordAlignment.of(self.corpora, self._mixture) if aligned else None
        self._planned = functools.lru_cache(maxsize=2)(self._plan)

    def report(self) -> Iterator[str]:
        """Lines that say what was read, what was left out and why, and which shapes there are."""
        for name, corpus in zip(self.names, self.corpora):
            dropped = {reason: count for reason, count in corpus.counts.items() if reason != "read"}
            read, said = corpus.counts["read"], ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
            joined = f", as {len(corpus):,} stretches of documents" * self._whole_documents
            kept = f"{read - sum(dropped.values()):,} of {read:,} {self._unit} kept"
            yield f"{name}: {kept}{joined}; left out: {said}"
            if self._documents and dropped["duplicate"]:
                yield (
                    f"{name}: the duplicates leave gaps in its documents; with data.filter.duplicates keep they stay"
                )
        written = ", ".join(f"{rows} x {source}+{target}" for rows, source, target in self.shapes)
        yield (
            f"batches: {self._batching.kind}, rows x source+target: {written}; "
            f"{self.fill():.1%} of target positions are tokens"
        )

    def fill(self) -> float:
        """The share of target positions in the first window's batches that are no padding."""
        window = self._planned(0, 0)
        tokens = sum(
            int(each.target.lengths[window.index[window.corpus == number]].sum())
            for number, each in enumerate(window.corpora)
        )
        return tokens / sum(shape.rows * shape.target_length for shape in window.plan.shapes)

    def _windows(self) -> int:
        return 1 if self._documents else -(-len(self._mixture) // self._window)

    def _plan(self, epoch: int, window: int) -> _Window:
        if self._documents:
            corpus, index, document = self._documents.pairs(epoch)
        else:
            start = window * self._window
            corpus, index = self._mixture.pairs(epoch, start, min(start + self._window, len(self._mixture)))
        corpora = self.corpora
        variations: tuple[tuple[int, Any, Any], ...] = (
            (4, augment, self._augmentation),
            (3, resample, self._sampling),
            (5, infill, self._infilling),
        )
        for stream, vary, config in variations:
            if config != type(config)():
                longest, seed = self._batching.row_length, (self._seed, stream, epoch, window)
                corpora = [vary(corpora, corpus, index, self._tokenizers, config, longest, seed)]
                index = np.arange(len(corpora[0]))
                corpus = np.zeros_like(index)
        lengths = np.empty((2, len(corpus)), np.int64)
        for number, each in enumerate(corpora):
            own = corpus == number
            lengths[0, own] = each.source.lengths[index[own]]
            lengths[1, own] = each.target.lengths[index[own]]
        shuffle = int(np.random.SeedSequence([self._seed, 2, epoch, window]).generate_state(1)[0])
        if self._documents:
            # No document of an epoch has the number of one in the epoch before, whose end may still be remembered.
            numbers = (document + epoch * int(document[-1]) - 1) % _MOST_DOCUMENTS + 1
            of_rows = shuffle if self._batching.shuffle_rows else None
            plan = plan_documents(lengths[0], lengths[1], numbers, self.shapes[0], of_rows)
        elif self._batching.kind == "packing":
            plan = plan_packing(lengths[0], lengths[1], self.shapes[0], shuffle)
        else:
            plan = plan_buckets(lengths[0], lengths[1], self.shapes, shuffle)
        return _Window(corpora, corpus, index, plan)

    def _positions(self, position: Position) -> Iterator[Position]:
        epoch, window, batch = position
        while True:
            while window < self._windows():
                for number in range(batch, len(self._planned(epoch, window).plan.shapes)):
                    yield Position(epoch, window, number)
                window, batch = window + 1, 0
            epoch, window = epoch + 1, 0

    def load(self, position: Position) -> dict[str, np.ndarray]:
        """This host's share of the batch at a position; see `batching.assemble`. Where it is to be aligned, with
        "target_links", see `WordAlignment.of_batch`."""
        window = self._planned(position.epoch, position.window)

        def read(number: int) -> dict[str, np.ndarray]:
            return assemble(window.corpora, window.corpus, window.index, window.plan, number, self._part)

        batch = read(position.batch)
        if self._batching.backwards:
            rows = len(batch["target_tokens"])
            mirrored = len(window.plan.shapes) - 1 - position.batch
            batch = with_backwards(batch, read(mirrored), self._part[0] * rows)
        return batch | {"target_links": self._alignment.of_batch(batch)} if self._alignment else batch

    def batches(self, position: Position) -> Generator[tuple[Position, dict[str, np.ndarray]], None, None]:
        """Endless batches from a position on, made ahead of time in the background.

        Returns:
            Of each batch: the position after it, and its arrays.
        """
        tf = import_tensorflow()
        names = [f"{side}_{field}" for side in ("source", "target") for field in ("tokens", "positions", "segments")]
        names += ["target_inputs", *["target_links"] * (self._alignment is not None)]
        if self._documents:
            names += ["source_documents", "target_documents", *[BACKWARDS] * self._batching.backwards]

        def positions():
            ahead = self._positions(position)
            current = next(ahead)
            for following in ahead:
                yield np.array([current, following], np.int64)
                current = following

        def make(places):
            def load(places):
                batch = self.load(Position(*places[0].tolist()))
                return [batch[name] for name in names]

            arrays = tf.numpy_function(load, [places], [tf.int32] * len(names))
            return places[1], *arrays

        dataset = tf.data.Dataset.from_generator(positions, output_signature=tf.TensorSpec((2, 3), tf.int64))
        dataset = dataset.map(make, num_parallel_calls=2, deterministic=True).prefetch(8)
        for after, *arrays in dataset.as_numpy_iterator():
            yield Position(*after.tolist()), dict(zip(names, arrays))


def _some_lengths(corpus: TokenizedCorpus) -> np.ndarray:
    """Source and target lengths of about 100,000 pairs spread evenly over the corpus, [2, pairs]."""
    stride = max(1, len(corpus) // 100_000)
    return np.stack([corpus.source.lengths[::stride], corpus.target.lengths[::stride]])


def _progress(pairs):
    from tqdm import tqdm

    return tqdm(pairs, desc="tokenising", unit=" pairs", unit_scale=True, mininterval=1, file=sys.stderr)
