"""What a run is trained and evaluated on."""

import dataclasses
import math
import pathlib

from mt.data.augmentation import AugmentationConfig
from mt.data.batching import BatchingConfig
from mt.data.datasets import Languages, has_splits
from mt.data.infilling import InfillingConfig
from mt.data.subword_sampling import SubwordSamplingConfig
from mt.data.tokenized import FilterConfig, default_cache
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained and evaluated on.

    Attributes:
        source_language: code of the language that is translated, as files and datasets name it; empty is text of the
            target language alone, for a language model or with infilling. The target language itself is that too, but
            each line is the source of the one after it, for pairs of sentences that follow each other.
        target_language: code of the language that it is translated into.
        train: corpora to train on. Each is a folder with train.SOURCE and train.TARGET, a .tsv file, two files with a
            comma between them, or a TFDS name; .gz and .xz too; [SPLIT] at its end takes another split than its own,
            and $NAME is an environment variable's value. Of text in one language, a folder with train.TARGET, a file
            of lines, or a TFDS name.
        train_weights: how many times an epoch each corpus is seen, 1 if left out. The vocabulary is learnt from the
            corpora in the same proportion.
        dev: corpus to choose the best checkpoint by; empty is the first training corpus' own dev split.
        test: corpus to report on; empty is the first training corpus' own test split.
        whole_documents: whether all lines of a document, which blank ones part, are one pair: for models that read as
            many tokens at once. In training, one that is longer than a row is as many pairs as it takes, cut between
            lines.
        shortest_stretch: with whole_documents, if not 0: documents are cut in training into stretches of this many to
            as many tokens as a row holds, at random, and those of each order of magnitude have as many tokens, so that
            a model learns of short ones which words belong together, and of long ones what is far away.
        filter: which training pairs are left out.
        augmentation: whether pairs are joined, or written with less care or in capitals.
        sampling: whether sentences are cut into other pieces each time (subword regularisation).
        infilling: whether text of one language has itself with some words hidden as its source.
        batching: how pairs become batches.
        cache: folder of tokenised corpora; empty is $MT_CACHE or ~/.cache/mt.
    """

    source_language: str = "en"
    target_language: str = "fr"
    train: tuple[str, ...] = ("tatoeba_en_fr",)
    train_weights: tuple[float, ...] = ()
    dev: str = ""
    test: str = ""
    whole_documents: bool = False
    shortest_stretch: int = 0
    filter: FilterConfig = FilterConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    sampling: SubwordSamplingConfig = SubwordSamplingConfig()
    infilling: InfillingConfig = InfillingConfig()
    batching: BatchingConfig = BatchingConfig()
    cache: str = ""

    def __post_init__(self):
        if self.train_weights and len(self.train_weights) != len(self.train):
            raise UserError(
                f"data.train_weights: {len(self.train_weights)} weights for {len(self.train)} corpora in data.train; "
                "give one for each, or none"
            )
        if not all(0 < weight < math.inf for weight in self.train_weights):
            raise UserError("data.train_weights: every weight must be positive; leave out a corpus to weigh it 0")
        if not self.target_language:
            raise UserError("data.target_language: is empty; name the language of the text")
        if self.infilling.share and self.source_language:
            raise UserError("data.infilling: is of text alone; set data.source_language to nothing")
        if not self.source_language and (self.sampling.source or self.augmentation != AugmentationConfig()):
            raise UserError("data.sampling.source, data.augmentation: need a source, but data.source_language is empty")
        if self.augmentation.joined and self.batching.kind == "documents":
            raise UserError("data.augmentation.joined: joins any two pairs, but data.batching.kind keeps their order")
        if self.whole_documents and self.batching.kind == "documents":
            raise UserError(
                "data.whole_documents: leaves no lines to keep in order; set data.batching.kind to packing or buckets"
            )
        if self.shortest_stretch and not self.whole_documents:
            raise UserError("data.shortest_stretch: is of whole documents; set data.whole_documents to True")
        longest = self.filter.max_length or self.batching.row_length
        if not 0 <= self.shortest_stretch <= longest:
            raise UserError(
                f"data.shortest_stretch: {self.shortest_stretch} is not between 0 and {longest}, the longest"
            )
        if self.whole_documents and self.source_language == self.target_language:
            raise UserError("data.whole_documents: has no lines that follow each other; set data.source_language")
        if self.filter.max_length > self.batching.row_length:
            raise UserError(
                f"data.filter.max_length: {self.filter.max_length} tokens do not fit data.batching.row_length "
                f"{self.batching.row_length}"
            )

    @property
    def languages(self) -> Languages:
        """The direction."""
        return Languages(self.source_language, self.target_language, self.whole_documents)

    @property
    def of_lines(self) -> Languages:
        """The direction, a line by itself also where documents are one pair."""
        return Languages(self.source_language, self.target_language)

    @property
    def has_source(self) -> bool:
        """Whether there are source sentences in batches."""
        return bool(self.source_language or self.infilling.share)

    @property
    def translates(self) -> bool:
        """Whether sources are one language's, and targets another's."""
        return not self.languages.alone

    @property
    def cuts_lines(self) -> bool:
        """Whether lines that are longer than a row go on in the next: text alone in its order has no gaps then."""
        in_order = self.batching.kind == "documents" and not (self.source_language or self.infilling.share)
        return in_order and not self.filter.max_length

    @property
    def cache_folder(self) -> pathlib.Path:
        """Where tokenised corpora are kept."""
        return pathlib.Path(self.cache).expanduser() if self.cache else default_cache()

    @property
    def training_corpora(self) -> tuple[str, ...]:
        """What is trained on.

        Raises:
            UserError: nothing is named.
        """
        if not self.train:
            raise UserError("data.train: no corpus; name at least one")
        return self.train

    def corpus(self, split: str) -> str:
        """The corpus of "dev" or "test".

        Raises:
            UserError: none is named, and the first training corpus has no such part.
        """
        named = getattr(self, split)
        if not named and not self.train:
            raise UserError(
                f"data.{split}: no corpus is named, and none to train on either; name one, or give mt evaluate "
                "--source and --reference"
            )
        if not named and not has_splits(self.train[0]):
            raise UserError(f"data.{split}: name a corpus for it; {self.train[0]} has no {split} part of its own")
        return named or self.train[0].partition("[")[0]
