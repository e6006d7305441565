"""What a translation must or must not say, as automata that read its tokens.

A rule is about text, and a text can be cut into tokens in many ways. Each rule is therefore an automaton over
characters, and the tokens of a vocabulary are run through it: a rule holds for every way to cut, also within a word.
"""

import dataclasses
import enum
import re
import unicodedata
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from mt.errors import UserError

DEAD = -1  # the state from which nothing is allowed any more
FAR = 1 << 20  # more tokens than any translation has
_SPACE = "\u2581"  # how SentencePiece writes the space before a word
_SILENT = ("<pad>", "<s>", "</s>", "<unk>")
_END = "</s>"
_OTHER = -1  # a symbol that a rule does not know from others
_BYTE, _FIRST_BYTE = re.compile("<0x([0-9A-F]{2})>"), 0x110000  # bytes are symbols past the last character
_BEFORE = {"Zs", "Pd", "Ps", "Pi"}  # categories of Unicode
# Scripts whose words have no space between them: Thai and Lao, Burmese, Khmer, and those of China and Japan.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


class Kind(enum.IntEnum):
    """What a symbol is to the words around it."""

    BEFORE = 0  # a word may begin after it: a space, dash, apostrophe or opening bracket, or a script without spaces
    WORD = 1  # a letter, digit or mark, or a part of a character
    AFTER = 2  # other punctuation


class Automaton(NamedTuple):
    """A rule, ready for a vocabulary. It begins in state 0.

    Attributes:
        classes: int32 [vocab], tokens that lead everywhere to the same states have the same class.
        table: int32 [states, classes], the next state, or `DEAD`.
        tokens_left: int32 [states], how many more tokens it takes at least until the translation may end; 0 is now.
        wanted: whether those say something that is wanted.
    """

    classes: np.ndarray
    table: np.ndarray
    tokens_left: np.ndarray
    wanted: bool


class Rule(Protocol):
    """An automaton over characters."""

    @property
    def symbols(self) -> tuple[int, ...]:
        """Those that it knows from each other; of others, it asks only of which kind they are."""
        ...

    @property
    def wanted(self) -> bool:
        """Whether it wants something said, which will take tokens of its own."""
        ...

    def start(self) -> Hashable:
        """The state before the first."""
        ...

    def step(self, state: Any, symbol: int, kind: Kind) -> Hashable | None:
        """The state after a symbol; None is that it must not follow."""
        ...

    def may_end(self, state: Any) -> bool:
        """Whether a translation may end there."""
        ...


@dataclasses.dataclass(frozen=True)
class Begins:
    """A translation begins with this text, whatever then follows, were it the rest of a word."""

    symbols: tuple[int, ...]
    wanted = False

    def start(self) -> Hashable:
        """See `Rule`."""
        return 0

    def step(self, state: int, symbol: int, kind: Kind) -> Hashable | None:
        """See `Rule`."""
        if state == len(self.symbols):  # it has begun so
            return state
        return state + 1 if symbol == self.symbols[state] else None

    def may_end(self, state: int) -> bool:
        """See `Rule`."""
        return state == len(self.symbols)


@dataclasses.dataclass(frozen=True)
class Phrase:
    """Whole words stand in a translation so often.

    Attributes:
        ways: to write the words, each as symbols and of which kind those are.
        least: how often one of them must be there. What is wanted does not begin right after a full stop or the like,
            where no word would.
        most: how often at most; None is any number.
    """

    ways: tuple[tuple[tuple[int, Kind], ...], ...]
    least: int
    most: int | None

    @property
    def wanted(self) -> bool:
        """See `Rule`."""
        return self.least > 0

    @property
    def symbols(self) -> tuple[int, ...]:
        """See `Rule`."""
        return tuple({symbol for way in self.ways for symbol, _ in way})

    def start(self) -> Hashable:
        """See `Rule`. States are how often the words were there, how much of which way may have been read since, and
        the last symbol's kind; or `True`, that nothing is left to be watched."""
        return 0, frozenset(), Kind.BEFORE

    def step(self, state: Any, symbol: int, kind: Kind) -> Hashable | None:
        """See `Rule`."""
        if state is True:
            return state
        count, read, last = state
        if any(self._is_whole(*each) and not kind == self._last(each[0]) == Kind.WORD for each in read):
            count, read = count + 1, frozenset()
        begun = {(number, 0) for number, way in enumerate(self.ways) if self._may_begin(last, way[0][1])}
        after = {(n, place + 1) for n, place in read | begun if self._follows(n, place, symbol)}
        if any(self._is_whole(*each) and self._last(each[0]) != Kind.WORD for each in after):
            count, after = count + 1, set()
        if self.most is not None and count > self.most:
            return None
        return True if self.most is None and count >= self.least else (count, frozenset(after), kind)

    def _may_begin(self, last: Kind, first: Kind) -> bool:
        return first != Kind.WORD or last == Kind.BEFORE or (last == Kind.AFTER and not self.wanted)

    def _is_whole(self, number: int, place: int) -> bool:
        return place == len(self.ways[number])

    def _last(self, number: int) -> Kind:
        return self.ways[number][-1][1]

    def _follows(self, number: int, place: int, symbol: int) -> bool:
        way = self.ways[number]
        return place < len(way) and way[place][0] == symbol

    def may_end(self, state: Any) -> bool:
        """See `Rule`."""
        if state is True:
            return True
        count = state[0] + any(self._is_whole(*each) for each in state[1])
        return self.least <= count and (self.most is None or count <= self.most)


class Alphabet:
    """What each token of a vocabulary writes, as symbols: characters, or single bytes."""

    def __init__(self, pieces: Sequence[str]):
        """Args:
        pieces: the vocabulary, as the tokenizer writes it down.
        """
        written = [_symbols(piece) for piece in pieces]
        self._inventory = np.unique([symbol for symbols in written for symbol in symbols] or [0])
        self._kinds = np.array([_kind(symbol) for symbol in self._inventory.tolist()])
        self._silent = np.array([not symbols for symbols in written])
        self._end = np.array([piece == _END for piece in pieces])
        # Which symbol of the inventory is at each place of a token; one past the last where it has none any more.
        self._places = np.full((len(pieces), max(map(len, written))), len(self._inventory))
        for token, symbols in enumerate(written):
            self._places[token, : len(symbols)] = np.searchsorted(self._inventory, symbols)

    def spell(self, text: str) -> tuple[int, ...]:
        """A text as symbols.

        Raises:
            UserError: the vocabulary has no token to write one of its characters by.
        """
        spelt: list[int] = []
        for character in text:
            ways = ([ord(character)], [_FIRST_BYTE + byte for byte in character.encode()])
            known = [way for way in ways if np.isin(way, self._inventory).all()]
            if not known:
                raise UserError(f"{text.strip()!r}: the model has no token for {character!r}; leave the phrase out")
            spelt += known[0]
        return tuple(spelt)

    def begins(self, text: str) -> Automaton:
        """The rule that a translation begins with a text."""
        return self.compile(Begins(self.spell(f" {text}")))

    def phrase(self, ways: Sequence[str], wanted: bool) -> Automaton:
        """The rule that whole words stand in a translation, or do not, in one of several ways to write them."""
        return self._counted(ways, 1 if wanted else 0, None if wanted else 0)

    def once(self, text: str) -> Automaton:
        """The rule that a text stands in a translation once, and no second time."""
        return self._counted([text], 1, 1)

    def _counted(self, ways: Sequence[str], least: int, most: int | None) -> Automaton:
        spelt = [tuple((symbol, _kind(symbol)) for symbol in self.spell(way)) for way in ways]
        return self.compile(Phrase(tuple(spelt), least, most))

    def compile(self, rule: Rule) -> Automaton:
        """A rule over characters as one over this vocabulary's tokens. What writes nothing is not allowed."""
        states, by_symbol = self._explore(rule)
        # Every token is run through the automaton from every state at once, place by place.
        dead, nothing = len(states), len(self._inventory)
        table = np.full((len(states) + 1, nothing + 1), dead)
        table[:dead, :nothing] = np.where(by_symbol == DEAD, dead, by_symbol)
        table[:, nothing] = np.arange(dead + 1)
        reached = np.repeat(np.arange(dead)[:, None], len(self._places), axis=1)  # [states, vocab]
        for place in self._places.T:
            reached = table[reached, place[None]]
        reached = np.where((reached == dead) | self._silent, DEAD, reached)
        reached[:, self._end] = np.arange(dead)[:, None]
        columns, classes = np.unique(reached, axis=1, return_inverse=True)
        may_end = np.array([rule.may_end(state) for state in states])
        left = _tokens_left(columns, may_end)
        return Automaton(classes.reshape(-1).astype(np.int32), columns.astype(np.int32), left, rule.wanted)

    def _explore(self, rule: Rule) -> tuple[list[Hashable], np.ndarray]:
        """All states of a rule that can be reached, and the next state of each, [states, inventory]."""
        states, following = {rule.start(): 0}, []
        queue = [rule.start()]

        def after(state: Hashable, symbol: int, kind: Kind) -> int:
            found = rule.step(state, symbol, kind)
            if found is None:
                return DEAD
            if found not in states:
                states[found] = len(states)
                queue.append(found)
            return states[found]

        known = [(symbol, np.searchsorted(self._inventory, symbol)) for symbol in rule.symbols]
        for state in queue:
            row = np.array([after(state, _OTHER, kind) for kind in Kind])[self._kinds]
            for symbol, place in known:
                row[place] = after(state, symbol, Kind(self._kinds[place]))
            following.append(row)
        return queue, np.stack(following)


def _tokens_left(table: np.ndarray, may_end: np.ndarray) -> np.ndarray:
    left = np.where(may_end, 0, FAR)
    while True:
        through = 1 + np.where(table == DEAD, FAR, left[table]).min(axis=1)
        closer = np.minimum(left, through)
        if (closer == left).all():
            return left.astype(np.int32)
        left = closer


def _symbols(piece: str) -> list[int]:
    if piece in _SILENT:
        return []
    if byte := _BYTE.fullmatch(piece):
        return [_FIRST_BYTE + int(byte[1], 16)]
    return [ord(character) for character in piece.replace(_SPACE, " ")]


def _kind(symbol: int) -> Kind:
    if symbol >= _FIRST_BYTE:
        return Kind.WORD
    character = chr(symbol)
    category = unicodedata.category(character)
    unspaced = any(first <= symbol <= last for first, last in _UNSPACED)
    if not unspaced and (character.isalnum() or character == "_" or category.startswith("M")):
        return Kind.WORD
    return Kind.BEFORE if unspaced or category in _BEFORE or character in "'\u2019\"/" else Kind.AFTER
