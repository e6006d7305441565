"""Figures by matplotlib, without a screen."""

import pathlib
from typing import Any

from mt.errors import UserError
from mt.files import atomic_file

FORMATS = (".png", ".svg", ".pdf")


def figure(width: float, height: float) -> Any:
    """A figure of so many inches, of no screen and no notebook.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            "pictures need matplotlib; type pip install 'mt[pictures]', or pip install matplotlib"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def drawable(piece: str) -> str:
    """A token as it can be drawn: a dollar would begin a formula."""
    return piece.replace("$", r"\$")


def save(picture: Any, path: pathlib.Path) -> None:
    """Writes a figure, whole or not at all, in the format that the file's name says."""
    with atomic_file(path) as file:
        picture.savefig(file, format=path.suffix[1:], dpi=150)
