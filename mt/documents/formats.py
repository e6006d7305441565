"""Formats of documents, by name."""

import pathlib
from typing import Literal, TypeAlias

from mt.documents import html, markdown, messages, subtitles, text, translation_memory
from mt.documents.document import Document

Format: TypeAlias = Literal["text", "markdown", "html", "srt", "po", "tmx"]

_SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".srt": "srt",
    ".po": "po",
    ".pot": "po",
    ".tmx": "tmx",
}


def of_name(path: pathlib.Path) -> Format | None:
    """The format that a file's name tells."""
    return _SUFFIXES.get(path.suffix.lower())


def read(format_: Format, content: str, source_language: str = "", target_language: str = "") -> Document:
    """Reads a document.

    Args:
        format_: which it is of.
        content: with line ends that are LF.
        source_language: the code of the language to translate: TMX holds several, and HTML says its own.
        target_language: of that to translate it into.

    Raises:
        UserError: it is not of that format, or the library for the format is not installed.
    """
    match format_:
        case "text":
            return text.read(content)
        case "markdown":
            return markdown.read(content)
        case "html":
            return html.read(content, None, source_language, target_language)
        case "srt":
            return subtitles.read(content)
        case "po":
            return messages.read(content)
        case "tmx":
            return translation_memory.read(content, source_language, target_language)
