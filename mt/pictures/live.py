"""A training's curves in a notebook, drawn anew while it goes on."""

import io
import pathlib
import threading
from typing import Any

from mt.errors import UserError
from mt.pictures import curves


class LiveCurves:
    """Shows a run's curves in a notebook's cell for as long as a `with` block lasts."""

    def __init__(self, run: str | pathlib.Path, every: float = 15.0):
        """Args:
        run: the --workdir of a training, which need not have begun.
        every: seconds between two pictures.
        """
        self._run, self._every = pathlib.Path(run), every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._shown: Any = None

    def __enter__(self) -> "LiveCurves":
        from IPython.display import HTML, display

        self._shown = display(HTML("<i>the curves appear with the first metrics</i>"), display_id=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self._draw()

    def _follow(self) -> None:
        while not self._done.wait(self._every):
            self._draw()

    def _draw(self) -> None:
        from IPython.display import Image

        try:
            picture = curves.draw([self._run])
        except UserError:  # not begun, or in the middle of a line
            return
        drawn = io.BytesIO()
        picture.savefig(drawn, format="png", dpi=80)
        self._shown.update(Image(drawn.getvalue()))
