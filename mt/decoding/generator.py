"""What a language model makes of text: how it goes on, and how likely it is."""

import pathlib
from collections.abc import Sequence
from typing import Any

from mt import trained
from mt.data.tokenizer import BOS, EOS
from mt.decoding.batched_search import Source, search_sources
from mt.decoding.continuing import Continuing
from mt.decoding.reader import Reader, characters, program_lengths
from mt.decoding.sampling import SamplingConfig
from mt.decoding.scoring import Score
from mt.decoding.translation import Translation, read
from mt.errors import UserError


class Generator(Reader):
    """A language model, its tokenizer and its search. Threads may share it."""

    @classmethod
    def load(cls, run: str | pathlib.Path, checkpoint: str = "best") -> "Generator":
        """The language model that a run has trained.

        Args:
            run: a folder, or a bundle's.
            checkpoint: "best" on the dev set, "last", or a step.

        Raises:
            UserError: it is not a run, has no such checkpoint, or is no language model.
        """
        return cls.of(trained.load_together([pathlib.Path(run)], checkpoint))

    @classmethod
    def of(cls, found: trained.Trained) -> "Generator":
        """The generator of a model that was read from disk.

        Raises:
            UserError: it is no language model.
        """
        return cls(trained.language_model(found), found.params, found.tokenizers, found.search, found.max_source_length)

    def generate(
        self,
        texts: Sequence[str],
        n: int = 1,
        max_tokens: int = 100,
        sampling: SamplingConfig | None = None,
        **search: Any,
    ) -> list[list[Translation]]:
        """The n best ways in which each text goes on, or n samples of them, best first; each with the text before it.

        Args:
            texts: beginnings; an empty one is that of any text.
            n: how many.
            max_tokens: what is added at most; less where the model has learnt from shorter text.
            sampling: draws them so, in place of the search.
            search: fields of `SearchConfig` to change, but for the longest length.

        Raises:
            UserError: n is more than the beam, the search has no such field, or a text is as long already as those that
                the model has learnt from.
        """
        longest: dict[str, Any] = {"max_length_factor": 0.0, "max_length_offset": max_tokens}
        config = self._search_config(search | longest)
        if not sampling and not 1 <= n <= config.beam_size:
            raise UserError(f"n best: {n} is not between 1 and the beam size, which is {config.beam_size}")
        begun = [characters(text) for text in texts]
        sources = [self._beginning(ids[:-1], number) for number, ids in enumerate(self._encoded(begun), 1)]
        lengths = program_lengths(self._max_source_length)
        found = search_sources(self._workers, Continuing(self._model), BOS, sources, config, n, lengths, sampling)
        decode = self.tokenizers.target.decode
        results = []
        for text, source, hypotheses in zip(begun, sources, found):
            before = decode([source.ids[1:]])[0]
            whole = [each._replace(tokens=[*source.ids[1:], *each.tokens]) for each in hypotheses]
            ways = read(self.tokenizers.target, source, whole, n, config.min_length)
            results.append([way._replace(text=_joined(text, before, way.text)) for way in ways])
        return results

    def likelihoods(self, texts: Sequence[str], **search: Any) -> list[Score | None]:
        """How likely each text is, see `Reader.score`."""
        return self._scores([([], ids) for ids in self._encoded(texts)], self._search_config(search))

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        """Texts' ids, with eos; of nothing, eos alone."""
        return [ids if ids else [EOS] for ids in self.tokenizers.target.encode(list(texts))]

    def _beginning(self, ids: list[int], number: int) -> Source:
        room = self._max_source_length - len(ids) - 1  # with the end, all are positions that it knows
        if room < 1:
            raise UserError(
                f"text {number}: has {len(ids)} tokens, and the model has learnt from no more than "
                f"{self._max_source_length}; give a shorter one"
            )
        return Source([BOS, *ids], room=room)


def _joined(text: str, before: str, whole: str) -> str:
    """A text and what follows it, where the tokenizer writes the text as `before`, and both together as `whole`."""
    if not whole.startswith(before):
        return whole
    rest = whole[len(before) :]
    return text + (rest.lstrip() if text[-1:].isspace() else rest)
