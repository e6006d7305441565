"""Files that are either whole or absent, and folders that one process at a time works in."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from mt.errors import UserError

LOCK = ".lock"


@contextlib.contextmanager
def atomic_folder(path: pathlib.Path, or_another: bool = False) -> Iterator[pathlib.Path]:
    """A folder to fill, which takes its name only once it is full.

    Args:
        path: its name.
        or_another: whether one that took the name meanwhile, which stays, is as good.

    Raises:
        UserError: another took it, and is not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        try:
            temporary.rename(path)
        except OSError as error:
            if not path.is_dir():
                raise
            if not or_another:
                raise UserError(f"{path}: made by another process meanwhile ({error.strerror}); name another") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(path: pathlib.Path) -> Iterator[BinaryIO]:
    """A file to write, beside the one whose name it takes only once it is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_atomically(path: pathlib.Path, content: bytes) -> None:
    """Writes beside the file, flushes to disk, and renames over it."""
    with atomic_file(path) as file:
        file.write(content)


def check_output(path: pathlib.Path, option: str) -> pathlib.Path:
    """Where a file is to be written, a link followed rather than replaced.

    Raises:
        UserError: it cannot be, which is better known before the work than after it; `option` is what named it.
    """
    path = path.resolve()
    if not path.name or not path.parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.parent}; make it first")
    if path.exists() and not path.is_file():
        raise UserError(f"{option} {path}: not a file; name one, or leave the option out")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{option} {path}: {path.parent} cannot be written to; name another folder")
    return path


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Keeps other processes out of a folder, which is made if need be, and removed again if it stays empty.

    Raises:
        UserError: another process is in it.
    """
    new, path = not folder.exists(), folder / LOCK
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            raise UserError(f"{folder}: another process is at work there; wait for its end, or stop it") from None
        try:
            yield
        finally:
            # Otherwise it stays: of two that wait for a lock's file, one could hold it unseen once it has no name.
            if new and [entry.name for entry in folder.iterdir()] == [LOCK]:
                path.unlink()
                folder.rmdir()


@contextlib.contextmanager
def in_turn(folder: pathlib.Path) -> Iterator[None]:
    """Waits for other processes that do the same in a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def parse_json(text: str | bytes) -> Any:
    """As `json.loads`, but that what is nested too deep is a ValueError too."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def write_json(path: pathlib.Path, value: Any) -> None:
    """Readable JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def why_not_a_file(path: pathlib.Path) -> str:
    """What to say of a path that was to be a file's and is not."""
    if path.is_fifo():
        return "a pipe, which can be read but once; write it to a file first"
    return f"{'not a file' if path.exists() else 'no such file'}; check the path"
