"""Lines of text as people keep them: plain, .gz or .xz, UTF-8."""

import gzip
import lzma
import pathlib
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from mt.errors import UserError

SUFFIXES = ("", ".gz", ".xz")
_OPENERS = {".gz": gzip.open, ".xz": lzma.open}


def open_binary(path: pathlib.Path) -> BinaryIO:
    """The file's bytes, decompressed by its suffix."""
    return _OPENERS.get(path.suffix, open)(path, "rb")  # type: ignore[operator]


def read_lines(path: pathlib.Path) -> Iterator[str]:
    """The lines of a file, see `decode_lines`.

    Raises:
        UserError: the file cannot be read, or a line of it is not UTF-8.
    """
    try:
        with open_binary(path) as file:
            yield from decode_lines(file, str(path))
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or f"damaged: {error}"
        raise UserError(f"{path}: cannot read ({reason}); check the path and the file") from None


def decode_lines(lines: Iterable[bytes], name: str) -> Iterator[str]:
    """Lines without their ends. Only LF and CRLF end a line, whatever else Unicode calls a line break.

    Raises:
        UserError: a line is not UTF-8; `name` says of which file.
    """
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}, line {number}: not valid UTF-8 (byte {line[error.start]:#04x} at {error.start}); "
                "convert the text, for example with iconv -f LATIN1 -t UTF-8"
            ) from None


def find(path: pathlib.Path) -> pathlib.Path | None:
    """The file itself, or compressed under the same name."""
    candidates = (path.with_name(path.name + suffix) for suffix in SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
