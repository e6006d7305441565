"""The one exception that is meant for the person at the keyboard."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can mend: one sentence that names the file, line or field and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint for a misspelt word, " (did you mean X?)", or nothing if no word is near."""
    matches = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""
