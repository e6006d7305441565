"""Markdown (CommonMark, with GitHub's tables, footnotes and mathematics): its prose is translated; code, what links
lead to, front matter and the indent of every line stay."""

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mt.documents import html
from mt.documents.items import has_letters
from mt.documents.libraries import library
from mt.documents.segments import Builder, Segment
from mt.documents.template import Template
from mt.documents.wrapping import wrapped
from mt.errors import UserError

# What Markdown would take for markup if it stood in text.
_SPECIAL = re.compile(r"[\\`*\[\]]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|~~|(?<!\w)_|_(?!\w)|\$(?=\S)")
# What would begin another block at a line's start.
_BLOCK_START = re.compile(r"(?:[-+*:]|\d+[.)]|#{1,6})(?=\s|$)|[>|<]|-{3}|={1,}$|~{3}|`{3}")
_MARKER = re.compile(r"\[[ xX]\]\s+|\[![A-Z]+\]\s*")  # of tasks and notes
_DEEPEST = 100
_SPACE = "\1"  # one that stays as it is
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)[^>]*?(/?)>")


class _Place(NamedTuple):
    """A part of a line of the document."""

    line: int
    begin: int
    end: int


def read(text: str) -> Template:
    """Reads a document.

    Raises:
        UserError: it is nested too deep, or the libraries for it are not installed.
    """
    # A carriage return by itself ends a line too, as far as Markdown is concerned.
    return _Reader(text.replace("\0", "\ufffd").replace("\r", "\n")).template


class _Reader:
    """Makes a template of a document: copies it line by line, but for its prose."""

    def __init__(self, text: str):
        self.template = Template()
        self._lines = text.split("\n")
        self._at = _Place(0, 0, 0)
        tokens = _parser().parse(text)
        if any(token.level >= _DEEPEST - 1 for token in tokens):  # what is deeper is not among them
            raise UserError(f"quotes or lists that are nested more than {_DEEPEST - 2} deep; make them flatter")
        for token, in_table in _with_text(tokens):
            if token.type == "html_block":
                self._html(token)
            else:
                self._prose(token, in_table)
        self._copy(len(self._lines) - 1, len(self._lines[-1]))

    def _copy(self, line: int, column: int) -> None:
        """Writes what stands before a place."""
        at, lines = self._at, self._lines
        if line == at.line:
            self.template.write(lines[line][at.end : column])
        else:
            self.template.write("\n".join([lines[at.line][at.end :], *lines[at.line + 1 : line], lines[line][:column]]))
        self._at = _Place(line, column, column)

    def _html(self, token: Any) -> None:
        first, last = token.map
        while last - 1 > first and not self._lines[last - 1].strip():
            last -= 1
        self._copy(first, 0)
        html.read("\n".join(self._lines[first:last]), self.template)
        self._at = _Place(last - 1, 0, len(self._lines[last - 1]))

    def _prose(self, token: Any, in_table: bool) -> None:
        places = self._places(token, in_table)
        if not places:
            return
        lines = [self._lines[place.line][: place.begin] for place in places]
        indent = lines[1] if len(lines) > 1 else re.sub(r"\S", " ", lines[0])
        has_backslash = any(line.endswith("\\") for line in token.content.split("\n"))
        line_end = ("\\" if has_backslash else "  ") + "\n" + indent
        content = _Inline(token.children, self.template, in_table, line_end)
        pieces, marker = content.pieces, _MARKER.match(token.content)
        if not content.is_known or not (content.has_blanks or any(isinstance(piece, Segment) for piece in pieces)):
            return
        self._copy(places[0].line, places[0].begin)
        widest = max(len(self._lines[place.line].rstrip()) for place in places) if len(places) > 1 else None
        if marker:
            self.template.write(marker[0].replace("\n", "\n" + indent))
            pieces = _without(pieces, marker[0])
        if in_table:
            kind = "cell"
        else:
            kind = "heading" if re.search(r"(?:^|[\s>])#+\s+$", lines[0]) else "paragraph"
        write = functools.partial(_written, kind, widest, lines[0], indent)
        for piece in pieces:
            if isinstance(piece, Segment):
                self.template.add(piece, write)
            else:
                self.template.write(piece)
        self._at = places[-1]

    def _places(self, token: Any, in_table: bool) -> list[_Place]:
        """Where a block's lines of prose are, none if they cannot be found."""
        found: list[_Place] = []
        for number, content in enumerate(token.content.split("\n")):
            line = token.map[0] + number
            written = self._lines[line].rstrip()
            content = content.rstrip()
            if in_table:
                content = content.replace("|", r"\|")
                begin = written.find(content, self._at.end if line == self._at.line else 0)
            else:
                begin = written.rfind(content)
            if begin < 0:
                return []
            found.append(_Place(line, begin, begin + len(content)))
        if not has_letters(token.content):
            if in_table and found:  # the next cell may have the same content
                self._copy(found[0].line, found[0].end)
            return []
        return found


class _Inline:
    """The content of a block.

    Attributes:
        pieces: segments and what stands between them.
        is_known: whether there is nothing in it but what is known here.
        has_blanks: whether something is translated within its markup, such as what a picture shows.
    """

    def __init__(self, tokens: Sequence[Any], template: Template, in_table: bool, line_end: str):
        self.pieces: list[Segment | str] = []
        self.is_known = True
        self.has_blanks = False
        self._template = template
        self._in_table = in_table
        self._builder = Builder()
        self._links: list[Any] = []
        self._halves = _halves(tokens)
        place = 0
        while place < len(tokens):
            token = tokens[place]
            if token.type == "hardbreak" and not self._builder.depth:
                self._end()
                self.pieces.append(line_end)
            elif (last := _last_of_code(tokens, place, self._halves)) > place:
                self._keep("".join(_raw(each) for each in tokens[place : last + 1]))
                place = last
            elif not self._take(token, place):
                self.is_known = False
                return
            place += 1
        self._end()

    def _end(self) -> None:
        segment = self._builder.segment()
        if has_letters(segment.text):
            self.pieces.append(segment)
        else:
            self.pieces.append(_plain(segment, self._in_table).replace(_SPACE, " "))
        self._builder = Builder()

    def _take(self, token: Any, place: int) -> bool:
        """Adds a token; False if it is not known."""
        builder = self._builder
        match token.type:
            case "text":
                builder.write(token.content)
            case "softbreak" | "hardbreak":
                builder.write(" ")
            case "code_inline" | "math_inline" | "math_inline_double":
                self._keep(_raw(token))
            case "em_open" | "strong_open" | "s_open":
                builder.open(token.markup)
            case "em_close" | "strong_close" | "s_close":
                builder.close(token.markup)
            case "link_open":
                builder.open("[")
                self._links.append(token)
            case "link_close":
                builder.close("]" + self._target(self._links.pop(), "href"))
            case "image":
                builder.stand("![" + self._blank(token.content) + "]" + self._target(token, "src"))
            case "footnote_ref" if "label" in token.meta:
                builder.stand(f"[^{token.meta['label']}]")
            case "html_inline":
                self._tag(token, place)
            case _:
                return False
        return True

    def _keep(self, raw: str) -> None:
        # A line may not end in it, nor may its spaces become fewer.
        self._builder.keep(raw.replace(" ", _SPACE))

    def _tag(self, token: Any, place: int) -> None:
        """A tag with its other half is around text; any other stands by itself."""
        half = self._halves.get(place)
        if half is None:
            self._builder.stand(token.content)
        elif half > place:
            self._builder.open(token.content)
        else:
            self._builder.close(token.content)

    def _target(self, token: Any, attribute: str) -> str:
        if "label" in token.meta:
            return f"[{token.meta['label'].lower()}]"
        address, title = str(token.attrs[attribute]), token.attrs.get("title")
        if not address or re.search(r"[\s()<>]", address):
            address = f"<{address}>"
        return f"({address})" if not title else f'({address} "{self._blank(str(title), _in_title)}")'

    def _blank(self, text: str, write: Any = None) -> str:
        if not has_letters(text):
            return text
        self.has_blanks = True
        return self._template.blank(Segment(text), write or functools.partial(_plain, in_table=self._in_table))


@functools.cache
def _parser() -> Any:
    options = {"store_labels": True, "maxNesting": _DEEPEST}
    parser = library("markdown_it", "Markdown").MarkdownIt("commonmark", options)
    parser.enable(["table", "strikethrough"])
    for plugin in ("front_matter", "footnote", "dollarmath"):
        module = library(f"mdit_py_plugins.{plugin}", "Markdown")
        parser.use(getattr(module, f"{plugin}_plugin"))
    parser.normalizeLink = lambda url: url
    parser.validateLink = lambda url: True
    return parser


def _with_text(tokens: Sequence[Any]) -> Iterator[tuple[Any, bool]]:
    """Blocks that have text, in the document's order, and whether they are a table's cells."""
    found, in_table = [], False
    for token in tokens:
        in_table = token.type == "table_open" or (in_table and token.type != "table_close")
        if token.type in ("inline", "html_block"):
            found.append((token, in_table))
    yield from sorted(found, key=lambda each: each[0].map[0])


def _last_of_code(tokens: Sequence[Any], place: int, halves: dict[int, int]) -> int:
    """The last token of what is kept as it is: an address between angle brackets, or an HTML element of code."""
    token = tokens[place]
    if token.type == "link_open" and token.markup == "autolink":
        return place + 2
    if token.type == "html_inline" and (tag := _TAG.fullmatch(token.content)) and tag[2].lower() in html.CODE:
        half = halves.get(place, place)
        if half > place and all(each.type == "text" for each in tokens[place + 1 : half]):
            return half
    return place


def _halves(tokens: Sequence[Any]) -> dict[int, int]:
    """Where the other half is of each HTML tag that has one, between the same tokens of Markdown."""
    found: dict[int, int] = {}
    open_: list[tuple[str, int]] = []  # the names of tags, or nothing for Markdown's own markup
    for place, token in enumerate(tokens):
        tag = _TAG.fullmatch(token.content) if token.type == "html_inline" else None
        if token.nesting > 0:
            open_.append(("", place))
        elif token.nesting < 0:
            while open_ and open_.pop()[0]:
                pass
        elif tag and not tag[1] and not tag[3]:
            open_.append((tag[2], place))
        elif tag and tag[1]:
            inner = [number for number, (name, _) in enumerate(open_) if not name]
            own = [number for number, (name, _) in enumerate(open_) if name == tag[2]]
            if own and (not inner or own[-1] > inner[-1]):
                found[place], found[open_[own[-1]][1]] = open_[own[-1]][1], place
                del open_[own[-1] :]
    return found


def _raw(token: Any) -> str:
    """What a token is written as that is not translated."""
    if token.type == "code_inline":
        pad = " " if token.content[:1] == "`" or token.content[-1:] == "`" or not token.content.strip() else ""
        return token.markup + pad + token.content + pad + token.markup
    if token.type in ("math_inline", "math_inline_double"):
        return token.markup + token.content + token.markup
    if token.type in ("link_open", "link_close"):
        return "<" if token.nesting > 0 else ">"
    return token.content


def _without(pieces: list[Segment | str], marker: str) -> list[Segment | str]:
    """Pieces without what the first of them begins with."""
    first, length = pieces[0], len(marker)
    if not isinstance(first, Segment):
        return pieces
    moved = [mark._replace(begin=mark.begin - length, end=mark.end - length) for mark in first.marks]
    return [first._replace(text=first.text[length:], marks=tuple(moved)), *pieces[1:]]


def _escape(text: str, in_table: bool) -> str:
    escaped = _SPECIAL.sub(lambda match: "\\" + match[0], text)
    return escaped.replace("|", r"\|") if in_table else escaped


def _plain(segment: Segment, in_table: bool) -> str:
    return segment.written(functools.partial(_escape, in_table=in_table))


def _in_title(segment: Segment) -> str:
    return segment.written(lambda text: text.replace("\\", r"\\").replace('"', r"\""))


def _written(kind: str, width: int | None, first: str, indent: str, segment: Segment) -> str:
    """A segment's lines: one if the source had one, else as wide as its widest."""
    text = re.sub(r"[ \t\n]+", " ", _plain(segment, kind == "cell")).strip(" ")
    if kind == "heading":
        text = re.sub(r"#+$", r"\\\g<0>", text)  # which would be its end
    elif kind == "paragraph" and (match := re.match(r"(\d*)(?:[-+:.)](?=\s|$)|#{1,6}(?=\s|$)|>|-{3}|=+$)", text)):
        text = match[1] + "\\" + text[match.end(1) :]
    lines = wrapped(text, first, indent, width, lambda word: not _BLOCK_START.match(word))
    return lines.replace(_SPACE, " ")
