"""Which of a command line's words are neither options nor their values."""

from collections.abc import Sequence


def positional(arguments: Sequence[str], switches: Sequence[str] = ()) -> list[str]:
    """The words that stand for themselves.

    Args:
        arguments: of a verb.
        switches: options that take no value.
    """
    words = [each for each in arguments if each not in switches]
    before = ["", *words]
    return [
        each
        for previous, each in zip(before, words)
        if not each.startswith("-") and (not previous.startswith("--") or "=" in previous)
    ]
