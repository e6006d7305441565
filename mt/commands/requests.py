"""Lines that say more than their text: a JSON object each."""

import json
from typing import Any, NamedTuple

from mt.decoding.constraints import Constraints
from mt.decoding.reader import SURROGATES
from mt.errors import UserError, nearest
from mt.files import parse_json

_SHAPE = '--format jsonl has an object a line, {"source": "..."}'
_FIELDS = ("prefix", "require", "forbid", "keep")


class Request(NamedTuple):
    """A line to translate.

    Attributes:
        source: its text.
        constraints: what is asked of its translation alone.
        others: the other fields of its object, as JSON.
    """

    source: str
    constraints: Constraints = Constraints()
    others: str = "{}"


def read_request(line: str, where: str, replace: bool) -> Request:
    """Reads an object; a blank line is an empty text.

    Args:
        line: it.
        where: it stands.
        replace: half a surrogate pair, which JSON can spell but which is no character, by U+FFFD.

    Raises:
        UserError: it is none, has no "source", half a surrogate pair, or a field that is not what it should be.
    """
    if not line.strip():
        return Request("")
    try:
        text = json.dumps(parse_json(line), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error}); {_SHAPE}") from None
    if not replace and SURROGATES.search(text):
        raise UserError(f"{where}: half a surrogate pair, which is no character; mend it, or say --invalid replace")
    found = json.loads(SURROGATES.sub("\ufffd", text))
    if not isinstance(found, dict) or not isinstance(found.get("source"), str):
        raise UserError(f'{where}: no text "source"; {_SHAPE}')
    prefix = found.get("prefix", "")
    if not isinstance(prefix, str):
        raise UserError(f'{where}: "prefix" is not a text')
    required = tuple((way,) if isinstance(way, str) else way for way in _texts(found, "require", where, nested=True))
    constraints = Constraints(prefix, required, _texts(found, "forbid", where), _texts(found, "keep", where))
    others = {name: value for name, value in found.items() if name not in ("source", *_FIELDS)}
    for name in others:
        if suggestion := nearest(name, _FIELDS):
            raise UserError(f"{where}: unknown field {name!r}{suggestion}")
    return Request(found["source"], constraints, json.dumps(others, ensure_ascii=False))


def _texts(found: dict[str, Any], name: str, where: str, nested: bool = False) -> tuple[Any, ...]:
    texts = found.get(name, [])
    if isinstance(texts, str):
        texts = [texts]
    if isinstance(texts, list):
        texts = [tuple(text) if nested and isinstance(text, list) and text else text for text in texts]
        if all(isinstance(each, str) for text in texts for each in (text if isinstance(text, tuple) else [text])):
            return tuple(texts)
    raise UserError(f'{where}: "{name}" is not a list of texts')
