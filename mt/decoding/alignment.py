"""Which words of a source its translation's words come from, by where the decoder looks."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mt.decoding.ensemble import Ensemble
from mt.decoding.fusion import Fused
from mt.layers import attention_maps
from mt.models.interface import Params

_SPACE = "\u2581"


def cross_attention(model: Any, layer: int | None = None) -> Callable[[Params, Any], jax.Array]:
    """The mean over heads of one layer's look at the source, as each target token is written.

    Args:
        model: a Flax module with the method `hidden` and encoder-decoder attention, or an `Ensemble` of such, whose
            mean it is.
        layer: see `attention_maps.cross_attention`.

    Returns:
        A function of parameters and a batch, see `scoring.forced_batch`: float32 [rows, target_length, source_length].
    """
    if isinstance(model, Ensemble):
        members = [cross_attention(member, layer) for member in model.members]
        return lambda params, batch: jnp.mean(
            jnp.stack([member(own, batch) for member, own in zip(members, params)]), axis=0
        )
    if isinstance(model, Fused):
        of_translator = cross_attention(model.translator, layer)
        return lambda params, batch: of_translator(params[0], batch)

    return lambda params, batch: attention_maps.cross_attention(attention_maps.maps_of(model, params, batch), layer)


def word_weights(weights: np.ndarray, source: Sequence[str], target: Sequence[str]) -> np.ndarray:
    """How much each target word's tokens look at each source word's; words are what white space separates.

    Args:
        weights: [target, source], at least as long as the tokens.
        source: tokens as the tokenizer writes them, the end last.
        target: the same of the translation.

    Returns:
        Sums of `weights`, [target words, source words].
    """
    words = [_words(pieces) for pieces in (source, target)]
    sums = np.zeros([max(of_side, default=-1) + 1 for of_side in words[::-1]])
    if sums.size:
        inner = weights[: len(words[1]), : len(words[0])]
        np.add.at(sums, (np.array(words[1])[:, None], np.array(words[0])[None]), inner)
    return sums


def align(weights: np.ndarray) -> list[tuple[int, int]]:
    """Each target word's source word, that which it looks at most: pairs of both's numbers, by the target's.

    Args:
        weights: see `word_weights`.
    """
    return [(int(best), word) for word, best in enumerate(weights.argmax(axis=1))] if weights.size else []


def _words(pieces: Sequence[str]) -> list[int]:
    """The number of each token's word; the end has none."""
    numbers, number = [], -1
    for place, piece in enumerate(pieces[:-1]):
        number += piece.startswith(_SPACE) or place == 0
        numbers.append(number)
    return numbers
