"""TMX translation memories: units that the target language is missing from are given it; all others stay."""

import functools
import html
from collections.abc import Callable, Sequence
from typing import Any

from mt.documents.items import Item, has_letters, paired, segment
from mt.documents.languages import same_language
from mt.documents.libraries import library
from mt.documents.segments import Segment
from mt.errors import UserError

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def read(content: str, source_language: str, target_language: str) -> "Memory":
    """Reads a file.

    Raises:
        UserError: it is not TMX, or the library for it is not installed.
    """
    etree = library("lxml.etree", "TMX")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, strip_cdata=False)
    try:
        root = etree.fromstring(content.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise UserError(f"not XML ({' '.join(str(error).split())[:100]})") from None
    if etree.QName(root).localname != "tmx":
        raise UserError(f"not TMX: its first element is <{etree.QName(root).localname}>")
    return Memory(etree, root, source_language, target_language)


class Memory:
    """A TMX file.

    Attributes:
        segments: of the units that the target language is missing from.
    """

    def __init__(self, etree: Any, root: Any, source_language: str, target_language: str):
        self.segments: list[Segment] = []
        self._etree = etree
        self._root = root
        self._put: list[Callable[[Any], None]] = []
        for unit in root.iter("tu"):
            variants = {_language(variant): variant for variant in unit.findall("tuv")}
            source, target = (_of(variants, language) for language in (source_language, target_language))
            if source is None or source.find("seg") is None:
                continue
            if target is not None and target.find("seg") is not None and "".join(target.find("seg").itertext()).strip():
                continue
            if any(not isinstance(each.tag, str) for each in source.find("seg").iter()):
                continue  # an entity or a comment, which could not be moved
            items = paired(_items(etree, source.find("seg")))
            if has_letters("".join(item.raw for item in items if item.kind == "text")):
                self.segments.append(segment(items))
                self._put.append(functools.partial(_put, source, target, target_language))

    def filled(self, translations: Sequence[Segment]) -> str:
        """See `document.Document`."""
        for put, translated in zip(self._put, translations):
            put(self._etree.fromstring(f"<seg>{translated.written(html.escape)}</seg>"))
        tree = self._root.getroottree()
        declared = f'<?xml version="{tree.docinfo.xml_version or "1.0"}" encoding="UTF-8"?>\n'
        return declared + self._etree.tostring(tree, encoding="unicode") + "\n"


def _language(variant: Any) -> str:
    return (variant.get(_LANGUAGE) or variant.get("lang") or "").lower()


def _of(variants: dict[str, Any], language: str) -> Any:
    """The variant of a language, also of one of its regions."""
    for name, variant in variants.items():
        if same_language(name, language):
            return variant
    return None


def _items(etree: Any, seg: Any) -> list[Item]:
    items = [Item("text", "", seg.text or "")]
    for child in seg:
        raw = etree.tostring(child, encoding="unicode", with_tail=False)
        name = etree.QName(child).localname
        if name in ("bpt", "ept"):
            items.append(Item("start" if name == "bpt" else "end", child.get("i", ""), raw))
        elif name == "hi":
            inner = _items(etree, child)
            start = raw[: raw.index(">") + 1]
            items += [Item("start", "hi", start), *inner, Item("end", "hi", "</hi>")]
        else:
            items.append(Item("code" if name == "ph" else "void", name, raw))
        items.append(Item("text", "", child.tail or ""))
    return items


def _put(source: Any, target: Any, language: str, seg: Any) -> None:
    """Puts a translation into a unit."""
    if target is None:
        target = source.makeelement("tuv", {_LANGUAGE if source.get(_LANGUAGE) else "lang": language})
        target.text, target.tail = source.text, source.tail
        source.addnext(target)
        # What stands before the unit's end stood behind the source.
        previous = source.getprevious()
        if target.getnext() is None and previous is not None:
            source.tail = previous.tail
        elif target.getnext() is None:
            source.tail = source.getparent().text
    old = target.find("seg")
    seg.tail = source.find("seg").tail
    if old is None:
        target.append(seg)
    else:
        target.replace(old, seg)
