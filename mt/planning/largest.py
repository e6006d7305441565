"""The largest batch that fits, by search."""

from collections.abc import Callable

_CLOSE_ENOUGH = 1 / 16


def largest_that_fits(
    fits: Callable[[int], float | None], rows: int, share: float | None, fixed: float, multiple: int
) -> int:
    """The most rows a device can take, to within a sixteenth.

    What is not fixed grows about linearly with the rows: the first guess is where that line meets the whole memory,
    and after it the interval is halved.

    Args:
        fits: of a number of rows, the share of memory that they take, or None where they do not fit.
        rows: where to begin.
        share: what `fits` says of them.
        fixed: share of memory that does not depend on the rows.
        multiple: what rows must be a multiple of.

    Returns:
        0 if not even the fewest rows fit.
    """
    most, most_share = (0, fixed) if share is None else (rows, share)
    too_many = rows if share is None else None
    while too_many is None or too_many - most > max(multiple, _CLOSE_ENOUGH * too_many):
        if too_many is not None:
            guess = (most + too_many) // 2
        else:
            guess = int(0.98 * most * (1 - fixed) / max(most_share - fixed, 1e-3))
        guess = max(guess // multiple * multiple, most + multiple)
        found = fits(guess)
        if found is None:
            too_many = guess
        else:
            if too_many is None and guess <= most * (1 + _CLOSE_ENOUGH):
                return guess
            most, most_share = guess, found
    return most
