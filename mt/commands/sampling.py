"""How a command line draws translations at random."""

import dataclasses
from typing import Annotated

from mt.arguments import default
from mt.decoding.sampling import SamplingConfig
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class DrawingOptions:
    """Texts drawn at random, in place of those that are searched for.

    Attributes:
        sample: draws them, --n-best a line.
        temperature: logits are divided by it; below 1, likely tokens become more likely. Left out, 1.
        top_k: only so many of the likeliest tokens may be drawn; 0 is all. Left out, 0.
        top_p: only the fewest likeliest tokens that have this probability together may be. Left out, 1, which is all.
        seed: of the random numbers. A line's samples depend on it and on the line. Left out, 0.
    """

    sample: bool = False
    temperature: Annotated[float | None, default("1", "FLOAT")] = None
    top_k: Annotated[int | None, default("0, all", "INT")] = None
    top_p: Annotated[float | None, default("1, all", "FLOAT")] = None
    seed: Annotated[int | None, default("0", "INT")] = None

    @property
    def draws(self) -> bool:
        """Whether anything is drawn."""
        return self.sample

    def config(self) -> SamplingConfig | None:
        """How to draw; None is not to.

        Raises:
            UserError: an option is there that goes with drawing only.
        """
        given = {field: getattr(self, field) for field in ("temperature", "top_k", "top_p", "seed")}
        given = {field: value for field, value in given.items() if value is not None}
        if not self.draws:
            for field in given:
                option = f"--{field.replace('_', '-')}"
                raise UserError(f"{option}: goes with {self._needed}; leave it out, or add one")
            return None
        return SamplingConfig(**given)

    @property
    def _needed(self) -> str:
        return "--sample"


@dataclasses.dataclass(frozen=True)
class SamplingOptions(DrawingOptions):
    """Translations drawn at random, in place of those that are searched for.

    Attributes:
        least_risk: draws so many a line, and takes that which is nearest to all of them by chrF (minimum Bayes risk);
            0 does not. Scores are then mean chrF, from 0 to 1.
    """

    least_risk: int = 0

    @property
    def draws(self) -> bool:
        """Whether anything is drawn."""
        return self.sample or bool(self.least_risk)

    def config(self) -> SamplingConfig | None:
        """How to draw; None is not to.

        Raises:
            UserError: the options do not go together.
        """
        if self.least_risk < 0:
            raise UserError(f"--least-risk {self.least_risk}: is how many samples to draw, and not negative")
        if self.least_risk and self.sample:
            raise UserError("--least-risk: draws samples itself; leave --sample out")
        return super().config()

    @property
    def _needed(self) -> str:
        return "--sample or --least-risk"
