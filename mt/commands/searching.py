"""How a command line has translations found."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from mt.arguments import default
from mt.commands.sampling import SamplingOptions
from mt.decoding.constraints import Constraints
from mt.decoding.translation import Translation
from mt.decoding.translator import Translator
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class BeamOptions:
    """What a beam holds; left out, the run's config says.

    Attributes:
        beam_size: hypotheses kept a sentence; 1 is greedy search.
        length_penalty: 0 compares log-probabilities alone, more favours longer texts.
        length_normalization: "gnmt" divides by ((5 + tokens) / 6) to the power of the penalty, "tokens" by the tokens'.
        min_length: tokens that are written at least.
        no_repeat_ngram: so many tokens that stand in what is written do not follow each other there again; 0 is no such
            rule, 3 or 4 usual.
        diversity_groups: parts of the beam that search one after the other, each for other words than those before it;
            must divide the beam. With --n-best, the best of every part come first; what several parts end with alike is
            there once, so that there may be fewer. 1 is one beam.
        diversity_strength: what a token costs in nats for each time that the parts before have chosen it in this step.
    """

    beam_size: Annotated[int | None, default("the run's, unless set 4", "INT")] = None
    length_penalty: Annotated[float | None, default("the run's, unless set 0.6", "FLOAT")] = None
    length_normalization: Annotated[
        Literal["gnmt", "tokens"] | None, default("the run's, unless set gnmt", "{gnmt,tokens}")
    ] = None
    min_length: Annotated[int | None, default("the run's, unless set 1", "INT")] = None
    no_repeat_ngram: Annotated[int | None, default("the run's, unless set 0", "INT")] = None
    diversity_groups: Annotated[int | None, default("the run's, unless set 1", "INT")] = None
    diversity_strength: Annotated[float | None, default("the run's, unless set 1", "FLOAT")] = None

    def given(self) -> dict[str, Any]:
        """Only the options that were set."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclasses.dataclass(frozen=True)
class SearchOptions(BeamOptions):
    """What to search for; left out, the run's config says.

    Attributes:
        max_length_factor: tokens a translation has at most, for each token of the source, ...
        max_length_offset: ... and in addition.
        coverage_penalty: what a translation loses of its score for what it does not attend to of the source (beta of
            Wu et al. 2016); 0 is nothing, 0.2 usual.
    """

    max_length_factor: Annotated[float | None, default("the run's, unless set 2", "FLOAT")] = None
    max_length_offset: Annotated[int | None, default("the run's, unless set 10", "INT")] = None
    coverage_penalty: Annotated[float | None, default("the run's, unless set 0", "FLOAT")] = None


class Search:
    """A translator with the options of a command line."""

    def __init__(
        self, translator: Translator, n_best: int, search: SearchOptions, sampling: SamplingOptions, **others: Any
    ):
        """See `Translator.n_best`; the others are its arguments too."""
        self._translator = translator
        self._n_best = n_best
        self._search = search.given() | others
        self._sampling = sampling.config()
        self._least_risk = sampling.least_risk
        if n_best < 1:
            raise UserError(f"--n-best {n_best}: is not positive")
        translator.n_best([], n_best, [], self._sampling, **self._search)  # says what is wrong before there is a line

    def n_best(
        self, texts: list[str], constraints: Sequence[Constraints], documents: Sequence[int] | None = None
    ) -> list[list[Translation]]:
        """As many translations of each text as are asked for, best first; of documents see `Translator.n_best`."""
        if self._least_risk and self._sampling:
            found = self._translator.least_risk(texts, self._least_risk, self._sampling, constraints, **self._search)
            return [translations[: self._n_best] for translations in found]
        return self._translator.n_best(texts, self._n_best, constraints, self._sampling, documents, **self._search)

    def best(self, texts: list[str], constraints: Sequence[Constraints]) -> list[Translation]:
        """The best translation of each text."""
        return [best for best, *_ in self.n_best(texts, constraints)]
