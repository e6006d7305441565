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
    srt = library("srt", "SubRip")
    try:
        cues = list(srt.parse(text.replace("\0", "\ufffd")))
    except (srt.SRTParseError, ValueError) as error:
        raise UserError(f"not subtitles as SubRip has them ({' '.join(str(error).split())[:100]})") from None
    if not cues and text.strip():
        raise UserError("not subtitles as SubRip has them: there is no cue in it")
    template = Template()
    for number, cue in enumerate(cues):
        is_last = number == len(cues) - 1
        content = cue.content
        cue.content = "\1"
        before, after = cue.to_srt(strict=False).split("\1")
        template.write(before)
        for place, lines in enumerate(_said(content)):
            template.write("\n" * (place > 0))
            _add(lines, template)
        template.write(after.rstrip("\n") + text[len(text.rstrip("\n")) :] if is_last else after)
    return template


def _said(content: str) -> list[list[str]]:
    """A cue's lines, those of each speaker together: a dash begins another's."""
    said: list[list[str]] = []
    for line in content.split("\n"):
        if said and not line.lstrip().startswith(("-", "–", "—")):
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
