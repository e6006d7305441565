"""Models that ship with the package: bundles, each in the folder of its name."""

import pathlib

from mt.manifest import MANIFEST

DEFAULT = "en_fr_small"
_FOLDER = pathlib.Path(__file__).parent


def is_shipped(folder: pathlib.Path) -> bool:
    """Whether a folder is one of them, which are not written to."""
    return folder.resolve().parent == _FOLDER.resolve()


def locate(run: str | pathlib.Path) -> pathlib.Path:
    """The folder of a run or bundle, or, where there is none of that name, of the model that ships under it."""
    path = pathlib.Path(run).expanduser()
    shipped = _FOLDER / path
    return shipped if not path.exists() and len(path.parts) == 1 and (shipped / MANIFEST).is_file() else path
