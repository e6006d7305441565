"""Tokens that must be found are chosen by lot, in whole words if asked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.models.interface import Text
from mt.training.choosing import choose
from tests.training.test_masked_tokens import STARTS, text_of_words


@pytest.mark.parametrize("whole_words", [False, True])
def test_so_many_tokens_are_chosen_and_never_an_end(whole_words):
    text = Text.of(text_of_words())
    tokens, segments = np.array(text.tokens), np.array(text.segments)
    begins = jnp.asarray(STARTS)[text.tokens] | (text.positions == 0) if whole_words else None
    times = np.zeros(tokens.shape)
    for number in range(60):
        keys = jax.random.split(jax.random.key(number), len(tokens))
        chosen = jax.device_get(choose(text.tokens, text.segments, keys, 0.4, begins))
        for row, (places, there) in enumerate(zip(*chosen)):
            own = places[there]
            candidates = np.flatnonzero((segments[row] > 0) & (tokens[row] != 2))
            assert set(own) <= set(candidates) and len(set(own)) == len(own)
            wanted = round(0.4 * len(candidates))
            assert wanted - whole_words <= len(own) <= wanted
            if whole_words:
                starts = own[STARTS[tokens[row, own]]]
                assert set(own) == {*starts, *(starts + 1)}
            times[row, own] += 1
    share = times.sum() / 60 / ((segments > 0) & (tokens != 2)).sum()
    assert 0.35 < share <= 0.41
    assert times[(segments > 0) & (tokens != 2)].min() > 8  # of 60, 24 each on average
