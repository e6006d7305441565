"""The signs in front of the letters that are pressed to choose the entries of a menu: _File, Save &As, E_xit."""

import re

_ACCELERATOR = re.compile(r"(?<![\w&])([A-Z][a-z]*(?=[_&][a-z]))?([_&])(?=[^\W\d_])(?!\w+;)")
_MENU_WORDS = 5  # of an entry at most; longer text is prose, which may have names with such signs


def without_accelerator(entry: str) -> tuple[str, str]:
    """A menu's entry without the sign of its accelerator, and that with its letter; "" if it has none, or several."""
    found = list(_ACCELERATOR.finditer(entry))
    if len(found) != 1 or len(entry.split()) > _MENU_WORDS:
        return entry, ""
    place = found[0].start(2)
    return entry[:place] + entry[place + 1 :], entry[place : place + 2]


def with_accelerator(entry: str, sign: str) -> str:
    """An entry with the sign before the same letter, best at the beginning of a word, or else before the first letter.

    Args:
        entry: a translation of what `without_accelerator` gave.
        sign: the sign and its letter, from there too; "" leaves the entry as it is.
    """
    if not sign:
        return entry
    places = (rf"\b{sign[1]}", sign[1], r"[^\W\d_]")
    letter = next(filter(None, (re.search(place, entry, re.IGNORECASE) for place in places)), None)
    return f"{entry[: letter.start()]}{sign[0]}{entry[letter.start() :]}" if letter else entry
