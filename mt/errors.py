"""The one exception that is meant for the person at the keyboard."""

import difflib
from collections.abc import Iterable

_MOST = 2000  # characters of a message


class UserError(ValueError):
    """Something the user can mend: one sentence that names the file, line or field and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


def printable(text: str) -> str:
    """A message that moves no cursor and rings no bell, and is no longer than one can read."""
    shown = "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)
    return shown if len(shown) <= _MOST else f"{shown[: _MOST // 2]} [...] {shown[-_MOST // 2 :]}"


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint for a misspelt word, " (did you mean X?)", or nothing if no word is near."""
    matches = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""
