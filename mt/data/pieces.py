"""What a vocabulary's pieces are: masks, and beginnings of words."""

import numpy as np

from mt.data.tokenizers import Side
from mt.errors import UserError

MASK = "<mask>"
_MASKS = (MASK, "[MASK]")


def mask_of(tokenizer: Side) -> int:
    """The piece that stands for what is hidden.

    Raises:
        UserError: there is none.
    """
    for number, piece in enumerate(tokenizer.pieces(range(len(tokenizer)))):
        if piece in _MASKS:
            return number
    raise UserError(
        f"tokenizer: this vocabulary has no piece {MASK}, which stands for hidden words; make one with "
        f"tokenizer.symbols {MASK}"
    )


def word_starts(tokenizer: Side) -> np.ndarray:
    """Which pieces begin a word, bool [vocab]."""
    return np.array([piece.startswith("▁") for piece in tokenizer.pieces(range(len(tokenizer)))])
