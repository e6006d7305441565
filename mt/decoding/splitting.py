"""Long text into parts that a model can take, and back."""

import re
from collections.abc import Callable

# Where a sentence may be cut, best first: after a clause's end, between words.
_BOUNDARIES = (re.compile(r"(?<=[,;:—–،、，；：])\s+"), re.compile(r"\s+"))

# Where a sentence may end: behind marks that need no space after them, or before what begins like a sentence, unless
# what stands before the mark looks like an abbreviation: an initial, or short and with a capital, or with stops within.
_SENTENCE_END = re.compile(r"[。！？]+[”’」』）]*|[.!?…]+[\"'”’»)\]]*(?=\s+[\"'“‘«(\[¿¡]*[^\W_a-zß-öø-ÿ])")
_ABBREVIATION = re.compile(r"(?:^|[\s(\[«“\"'])(?:[^\W\d_]|[^\W\d_a-z][^\W\d_]{1,2}|\S*\w\.\w+)\.$")

_LONGEST_WORD = 60  # characters that are looked at for an abbreviation


def sentences(text: str) -> list[tuple[int, int]]:
    """Where each sentence of a text begins and ends, without white space around it; none of a blank one."""
    found, begin = [], 0
    for match in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text, max(begin, match.end() - _LONGEST_WORD), match.end()):
            found.append((begin, match.end()))
            begin = match.end()
    spans = []
    for first, last in [*found, (begin, len(text))]:
        part = text[first:last]
        if part.strip():
            spans.append((first + len(part) - len(part.lstrip()), first + len(part.rstrip())))
    return spans


def split(text: str, max_length: int, length: Callable[[str], int], together: bool = False) -> list[str]:
    """Cuts a text into its sentences, and those that do not fit into as few pieces as do, where it harms least.

    Args:
        text: what may be too long.
        max_length: the most that `length` may be of a piece.
        length: tokens of a text.
        together: whether sentences that follow each other are one piece where they fit. Most models have seen single
            ones, and leave out some of many.

    Returns:
        The pieces in order. All their characters are the text's, but for the white space at the cuts.
    """
    spans = sentences(text)
    if together:
        spans = _stretches(spans, [length(text[begin:end]) for begin, end in spans], max_length)
    return [piece for begin, end in spans for piece in _split(text[begin:end], max_length, length, 0)]


def _stretches(spans: list[tuple[int, int]], lengths: list[int], max_length: int) -> list[tuple[int, int]]:
    """Spans that follow each other as one, as many as fit."""
    joined: list[tuple[int, int]] = []
    room = 0
    for (begin, end), length in zip(spans, lengths):
        if joined and length <= room:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((begin, end))
            room = max_length
        room -= length
    return joined


def _split(text: str, max_length: int, length: Callable[[str], int], level: int) -> list[str]:
    if length(text) <= max_length:
        return [text]
    if level < len(_BOUNDARIES):
        cuts = [0, *(match.end() for match in _BOUNDARIES[level].finditer(text)), len(text)]
        parts = [text[begin:end] for begin, end in zip(cuts, cuts[1:]) if text[begin:end].strip()]
        pieces = [piece for part in parts for piece in _split(part.rstrip(), max_length, length, level + 1)]
    elif len(text) > 1:
        half = len(text) // 2
        pieces = [*_split(text[:half], max_length, length, level), *_split(text[half:], max_length, length, level)]
        return pieces
    else:
        return [text]
    return _join_short(pieces, max_length, length)


def _join_short(pieces: list[str], max_length: int, length: Callable[[str], int]) -> list[str]:
    """Neighbours that fit together become one piece: context helps a translation."""
    joined = pieces[:1]
    for piece in pieces[1:]:
        if length(f"{joined[-1]} {piece}") <= max_length:
            joined[-1] = f"{joined[-1]} {piece}"
        else:
            joined.append(piece)
    return joined
