"""Pairs of texts that verbs read: source, tab, target a line, or a file of sources and one of targets."""

import collections
import pathlib
import sys
from collections.abc import Iterator

from tqdm import tqdm

from mt.commands import lines
from mt.data.datasets import pair_of, read_aligned, read_table
from mt.data.document_order import is_blank
from mt.data.text import batched
from mt.errors import UserError

Pair = tuple[str, str]


def check(files: tuple[pathlib.Path, ...]) -> None:
    """Says what is wrong with files before any work is done.

    Raises:
        UserError: there are more than two, or see `chunks`.
    """
    if len(files) > 2:
        raise UserError(f"{files[2]}: a third file; give one of tab-separated pairs, or sources and targets")
    lines.check_existence(files)
    if files:
        collections.deque(chunks(files, lines.Replaced()), 0)


def worked_on(files: tuple[pathlib.Path, ...], doing: str, documents: bool = False) -> Iterator[list[Pair]]:
    """As `chunks`; what is printed of one goes out before the next, and a bar says how many are done.

    Args:
        files: see `chunks`.
        doing: what the bar says.
        documents: whether lists end where documents do.
    """
    replaced = lines.Replaced()
    quiet = not sys.stderr.isatty() or sys.stdout.isatty()
    with tqdm(desc=doing, unit=" pairs", disable=quiet, file=sys.stderr) as bar:
        every = chunks(files, replaced)
        for chunk in lines.whole_documents(every, is_blank) if documents else every:
            yield chunk
            sys.stdout.flush()
            bar.update(len(chunk))
    replaced.report()


def chunks(files: tuple[pathlib.Path, ...], replaced: lines.Replaced) -> Iterator[list[Pair]]:
    """Pairs, in lists that are worked on together.

    Args:
        files: one, two, or none, which is standard input.
        replaced: is told where that was not UTF-8.

    Raises:
        UserError: a file is not UTF-8, a line is no pair, or two files differ in length.
    """
    if files:
        return batched(read_aligned(*files) if len(files) == 2 else read_table(*files), lines.CHUNK)
    return _arriving(lines.chunks((), None, replaced))


def _arriving(chunks: Iterator[list[str]]) -> Iterator[list[Pair]]:
    number = 1
    for chunk in chunks:
        yield [pair_of(line, "standard input", number + place) for place, line in enumerate(chunk)]
        number += len(chunk)
