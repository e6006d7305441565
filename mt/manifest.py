"""A folder that says of itself what it holds, so that nothing missing, altered or newer is read as if it were whole."""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from mt.errors import UserError
from mt.files import parse_json, write_json
from mt.version import __version__

MANIFEST = "MANIFEST.json"
_FORMAT = 1


def write(folder: pathlib.Path, about: Mapping[str, Any]) -> None:
    """Describes a folder's files, all of which must be there already, and adds what else is to be known of it."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    write_json(folder / MANIFEST, {"format_version": _FORMAT, "mt_version": __version__, **about, "files": files})


def verify(folder: pathlib.Path, read: Sequence[str] = ()) -> dict[str, Any]:
    """What a folder's manifest says, once all of its files have been found to be as it says.

    Args:
        folder: which.
        read: files and folders in it that are going to be read, so that all that is there of them must be named.

    Raises:
        UserError: a file is missing or altered, lies elsewhere or is not named, or the manifest is damaged, or of a
            newer format.
    """
    path = folder / MANIFEST
    try:
        if not path.is_file():  # a pipe would be waited for
            raise OSError
        found = parse_json(path.read_text("utf-8"))
        version, files = found["format_version"], found["files"]
        expected = {name: (entry["bytes"], entry["sha256"]) for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: not a manifest, or damaged; export the model again, or copy it once more") from None
    if version != _FORMAT:
        raise UserError(
            f"{path}: of format {version!r}, written by mt {found.get('mt_version')}; this is mt {__version__}, which "
            f"reads format {_FORMAT}: install the newer mt"
        )
    for name, (size, sha256) in expected.items():
        parts = pathlib.PurePosixPath(name).parts
        if not parts or pathlib.PurePosixPath(name).is_absolute() or ".." in parts:
            raise UserError(f"{path}: names {name!r}, which is not in this folder; do not use the model")
        file = folder / name
        _check_inside(folder, file)
        if not file.is_file():
            raise UserError(f"{file}: missing; copy the folder once more, whole")
        if file.stat().st_size != size or _sha256(file) != sha256:
            raise UserError(f"{file}: not as it was exported; copy the folder once more")
    for top in (folder / name for name in read):
        for file in (top, *top.rglob("*")):
            _check_inside(folder, file)
            if file.is_symlink() and file.is_dir():  # what is in it is not looked at, but would be read
                raise UserError(f"{file}: a link to a folder; copy the files themselves (cp -rL)")
            if file.is_file() and file.relative_to(folder).as_posix() not in expected:
                raise UserError(
                    f"{file}: is not in {path.name}, which says what was exported; copy the folder once more"
                )
    return found


def _check_inside(folder: pathlib.Path, file: pathlib.Path) -> None:
    """Raises UserError where a file is a link out of the folder, or in a folder that is one."""
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # such as a link to itself, or a name that no file can have
        inside = False
    if not inside:
        raise UserError(f"{file}: a link out of the folder, or no file's name; copy the files themselves (cp -rL)")


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
