"""Lines of text as people keep them: plain, .gz or .xz, UTF-8."""

import codecs
import gzip
import itertools
import lzma
import os
import pathlib
import select
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, TypeVar

from mt.errors import UserError

SUFFIXES = ("", ".gz", ".xz")
T = TypeVar("T")
_OPENERS = {".gz": gzip.open, ".xz": lzma.open}


def open_binary(path: pathlib.Path) -> BinaryIO:
    """The file's bytes, decompressed by its suffix."""
    return _OPENERS.get(path.suffix, open)(path, "rb")  # type: ignore[operator]


def read_lines(path: pathlib.Path, replaced: Callable[[str], None] | None = None) -> Iterator[str]:
    """The lines of a file, see `decode_lines`.

    Raises:
        UserError: the file cannot be read, or a line of it is not UTF-8.
    """
    try:
        with open_binary(path) as file:
            yield from decode_lines(file, str(path), replaced)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or f"damaged: {error}"
        raise UserError(f"{path}: cannot read ({reason}); check the path and the file") from None


def refuse_or_tell(what: str, replaced: Callable[[str], None] | None, encoding: str = "LATIN1") -> None:
    """Tells `replaced` what is not UTF-8; `encoding` is what it may be.

    Raises:
        UserError: there is nobody to tell, so that it is not to be replaced.
    """
    if replaced is None:
        raise UserError(f"{what}; convert the text, for example with iconv -f {encoding} -t UTF-8") from None
    replaced(what)


def decode_lines(
    lines: Iterable[bytes], name: str, replaced: Callable[[str], None] | None = None, first: int = 1
) -> Iterator[str]:
    """Lines without their ends. Only LF and CRLF end a line, whatever else Unicode calls a line break.

    Args:
        lines: of the file.
        name: of the file, for messages.
        replaced: what is not UTF-8 becomes U+FFFD, and this is told of the line; None is to raise.
        first: number of the first line.

    Raises:
        UserError: a line is not UTF-8.
    """
    for number, line in enumerate(lines, first):
        encoding = "utf-8-sig" if number == 1 else "utf-8"
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError as error:
            where = f"byte {line[error.start]:#04x} at {error.start}"
            utf16 = number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            what = f"{name}, line {number}: not valid UTF-8 ({where})"
            refuse_or_tell(what, replaced, "UTF-16" if utf16 else "LATIN1")
            text = line.decode(encoding, "replace")
        yield text.removesuffix("\n").removesuffix("\r")


def arriving_lines(file: BinaryIO, most: int, patience: float = 0.05) -> Iterator[list[bytes]]:
    """Lines as they come down a pipe: those that have come `patience` seconds after the first of them, or `most`.

    Args:
        file: whose descriptor is read, past its buffer.
        most: lines at once.
        patience: in seconds.
    """
    descriptor, rest = file.fileno(), bytearray()
    lines: list[bytes] = []
    deadline = 0.0
    while True:
        waiting = not lines or select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]
        if waiting and not (block := os.read(descriptor, 1 << 16)):
            break
        if waiting:
            rest += block
        if waiting and b"\n" in block:
            *whole, rest = rest.split(b"\n")
            deadline = deadline if lines else time.monotonic() + patience
            lines += [bytes(line) + b"\n" for line in whole]
        while len(lines) >= most or (lines and time.monotonic() >= deadline):
            yield lines[:most]
            lines = lines[most:]
    lines += [bytes(rest)] if rest else []
    for start in range(0, len(lines), most):
        yield lines[start : start + most]


def batched(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """The items in lists of so many, the last of which may be shorter."""
    items = iter(items)
    while batch := list(itertools.islice(items, most)):
        yield batch


def find(path: pathlib.Path) -> pathlib.Path | None:
    """The file itself, or compressed under the same name."""
    candidates = (path.with_name(path.name + suffix) for suffix in SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
