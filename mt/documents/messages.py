"""gettext's PO files: messages that have no translation yet are given one; all others stay."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from mt.documents import text
from mt.documents.items import tagged_segment
from mt.documents.libraries import library
from mt.documents.segments import Segment
from mt.documents.template import Template
from mt.errors import UserError

_STRING = r'"(?:[^"\\]|\\(?:[abfnrtv\\"?\']|[0-7]{1,3}|x[0-9A-Fa-f]+))*"'
_LINE = re.compile(rf"(?:#~[|]?\s*)?(?:(?:msgctxt|msgid|msgid_plural|msgstr(?:\[\d+\])?)\s*)?(?:{_STRING})?|#.*")


def read(content: str) -> "Messages":
    """Reads a file.

    Raises:
        UserError: it is not a PO file, or the library for it is not installed.
    """
    polib = library("polib", "PO")
    try:
        if "msgid" not in content:
            raise ValueError("it has no msgid")
        _check(content)
        return Messages(polib.pofile(content), content.lstrip("\ufeff \n").startswith("#"))
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"not a PO file ({' '.join(str(error).split())[:100]})") from None


def _check(content: str) -> None:
    """Raises ValueError where the library would lose something: at a line that is not a PO file's."""
    for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), 1):
        if not _LINE.fullmatch(line.strip()):
            raise ValueError(f"line {number}: a quote is not closed, or what follows a backslash means nothing")


class Messages:
    """A PO file.

    Attributes:
        segments: of the messages that have no translation.
    """

    def __init__(self, file: Any, begins_with_comment: bool):
        self.segments: list[Segment] = []
        self._file, self._begins_with_comment = file, begins_with_comment
        self._blanks: list[tuple[int, Template, Callable[[str], None]]] = []
        plurals = _plurals(file)
        seen = set()
        for entry in file:
            if not entry.obsolete:
                if (entry.msgctxt, entry.msgid) in seen:
                    raise ValueError(f"line {entry.linenum}: msgid {entry.msgid[:40]!r} was there before")
                seen.add((entry.msgctxt, entry.msgid))
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
        written = str(self._file)
        return written if self._begins_with_comment else written.removeprefix("#\n")


def _plurals(file: Any) -> int:
    """How many plural forms the file says that the language has; 2 if it does not."""
    rule = file.metadata.get("Plural-Forms", "")
    number = rule.partition("nplurals=")[2].split(";")[0].strip()
    return int(number) if number.isdigit() and number != "0" else 2
