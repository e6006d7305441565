"""How a command line has a language model take part in the search."""

import dataclasses
import pathlib
from typing import Annotated

from mt import trained
from mt.arguments import default
from mt.decoding.fusion import DEFAULT_WEIGHT
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class FusionOptions:
    """A language model of the target that takes part in the search (shallow fusion).

    Attributes:
        language_model: the run or bundle of a decoder alone that was trained on text of the target language with the
            translator's tokenizer (tokenizer.path). Scores and log-probabilities are then sums of both.
        language_model_weight: of its log-probabilities, beside the translator's; left out, 0.2.
    """

    language_model: Annotated[pathlib.Path | None, default("none", "RUN")] = None
    language_model_weight: Annotated[float | None, default(str(DEFAULT_WEIGHT), "FLOAT")] = None

    def applied(self, found: trained.Trained) -> trained.Trained:
        """The translator, with the language model if there is one.

        Raises:
            UserError: it is none, or has another vocabulary; or there is a weight, and nothing to weigh.
        """
        if self.language_model is None:
            if self.language_model_weight is not None:
                raise UserError("--language-model-weight: goes with --language-model; leave it out, or name one")
            return found
        weight = DEFAULT_WEIGHT if self.language_model_weight is None else self.language_model_weight
        return trained.fused(found, self.language_model, weight)
