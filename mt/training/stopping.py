"""How a training is asked to stop, and leaves in time."""

import contextlib
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

STATUS = 75  # sysexits.h's "try again later": what should follow a whole training does not follow half of one
_WITHIN = 20.0  # seconds in which a training leaves that has nothing to save, though a compiler may be at work
_AGAIN = 2.0  # seconds after which `Stopped` is raised once more: Python drops what is raised within its own clean-up


class Stopped(BaseException):
    """A training was asked to stop where it has nothing to save."""


class Stop:
    """While it is entered, SIGTERM and Ctrl-C are answered.

    Where there is nothing to save, `Stopped` is raised; and where a library is at work for so long that nothing can be
    raised, the process ends by itself. From `begin` to `end`, the first signal only asks, and a second Ctrl-C ends at
    once.
    """

    def __init__(self):
        self.asked = False
        self._saves = self._interrupts = self._left = False
        self._raised = False  # and perhaps not heard
        self._asked_at = math.inf
        self._previous: dict[int, Any] = {}
        self._wakeup = -1
        self._pipe: tuple[int, int] = (-1, -1)

    @property
    def saves(self) -> bool:
        """Whether there is something to save."""
        return self._saves

    def begin(self) -> None:
        """From now on there is something to save."""
        self._saves = True

    def end(self) -> None:
        """All is saved."""
        self._saves = self._raised = False
        self._asked_at = math.inf

    @contextlib.contextmanager
    def interrupting(self, wanted: bool) -> Iterator[None]:
        """Work that `Stopped` may be raised in, though there is something to save; if so it is wanted."""
        self._interrupts = wanted
        try:
            if wanted and self.asked:
                raise Stopped
            yield
        finally:
            self._interrupts = self._raised = False

    def _ask(self, number, frame):
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
        if not self._left and (self._interrupts or not self._saves):
            self._raised = True
            raise Stopped

    def _dropped(self, what):
        if not isinstance(what.exc_value, Stopped):  # which will be raised once more
            self._unraisable(what)

    def _watch(self):
        reading = self._pipe[0]
        while True:
            waits = None if self._asked_at == math.inf else min(_AGAIN, _WITHIN)
            if select.select([reading], [], [], waits)[0]:
                number = os.read(reading, 1)[0]
                if not number:  # left
                    return
                if number in self._previous:
                    self._asked_at = min(self._asked_at, time.monotonic())
            elif self._saves and not self._interrupts:  # it is seen after the step
                self._asked_at = math.inf
            elif not self._saves and time.monotonic() >= self._asked_at + _WITHIN:
                print("mt: stopped, with nothing to save", file=sys.stderr, flush=True)
                os._exit(STATUS)
            elif self._raised:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def __enter__(self) -> "Stop":
        self._previous = {number: signal.signal(number, self._ask) for number in (signal.SIGTERM, signal.SIGINT)}
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._wakeup = signal.set_wakeup_fd(self._pipe[1])
        # Where Python drops what is raised, in a destructor or a weak reference's callback, it prints a traceback.
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._dropped
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *exception):
        self._left = True
        reading, writing = self._pipe
        os.write(writing, b"\0")
        self._watcher.join()  # before the handlers go, which answer its signals
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        sys.unraisablehook = self._unraisable
        os.close(reading)
        os.close(writing)
