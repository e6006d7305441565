"""What a command line asks of translations, and what a line's own words bring with them."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Annotated, Literal

from mt.arguments import default
from mt.data.datasets import pair_of
from mt.data.text import read_lines
from mt.decoding.constraints import Constraints, words_of
from mt.decoding.keeping import Kind
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class ConstraintOptions:
    """What translations must say, and must not. A line of which none is found that does so has one that does not, and
    is told ("unmet" in --json).

    Attributes:
        prefix: how each translation begins, were it in the middle of a word; with a space at its end, the word is
            whole.
        require: phrases that stand in each translation, as whole words, written just so.
        forbid: phrases that stand in none, written just so: other capitals or apostrophes are another phrase.
        terminology: a file of source term, tab, target term a line (.gz and .xz too): where a line has the first, as
            whole words in any case, its translation has the second. Lines of the same source term are alternatives.
        keep: what of the source stands in its translation as it is: "placeholders", such as {0}, %s or ${name};
            "urls", and mail addresses; "emoji"; "unknown", words and signs that the vocabulary has no pieces for;
            "tags" of HTML, around the words that they were around. Left out, of documents all but tags, which they have
            ways of their own for, of lines nothing.
    """

    prefix: Annotated[str, default("none")] = ""
    require: Annotated[tuple[str, ...], default("none")] = ()
    forbid: Annotated[tuple[str, ...], default("none")] = ()
    terminology: Annotated[pathlib.Path | None, default("none", "PATH")] = None
    keep: Annotated[
        tuple[Kind | Literal["tags"], ...] | None,
        default("of documents all but tags; of lines nothing", "{placeholders,urls,emoji,unknown,tags} ..."),
    ] = None


class LineConstraints:
    """Makes each line's constraints."""

    def __init__(self, options: ConstraintOptions):
        """Raises:
        UserError: the terminology cannot be read, or a line of it is no pair of terms.
        """
        if set(options.prefix) & set("\r\n"):
            raise UserError("--prefix: has a line's end, and a translation is a line; leave it out")
        self._all = Constraints(options.prefix, tuple((phrase,) for phrase in options.require), options.forbid)
        self._terms = _read(options.terminology) if options.terminology else {}
        self._longest = max(map(len, self._terms), default=0)

    def of(self, line: str) -> Constraints:
        """What the translation of a line must say, and must not."""
        terms = tuple(self._found(line)) if self._terms else ()
        return dataclasses.replace(self._all, terms=terms) if terms else self._all

    def _found(self, line: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """A line's source terms and their target terms, the longest first at each place."""
        words, place, found = words_of(line), 0, []
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                if ways := self._terms.get(words[place : place + length]):
                    found.append((words[place : place + length], ways))
                    place += length
                    break
            else:
                place += 1
        return list(dict.fromkeys(found))


def _read(path: pathlib.Path) -> Mapping[tuple[str, ...], tuple[str, ...]]:
    if not path.is_file():
        raise UserError(f"--terminology {path}: no such file; check the path")
    terms: dict[tuple[str, ...], tuple[str, ...]] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        source, target = pair_of(line, str(path), number)
        if line.count("\t") > 1:
            raise UserError(f"{path}, line {number}: more than two columns; give each alternative a line of its own")
        words = words_of(source)
        if not words or not target.strip():
            raise UserError(f"{path}, line {number}: a term is blank; a line is source term, tab, target term")
        terms[words] = (*terms.get(words, ()), target.strip())
    return terms
