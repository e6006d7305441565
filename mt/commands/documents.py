"""Whole documents for `mt translate`: read, translated and written, each as it was but for its text."""

import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tqdm import tqdm

from mt.commands import lines
from mt.data.datasets import Languages
from mt.data.text import batched, refuse_or_tell
from mt.decoding.keeping import Kind
from mt.decoding.translation import Translation, combine
from mt.documents import formats, html
from mt.documents.document import Document
from mt.documents.segments import Segment
from mt.documents.translating import SegmentTranslator
from mt.errors import UserError
from mt.files import check_output, write_atomically

# What is kept of documents unless something else is said.
KEPT: tuple[Kind, ...] = ("placeholders", "urls", "emoji", "unknown")
_TOGETHER = 512  # segments


class _Job(NamedTuple):
    """A document to translate.

    Attributes:
        name: of it, for messages.
        document: as it was read.
        output: the file to write; None is standard output.
        line_end: of its lines.
        mark: the byte order mark that it begins with, or nothing.
    """

    name: str
    document: Document
    output: pathlib.Path | None
    line_end: str
    mark: str


def read(
    paths: Sequence[pathlib.Path],
    format_: formats.Format | None,
    output: str,
    languages: Languages,
    invalid: lines.Invalid,
    replaced: lines.Replaced,
) -> list[_Job]:
    """Reads all documents, so that what is wrong with one is known before any is translated.

    Args:
        paths: of the documents; none is standard input.
        format_: of all of them; None is what their names say.
        output: a file, or of several documents a folder; empty is standard output.
        languages: from what into what.
        invalid: what becomes of bytes that are not UTF-8; None refuses them.
        replaced: is told of those that were replaced.

    Raises:
        UserError: a document is not of its format, or there is no place to write it to.
    """
    outputs = _outputs(paths, output)
    told = replaced if invalid == "replace" else None
    jobs = []
    sources: list[pathlib.Path | None] = [*paths] or [None]
    for path, to in zip(sources, outputs):
        name = str(path or "standard input")
        which = format_ or (path and formats.of_name(path)) or "text"
        text = _decoded(_content(path), name, told)
        line_end = "\r\n" if "\r\n" in text else "\n"
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        try:
            content = text.removeprefix(mark).replace("\r\n", "\n")
            document = formats.read(which, content, languages.source, languages.target)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        jobs.append(_Job(name, document, to, line_end, mark))
    return jobs


def _outputs(paths: Sequence[pathlib.Path], output: str) -> list[pathlib.Path | None]:
    if not output:
        if len(paths) > 1:
            raise UserError(f"{paths[1]}: a second document; say by --output which folder to write them to")
        return [None]
    folder = pathlib.Path(output)
    if len(paths) > 1 or folder.is_dir():
        if not folder.is_dir() or not paths:
            raise UserError(f"--output {output}: there is no such folder to write documents to; make it first")
        found = [check_output(folder / path.name, "--output") for path in paths]
        if len(set(found)) < len(found):
            raise UserError(f"--output {output}: two documents have the same name; translate them one by one")
    else:
        found = [check_output(folder, "--output")]
    for path in paths:
        if path.resolve() in found:
            raise UserError(f"--output {output}: {path} is an input too, and would be lost; name another place")
    return list(found)


def _content(path: pathlib.Path | None) -> bytes:
    try:
        return path.read_bytes() if path else sys.stdin.buffer.read()
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror}); check the path") from None


def _decoded(content: bytes, name: str, replaced: Callable[[str], None] | None) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        refuse_or_tell(f"{name}, line {line}: not valid UTF-8 (byte {content[error.start]:#04x})", replaced)
        return content.decode(errors="replace")


def translate(jobs: Sequence[_Job], translate: SegmentTranslator) -> None:
    """Translates and writes documents, and says where a translation looks wrong."""
    total = sum(len(job.document.segments) for job in jobs)
    quiet = not sys.stderr.isatty() or (sys.stdout.isatty() and jobs[0].output is None)
    with tqdm(desc="translating", unit=" segments", total=total, disable=quiet, file=sys.stderr) as bar:
        for job in jobs:
            done: list[Segment] = []
            suspects: list[str] = []
            for segments in batched(job.document.segments, _TOGETHER):
                for source, found in zip(segments, translate(segments)):
                    done.append(found.segment)
                    if warnings := found.translation.warnings:
                        suspects.append(f"{', '.join(warnings)}: {' '.join(source.written(str).split())[:60]}")
                bar.update(len(segments))
            content = job.mark + job.document.filled(done).replace("\n", job.line_end)
            if job.output:
                write_atomically(job.output, content.encode())
            else:
                sys.stdout.buffer.write(content.encode())
                sys.stdout.flush()
            _report(job.name, suspects, len(done))


def _report(name: str, suspects: Sequence[str], segments: int) -> None:
    if suspects:
        print(f"{name}: {len(suspects):,} of the translations of {segments:,} segments look wrong:", file=sys.stderr)
        for each in suspects[: lines.SHOWN]:
            print(f"  {each}", file=sys.stderr)


def tagged(texts: Sequence[str], translate: SegmentTranslator) -> list[list[Translation]]:
    """Translates lines that have tags of HTML, each by itself."""
    templates = [html.read(text) for text in texts]
    found = iter(translate([segment for template in templates for segment in template.segments]))
    translations = []
    for template in templates:
        own = [next(found) for _ in template.segments]
        text = template.filled([each.segment for each in own])
        translations.append([combine(text, [each.translation for each in own])])
    return translations
