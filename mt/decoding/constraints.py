"""What is asked of a translation in words, made into rules for a vocabulary."""

import dataclasses
import functools
from collections.abc import Sequence

from mt.data.tokenizers import Side
from mt.decoding.automata import FAR, Alphabet, Automaton
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class Constraints:
    """What one translation must say, and must not.

    Attributes:
        prefix: how it begins, were it in the middle of a word; if it ends in a space, the word is whole.
        required: of each of these, one stands in it: whole words, in one of several ways to write them.
        forbidden: whole words that do not.
    """

    prefix: str = ""
    required: tuple[tuple[str, ...], ...] = ()
    forbidden: tuple[str, ...] = ()


class Constrainer:
    """Makes rules of constraints, each once. Thread-safe."""

    def __init__(self, side: Side):
        """Args:
        side: the target's tokenizer, as which the constraints are normalised.
        """
        self._side = side

    @functools.cached_property
    def _alphabet(self) -> Alphabet:
        return Alphabet(self._side.pieces(range(len(self._side))))

    def automata(self, constraints: Constraints) -> list[Automaton]:
        """A rule for each of the constraints.

        Raises:
            UserError: one of them is blank, or cannot be written with this vocabulary.
        """
        found = [self._begins(constraints.prefix)] if constraints.prefix.strip() else []
        found += [self._phrase(ways, True) for ways in dict.fromkeys(constraints.required)]
        return found + [self._phrase((phrase,), False) for phrase in dict.fromkeys(constraints.forbidden)]

    @functools.lru_cache(1000)  # noqa: B019 - a translator lives as long as its process
    def _begins(self, text: str) -> Automaton:
        normal = self._normal(text) + " " * (text != text.rstrip())
        return _possible(self._alphabet.begins(normal), text)

    @functools.lru_cache(10_000)  # noqa: B019
    def _phrase(self, ways: Sequence[str], wanted: bool) -> Automaton:
        if not ways or not all(way.strip() for way in ways):
            raise UserError("a phrase that is required or forbidden is blank; leave it out")
        return _possible(self._alphabet.phrase([self._normal(way) for way in ways], wanted), " or ".join(ways))

    def _normal(self, text: str) -> str:
        return self._side.decode(self._side.encode([text.strip()]))[0]


def _possible(rule: Automaton, text: str) -> Automaton:
    if rule.tokens_left[0] >= FAR:
        raise UserError(f"{text.strip()!r}: no tokens of the model spell it; leave the phrase out")
    return rule
