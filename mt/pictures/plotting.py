"""matplotlib, without a screen."""

import pathlib
from typing import Any

from mt.errors import UserError
from mt.files import atomic_file

FORMATS = (".png", ".svg", ".pdf")


def pyplot() -> Any:
    """matplotlib's module for drawing.

    Raises:
        UserError: it is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise UserError(
            "pictures need matplotlib; type pip install 'mt[pictures]', or pip install matplotlib"
        ) from None
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def drawable(piece: str) -> str:
    """A token as it can be drawn: most fonts lack SentencePiece's sign for a space, and a dollar begins a formula."""
    return piece.replace("\u2581", "_").replace("$", r"\$")


def save(figure: Any, path: pathlib.Path) -> None:
    """Writes a picture, whole or not at all, and forgets it."""
    with atomic_file(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=150)
    pyplot().close(figure)
