"""Lines of a paragraph."""

from collections.abc import Callable, Sequence


def wrapped(
    text: str, first: str, indent: str, width: int | None, may_begin: Callable[[str], bool] = lambda word: True
) -> str:
    """A text in lines that are as wide as they may be.

    Args:
        text: words with single spaces between.
        first: what stands before the first line already.
        indent: what is to stand before each of the others.
        width: in characters; None is one line. A longer word has a line of its own.
        may_begin: whether a word may stand at a line's start.
    """
    if width is None:
        return text
    lines, line = [], first
    for number, word in enumerate(text.split(" ")):
        if number == 0 or len(line) + 1 + len(word) <= width or not may_begin(word):
            line += (" " if number else "") + word
        else:
            lines.append(line)
            line = indent + word
    return "\n".join([*lines, line])[len(first) :]


def balanced(text: str, lines: int, length: Callable[[str], int] = len) -> str:
    """A text in so many lines, or fewer, of which the longest is as short as can be.

    Args:
        text: words with single spaces between.
        lines: how many.
        length: of a word as one sees it.
    """
    words = text.split(" ")
    lengths = [length(word) for word in words]
    width = max(lengths)
    while len(starts := _starts(lengths, width)) > lines:
        width += 1
    return "\n".join(" ".join(words[first:last]) for first, last in zip(starts, [*starts[1:], len(words)]))


def _starts(lengths: Sequence[int], width: int) -> list[int]:
    """The numbers of the words that lines of a width begin with."""
    starts, filled = [0], lengths[0]
    for number, each in enumerate(lengths[1:], 1):
        if filled + 1 + each <= width:
            filled += 1 + each
        else:
            starts.append(number)
            filled = each
    return starts
