"""Documents in two languages, and what the test is made of."""

import lzma
import os
import pathlib
import re
from typing import NamedTuple

FOLDERS = ("bible-docs", "canlaws-docs", "php-docs", "python-docs")
# Letters, with hyphens within, and the apostrophe of what is elided: "l'", "peut-être".
WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*['’]?")


class Item(NamedTuple):
    """A sentence with two translations, of which what stands before it in its document decides.

    Attributes:
        folder: of the document.
        document: its number in the folder's dev set, from 1.
        line: the sentence's, in the folder's dev files, from 1.
        kind: "pronoun", "pronoun within" or "term".
        source: the sentence.
        true: its translation.
        contrastive: the same, but for one word and what must follow it.
        word: what was swapped.
        swapped: for what.
        distance: how many sentences before the term last stood; None of pronouns, whose antecedent is not known.
    """

    folder: str
    document: int
    line: int
    kind: str
    source: str
    true: str
    contrastive: str
    word: str
    swapped: str
    distance: int | None = None


class Sentence(NamedTuple):
    """A pair of a document, and its line in the files, from 1."""

    line: int
    source: str
    target: str


class Swap(NamedTuple):
    """A contrastive translation, see `Item`."""

    contrastive: str
    word: str
    swapped: str
    distance: int | None = None


def words(text: str) -> list[str]:
    """A text's words, in small letters, an elided one with a straight apostrophe."""
    return [word.replace("’", "'") for word in WORD.findall(text.lower())]


def like(word: str, model: str) -> str:
    """A word with a capital where another has one."""
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def read(folder: str, split: str) -> list[list[Sentence]]:
    """The documents of a folder in $MT_CORPORA."""
    where = pathlib.Path(os.environ["MT_CORPORA"]) / folder
    sides = []
    for language in ("en", "fr"):
        with lzma.open(where / f"{split}.{language}.xz", "rt", encoding="utf-8") as file:
            sides.append(file.read().split("\n")[:-1])
    return parted(sides[0], sides[1])


def parted(sources: list[str], targets: list[str]) -> list[list[Sentence]]:
    """Lines as documents, which empty ones part."""
    found: list[list[Sentence]] = [[]]
    for line, (source, target) in enumerate(zip(sources, targets, strict=True), 1):
        if source or target:
            found[-1].append(Sentence(line, source, target))
        else:
            found.append([])
    return [document for document in found if document]
