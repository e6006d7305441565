"""The lines that verbs read: from files or down a pipe, refused or mended where they are not text."""

import atexit
import collections
import contextlib
import itertools
import os
import pathlib
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Literal, TypeVar

from mt import pretrained
from mt.data.text import arriving_lines, batched, decode_lines, read_lines
from mt.data.tokenized import default_cache
from mt.errors import UserError
from mt.files import why_not_a_file

CHUNK = 2048  # lines that are worked on together
_STANDARD_INPUT = pathlib.Path("-")
SHOWN = 8  # numbers of lines that are told
T = TypeVar("T")
Invalid = Literal["refuse", "replace"] | None


def run_and_files(
    run: pathlib.Path | None, files: tuple[pathlib.Path, ...]
) -> tuple[pathlib.Path, tuple[pathlib.Path, ...]]:
    """What a command line names: a run, which may be left out for the model that ships, and files.

    Args:
        run: the first name.
        files: the others; "-" is standard input, which no name is too.

    Raises:
        UserError: standard input is named beside files.
    """
    if _STANDARD_INPUT in (run, *files):
        run = None if run == _STANDARD_INPUT else run
        if [path for path in files if path != _STANDARD_INPUT]:
            raise UserError("-: standard input is read by itself; leave it out, or the files")
        files = ()
    if run is not None and not run.is_file():
        return run, files
    print(f"no run is named: taking {pretrained.DEFAULT}, the English to French model that ships", file=sys.stderr)
    return pathlib.Path(pretrained.DEFAULT), (run, *files) if run else ()


def check(paths: Sequence[pathlib.Path], invalid: Invalid) -> int | None:
    """Says what is wrong with files before any work is done.

    Returns:
        How many lines there are; None if there is no file, and they come down a pipe.

    Raises:
        UserError: one is not there or, unless that is to be replaced, not UTF-8.
    """
    check_existence(paths)
    replaced = (lambda what: None) if invalid == "replace" else None
    return sum(1 for path in paths for _ in read_lines(path, replaced)) if paths else None


def check_existence(paths: Sequence[pathlib.Path]) -> None:
    """Says which file is not there.

    Raises:
        UserError: one is not.
    """
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: {why_not_a_file(path)}")


def chunks(
    paths: Sequence[pathlib.Path], invalid: Invalid, replaced: "Replaced", stream: bool = False
) -> Iterator[list[str]]:
    """Lines in lists that are worked on together: of files many, of a pipe those that have come, on a terminal one.

    Args:
        paths: read one after the other; none is standard input.
        invalid: what becomes of bytes that are not UTF-8; None refuses them in a file, and replaces them down a pipe.
        replaced: is told of those that were replaced.
        stream: no line waits for another.

    Raises:
        UserError: standard input can be read to its end before any work is done, and is to be refused.
    """
    told, together = replaced if invalid == "replace" else None, 1 if stream else CHUNK
    if paths:
        return batched(itertools.chain.from_iterable(read_lines(path, told) for path in paths), together)
    if sys.stdin.isatty():
        return _typed()
    file, name = sys.stdin.buffer, "standard input"
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        if invalid == "refuse":
            return batched(list(decode_lines(file, name)), together)
        return _arriving(file, name, replaced, stream)
    if not told:
        place = file.tell()
        collections.deque(decode_lines(file, name), 0)
        file.seek(place)
    return batched(decode_lines(file, name, told), together)


def whole_documents(chunks: Iterator[list[T]], is_blank: Callable[[T], bool]) -> Iterator[list[T]]:
    """The same lines, or pairs, in lists that end where a document does: with a blank one, or with the last."""
    waiting: list[T] = []
    for chunk in chunks:
        ends = [number for number, line in enumerate(chunk, 1) if is_blank(line)]
        if ends:
            yield waiting + chunk[: ends[-1]]
            waiting, chunk = [], chunk[ends[-1] :]
        waiting += chunk
    if waiting:
        yield waiting


def _arriving(file: BinaryIO, name: str, replaced: "Replaced", stream: bool) -> Iterator[list[str]]:
    number = 1
    for lines in arriving_lines(file, 1 if stream else CHUNK, **{"patience": 0.0} if stream else {}):
        yield list(decode_lines(lines, name, replaced, number))
        number += len(lines)


def _typed() -> Iterator[list[str]]:
    """Lines as they are typed, which can be edited and called back; those of earlier days too."""
    with contextlib.suppress(ImportError):  # not on every system
        import readline

        history = default_cache() / "history"
        with contextlib.suppress(OSError):
            readline.read_history_file(history)
        readline.set_history_length(1000)

        @atexit.register
        def keep() -> None:
            with contextlib.suppress(OSError):
                history.parent.mkdir(parents=True, exist_ok=True)
                readline.write_history_file(history)

    print("a line, and Enter; Ctrl-D ends", file=sys.stderr)
    while True:
        try:
            line = input("> " if sys.stdout.isatty() else "")
        except EOFError:
            return
        except KeyboardInterrupt:  # only what is half typed is dropped, as in a shell
            print(file=sys.stderr)
            continue
        # What the terminal could not decode is half of a surrogate pair, which is no character.
        yield [line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]


class Replaced:
    """Says where text was not UTF-8: of the first lines at once, of the others how many there are."""

    def __init__(self):
        self._count = 0

    def __call__(self, what: str) -> None:
        self._count += 1
        if self._count <= SHOWN:
            print(f"{what}; replaced by U+FFFD", file=sys.stderr)

    def report(self) -> None:
        """To be called at the end."""
        if self._count > SHOWN:
            print(f"{self._count - SHOWN:,} more lines were not valid UTF-8; replaced by U+FFFD", file=sys.stderr)
