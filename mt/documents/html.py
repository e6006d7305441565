"""HTML: text and the attributes that are read are translated; every tag, comment and script stays as it is."""

import functools
import html
import html.parser
import itertools
import re
from typing import NamedTuple

from mt.documents.items import Item, has_letters, runs, segment
from mt.documents.languages import same_language
from mt.documents.segments import Segment
from mt.documents.template import Template

# Elements within a sentence; any other begins a new one.
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite data del dfn em font i img ins label mark nobr q rp rt ruby s small span strike "
    "strong sub sup time tt u wbr".split()
)
# What is not language, within a sentence and between.
CODE = frozenset("code kbd samp var math svg".split())
_OPAQUE = frozenset("script style pre textarea template object iframe canvas".split())
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_READ = frozenset("alt title placeholder label aria-label aria-description aria-placeholder summary".split())
_DESCRIPTIONS = re.compile(r"(?:og:|twitter:)?(?:title|description|image:alt|site_name)|keywords", re.IGNORECASE)
_UNFINISHED = re.compile(r"<[A-Za-z/!?]")  # markup whose end is missing
_REFERENCE = re.compile(r"&#?\w+;")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'<>]+)""")


class _Event(NamedTuple):
    """What the parser meets.

    Attributes:
        kind: "start", "end", "text" or "other".
        name: the element's.
        start: where it is in the document.
        attributes: of a start tag.
    """

    kind: str
    name: str
    start: int
    attributes: dict[str, str | None] = {}


def read(text: str, template: Template | None = None, source_language: str = "", target_language: str = "") -> Template:
    """Reads a document, or a part of one into the template of the whole.

    Args:
        text: the document.
        template: what it is written to.
        source_language: the code of its language, where its root element says it.
        target_language: of that which it says when it is translated.
    """
    languages = (source_language, target_language)
    return _Reader(text.replace("\0", "\ufffd"), template or Template(), languages).template


class _Events(html.parser.HTMLParser):
    """All that is in a document, in order."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=False)
        self.found: list[_Event] = []
        self._lines = [0, *itertools.accumulate(len(line) + 1 for line in text.split("\n"))]
        self.feed(text)
        self.close()

    def _add(self, kind: str, name: str = "", attributes: dict[str, str | None] = {}) -> None:  # noqa: B006
        line, column = self.getpos()
        self.found.append(_Event(kind, name, self._lines[line - 1] + column, attributes))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add("start", tag, dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Only XML's elements end here; of HTML's, the slash says nothing.
        self._add("start", tag, dict(attrs) | ({} if tag in _INLINE - _VOID else {"/": None}))

    def handle_endtag(self, tag: str) -> None:
        self._add("end", tag)

    def handle_data(self, data: str) -> None:
        self._add("text")

    def handle_entityref(self, name: str) -> None:
        self._add("text")

    def handle_charref(self, name: str) -> None:
        self._add("text")

    def handle_comment(self, data: str) -> None:
        self._add("other")

    def handle_decl(self, decl: str) -> None:
        self._add("other")

    def handle_pi(self, data: str) -> None:
        self._add("other")

    def unknown_decl(self, data: str) -> None:
        self._add("other")


class _Reader:
    """Makes a template of a document."""

    def __init__(self, text: str, template: Template, languages: tuple[str, str]):
        self.template = template
        self._languages = languages
        # Text without references does not need them where nothing can be mistaken for one.
        self._write = _between_tags if _REFERENCE.search(text) else _as_seldom_as_may_be
        self._items: list[Item] = []
        events = _Events(text).found
        ends = [event.start for event in events[1:]] + [len(text)]
        self.template.write(text[: events[0].start] if events else text)
        place = 0
        while place < len(events):
            last = _end(events, place) if _is_opaque(events[place]) else place
            self._take(events[place], text[events[place].start : ends[last]], last > place)
            place = last + 1
        self._flush()

    def _take(self, event: _Event, raw: str, is_opaque: bool) -> None:
        if is_opaque:
            if event.name in CODE | _INLINE:
                self._items.append(Item("code", event.name, raw))
            else:
                self._flush()
                self.template.write(raw)
        elif event.kind == "text" and not _UNFINISHED.match(raw):
            self._items.append(Item("text", "", raw))
        elif event.kind in ("text", "other"):
            self._items.append(Item("void", "", raw))
        elif event.name in _INLINE:
            is_void = event.kind == "start" and (event.name in _VOID or "/" in event.attributes)
            self._items.append(Item("void" if is_void else event.kind, event.name, self._tag(event, raw)))
        else:
            self._flush()
            self.template.write(self._tag(event, raw))

    def _tag(self, event: _Event, raw: str) -> str:
        """A tag with blanks for the attributes that are read."""
        if event.kind != "start":
            return raw
        attributes = event.attributes
        if event.name == "html":
            raw = _ATTRIBUTE.sub(self._language, raw)
        read = set(_READ & attributes.keys())
        if event.name == "meta" and _DESCRIPTIONS.fullmatch(attributes.get("name") or attributes.get("property") or ""):
            read.add("content")
        if event.name == "input" and (attributes.get("type") or "").lower() in ("submit", "button", "reset"):
            read.add("value")

        def translated(match: re.Match[str]) -> str:
            value = match[3][1:-1] if match[3][0] in "\"'" else match[3]
            if match[1].lower() not in read or not has_letters(value):
                return match[0]
            quote = "'" if match[3].startswith("'") else '"'
            blank = self.template.blank(Segment(html.unescape(value)), functools.partial(_in_quotes, quote))
            return match[1] + match[2] + quote + blank + quote

        return _ATTRIBUTE.sub(translated, raw) if read else raw

    def _language(self, match: re.Match[str]) -> str:
        """An attribute of the root, with the translation's language where it said the text's, of whatever country."""
        source, target = self._languages
        value = match[3].strip("\"'")
        if not source or match[1].lower() not in ("lang", "xml:lang") or not same_language(value, source):
            return match[0]
        return match[1] + match[2] + match[3].replace(value, target)

    def _flush(self) -> None:
        """Ends a sentence; tags that have no other half in it stay between sentences."""
        items, self._items = self._items, []
        for run in runs(items):
            text = run if isinstance(run, str) else "".join(item.raw for item in run if item.kind == "text")
            if isinstance(run, str) or not has_letters(html.unescape(text)):
                self.template.write(run if isinstance(run, str) else "".join(item.raw for item in run))
            else:
                read = [item._replace(raw=html.unescape(item.raw)) if item.kind == "text" else item for item in run]
                self.template.add(segment(read), self._write)


def _between_tags(translated: Segment) -> str:
    return translated.written(lambda text: html.escape(text, quote=False))


def _as_seldom_as_may_be(translated: Segment) -> str:
    return translated.written(
        lambda text: re.sub(r"&(?=#?\w)|<(?=[A-Za-z/!?])", lambda each: html.escape(each[0]), text)
    )


def _in_quotes(quote: str, translated: Segment) -> str:
    other = {'"': "'", "'": '"'}[quote]
    return translated.written(lambda text: html.escape(text).replace(html.escape(other), other))


def _is_opaque(event: _Event) -> bool:
    """Whether an element is not translated."""
    if event.kind != "start" or event.name in _VOID or "/" in event.attributes:
        return False
    attributes = event.attributes
    return (
        event.name in CODE | _OPAQUE
        or (attributes.get("translate") or "").lower() == "no"
        or "notranslate" in (attributes.get("class") or "").split()
    )


def _end(events: list[_Event], start: int) -> int:
    """The event that ends an element; its start if none does."""
    depth = 0
    for place in range(start, len(events)):
        event = events[place]
        if event.name == events[start].name and "/" not in event.attributes:
            depth += {"start": 1, "end": -1}.get(event.kind, 0)
            if depth == 0:
                return place
    return start
