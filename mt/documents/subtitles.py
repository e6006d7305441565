"""SubRip subtitles: what is said is translated, a cue at a time; numbers, times and tags stay."""

import functools

from mt.documents.items import has_letters, seen_length, tagged_segment
from mt.documents.libraries import library
from mt.documents.segments import Segment
from mt.documents.template import Template
from mt.documents.wrapping import balanced
from mt.errors import UserError


def read(text: str) -> Template:
    """Reads subtitles.

    Raises:
        UserError: they are not SubRip's, or the library for it is not installed.
    """
    srt, text = library("srt", "SubRip"), text.replace("\0", "\ufffd")
    try:
        cues = list(srt.parse(text))
    except (srt.SRTParseError, ValueError) as error:
        raise UserError(f"not subtitles as SubRip has them ({' '.join(str(error).split())[:100]})") from None
    if not cues and text.strip():
        raise UserError("not subtitles as SubRip has them: there is no cue in it")
    template, written = Template(), 0
    for cue in cues:
        # All but what is said goes as it stands; the library would write times and blank lines in its own way.
        said, header = cue.content.strip("\n"), text.index("-->", written)
        begin = text.index(said, (text + "\n").index("\n", header))
        template.write(text[written:begin])
        for place, lines in enumerate(_said(said)):
            template.write("\n" * (place > 0))
            _add(lines, template)
        written = begin + len(said)
    template.write(text[written:])
    return template


def _said(content: str) -> list[list[str]]:
    """A cue's lines, those of each speaker together: a dash begins another's, and so does what stands apart."""
    said: list[list[str]] = []
    for line in content.split("\n"):
        joins = said and said[-1][-1].strip() and line.strip() and not line.lstrip().startswith(("-", "–", "—"))
        if joins:
            said[-1].append(line)
        else:
            said.append([line])
    return said


def _add(lines: list[str], template: Template) -> None:
    text = " ".join(lines)
    if not has_letters(text):
        template.write("\n".join(lines))
        return
    dash = text[: len(text) - len(text.lstrip("-–— "))]
    template.write(dash)
    template.add(tagged_segment(text[len(dash) :]), functools.partial(_written, len(lines)))


def _written(lines: int, translated: Segment) -> str:
    return balanced(translated.written(str), lines, seen_length)
