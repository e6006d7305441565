"""gettext's PO files: messages that have no translation yet are given one; all others stay."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from mt.documents import text
from mt.documents.items import tagged_segment
from mt.documents.libraries import library
from mt.documents.segments import Segment
from mt.documents.template import Template
from mt.errors import UserError


def read(content: str) -> "Messages":
    """Reads a file.

    Raises:
        UserError: it is not a PO file, or the library for it is not installed.
    """
    polib = library("polib", "PO")
    try:
        if "msgid" not in content:
            raise ValueError("it has no msgid")
        return Messages(polib.pofile(content))
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"not a PO file ({' '.join(str(error).split())[:100]})") from None


class Messages:
    """A PO file.

    Attributes:
        segments: of the messages that have no translation.
    """

    def __init__(self, file: Any):
        self.segments: list[Segment] = []
        self._file = file
        self._blanks: list[tuple[int, Template, Callable[[str], None]]] = []
        plurals = _plurals(file)
        for entry in file:
            if entry.obsolete or entry.msgstr or any(entry.msgstr_plural.values()):
                continue
            if not entry.msgid_plural:
                self._add(entry.msgid, functools.partial(setattr, entry, "msgstr"))
                continue
            for number in sorted(set(entry.msgstr_plural) | set(range(plurals))):
                source = entry.msgid if number == 0 and plurals > 1 else entry.msgid_plural
                self._add(source, functools.partial(entry.msgstr_plural.__setitem__, number))

    def _add(self, source: str, put: Callable[[str], None]) -> None:
        template = text.read(source, segment=tagged_segment)
        self._blanks.append((len(self.segments), template, put))
        self.segments += template.segments

    def filled(self, translations: Sequence[Segment]) -> str:
        """See `document.Document`."""
        for first, template, put in self._blanks:
            put(template.filled(translations[first : first + len(template.segments)]))
        return str(self._file)


def _plurals(file: Any) -> int:
    """How many plural forms the file says that the language has; 2 if it does not."""
    rule = file.metadata.get("Plural-Forms", "")
    number = rule.partition("nplurals=")[2].split(";")[0].strip()
    return int(number) if number.isdigit() and number != "0" else 2
