"""What is asked of a translation in words, made into rules for a vocabulary."""

import contextlib
import dataclasses
import functools
import re
from collections.abc import Sequence

from mt.data.tokenizers import Side
from mt.decoding.automata import FAR, Alphabet, Automaton
from mt.decoding.keeping import Hidden, hide
from mt.errors import UserError

_WORD = re.compile(r"\w+|[^\w\s]")
# How a model sees what is kept, best first.
_LETTERS, _BRACKETS = "XYZWVU", ("{{{}}}", "[{}]", "({})", "<{}>")


@dataclasses.dataclass(frozen=True)
class Constraints:
    """What one translation must say, and must not.

    Attributes:
        prefix: how it begins, were it in the middle of a word; if it ends in a space, the word is whole.
        required: of each of these, one stands in it: whole words, in one of several ways to write them.
        forbidden: whole words that do not.
        terms: each the words of a source term, see `words_of`, and the ways to translate it, of which one stands in the
            translation of what has the term.
        keep: parts of the source that stand in it as they are, as often as in the source; see `keeping.find`.
    """

    prefix: str = ""
    required: tuple[tuple[str, ...], ...] = ()
    forbidden: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    terms: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    def joined(self, other: "Constraints") -> "Constraints":
        """What both ask; of two prefixes, the other's."""
        return Constraints(
            other.prefix or self.prefix,
            self.required + other.required,
            self.forbidden + other.forbidden,
            self.keep + other.keep,
            self.terms + other.terms,
        )

    def shared_out(self, parts: Sequence[str]) -> "list[Constraints]":
        """What each part of a text must say, where parts are translated by themselves: the first begins with the prefix
        and has what is required; terms and what is kept are where their source is."""
        words = [words_of(part) for part in parts] if self.terms else []
        found = []
        for place, part in enumerate(parts):
            terms = (ways for term, ways in self.terms if place in (_places(term, words) or [0]))
            required = (*(self.required if place == 0 else ()), *terms)
            keep = tuple(stand_in for stand_in in self.keep if stand_in in part)
            found.append(Constraints("" if place else self.prefix, required, self.forbidden, keep))
        return found


def words_of(text: str) -> tuple[str, ...]:
    """A text's words and signs, in no case, as terms are looked for."""
    return tuple(_WORD.findall(text.casefold()))


def _places(term: tuple[str, ...], parts: Sequence[tuple[str, ...]]) -> list[int]:
    """Which of the parts have a term."""
    starts = range(max(map(len, parts), default=0))
    return [place for place, part in enumerate(parts) if any(part[at : at + len(term)] == term for at in starts)]


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

    def hide(self, text: str, parts: Sequence[str]) -> Hidden:
        """See `keeping.hide`.

        Raises:
            UserError: the vocabulary has not what it takes to write a stand-in.
        """
        if not parts:
            return Hidden(text, {})
        return hide(text, parts, *self._stand_ins)

    @functools.cached_property
    def _stand_ins(self) -> tuple[str, str]:
        """Of letters and brackets, those that the vocabulary can write."""

        def known(text: str) -> bool:
            with contextlib.suppress(UserError):
                return bool(self._alphabet.spell(text))
            return False

        brackets = [way for way in _BRACKETS if known(way.format("0123456789"))]
        if not brackets:
            raise UserError("the model has no tokens for brackets and digits to stand for what is kept; keep nothing")
        return "".join(filter(known, _LETTERS)), brackets[0]

    def automata(self, constraints: Constraints) -> list[Automaton]:
        """A rule for each of the constraints; what is kept are stand-ins.

        Raises:
            UserError: one of them is blank, or cannot be written with this vocabulary.
        """
        found = [self._begins(constraints.prefix)] if constraints.prefix.strip() else []
        found += [self._phrase(ways, True) for ways in dict.fromkeys(constraints.required)]
        found += [self._once(stand_in) for stand_in in constraints.keep]
        return found + [self._phrase((phrase,), False) for phrase in dict.fromkeys(constraints.forbidden)]

    @functools.lru_cache(1000)  # noqa: B019 - a translator lives as long as its process
    def _begins(self, text: str) -> Automaton:
        normal = self._normal(text) + " " * (text != text.rstrip())
        return _possible(self._alphabet.begins(normal), text)

    @functools.lru_cache(10_000)  # noqa: B019
    def _phrase(self, ways: Sequence[str], wanted: bool) -> Automaton:
        if not ways or not all(way.strip() for way in ways):
            raise UserError(f"a phrase that is {'required' if wanted else 'forbidden'} is blank; leave it out")
        return _possible(self._alphabet.phrase([self._normal(way) for way in ways], wanted), " or ".join(ways))

    @functools.lru_cache(1000)  # noqa: B019
    def _once(self, stand_in: str) -> Automaton:
        return _possible(self._alphabet.once(stand_in), stand_in)

    def _normal(self, text: str) -> str:
        return self._side.decode(self._side.encode([text.strip()]))[0]


def _possible(rule: Automaton, text: str) -> Automaton:
    if rule.tokens_left[0] >= FAR:
        raise UserError(f"{text.strip()!r}: no tokens of the model spell it; leave the phrase out")
    return rule
