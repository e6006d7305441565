"""How the C library hands out memory."""

import ctypes
import sys

# From malloc.h of the GNU C library.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> None:
    """Has freed memory kept for the next use instead of given back to the system.

    XLA on CPU asks for all of a program's temporary memory anew each time the program runs. The GNU C library maps so
    large a piece afresh from the system, which clears it a page at a time as it is touched; of a small model's training
    step that is a third. Kept memory is neither mapped nor cleared again. The process never shrinks, though, so this is
    for programs of our own and not for a library to decide. With another C library nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)  # pieces of any size come from the heap,
        mallopt(_ARENA_MAX, 1)  # of which threads share one, as the others are limited in size,
        mallopt(_TRIM_THRESHOLD, -1)  # whose end is never given back
        mallopt(_TOP_PAD, 64 << 20)  # and which grows by as much at a time
