"""Which words of a source its translation's words come from, by where the decoder looks."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.attention_maps import maps_of
from mt.models.interface import Params

_CROSS = "cross_attention"
_SPACE = "\u2581"


def cross_attention(model: Any, layer: int | None = None) -> Callable[[Params, Any], jax.Array]:
    """The mean over heads of one layer's look at the source, as each target token is written.

    Args:
        model: a Flax module with the method `hidden` and encoder-decoder attention.
        layer: which, from 0; None is the last but one, whose heads align best (Garg et al. 2019, section 4.1), or the
            only one.

    Returns:
        A function of parameters and a batch, see `scoring.forced_batch`: float32 [rows, target_length, source_length].
    """

    def weights(params: Params, batch: Any) -> jax.Array:
        [layers] = [found for name, found in maps_of(model, params, batch).items() if name.endswith(_CROSS)]
        return jnp.mean(layers[max(len(layers) - 2, 0) if layer is None else layer], axis=1)

    return weights


def align(weights: np.ndarray, source: Sequence[str], target: Sequence[str]) -> list[tuple[int, int]]:
    """Each target word's source word: that which its tokens look at most.

    Args:
        weights: [target, source], at least as long as the tokens.
        source: tokens as the tokenizer writes them, the end last.
        target: the same of the translation.

    Returns:
        Pairs of a source word's number and a target word's, by the target's; words are what white space separates,
        counted from 0.
    """
    words = [_words(pieces) for pieces in (source, target)]
    if not words[0] or not words[1]:
        return []
    sums = np.zeros((words[1][-1] + 1, words[0][-1] + 1))
    inner = weights[: len(words[1]), : len(words[0])]
    np.add.at(sums, (np.array(words[1])[:, None], np.array(words[0])[None]), inner)
    return [(int(best), word) for word, best in enumerate(sums.argmax(axis=1))]


def _words(pieces: Sequence[str]) -> list[int]:
    """The number of each token's word; the end has none."""
    numbers, number = [], -1
    for place, piece in enumerate(pieces[:-1]):
        number += piece.startswith(_SPACE) or place == 0
        numbers.append(number)
    return numbers
