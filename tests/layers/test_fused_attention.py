import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.layers.attention import attention_in_training
from mt.layers.dropout import key_words
from mt.layers.fused_attention import fits, fused_attention

BATCH, HEADS, HEAD_DIM = 2, 4, 64
WIDTH = HEADS * HEAD_DIM


def _random(length, parts, seed):
    return np.random.default_rng(seed).normal(size=(BATCH, length, parts * WIDTH)).astype(np.float32)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("cross", [False, True])
def test_the_kernel_is_attention_and_so_are_its_gradients(cross, dropout):
    projected = (_random(16, 1, 0), _random(24, 2, 1)) if cross else (_random(16, 3, 0),)
    mask = np.random.default_rng(2).random((BATCH, 16, projected[-1].shape[1])) > 0.3
    words = key_words(jax.random.key(3), 2).at[2].set(5)  # of a device that is not the first
    assert fits(16, mask.shape[2], HEADS, HEAD_DIM)
    expected, expected_back = jax.vjp(
        lambda *parts: attention_in_training(parts, mask[:, None], words, HEADS, dropout), *projected
    )
    found, back = jax.vjp(
        lambda *parts: fused_attention(parts, jnp.asarray(mask), words, HEADS, dropout, True), *projected
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    gradient = _random(16, 1, 4)
    for one, other in zip(back(gradient), expected_back(gradient), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
