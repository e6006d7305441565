import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.training.losses import consistent_cross_entropy, projected_cross_entropy

RANDOM = np.random.default_rng(0)
HIDDEN = RANDOM.normal(0, 1, (7, 6)).astype(np.float32)
TABLE = RANDOM.normal(0, 1, (11, 6)).astype(np.float32)
BIAS = RANDOM.normal(0, 1, 11).astype(np.float32)
TARGETS = np.array([3, 0, 10, 3, 5, 1, 2])  # one of them twice: its gradients must add up
WEIGHTS = np.array([1, 1, 0, 1, 0.5, 1, 1], np.float32)


def defined(hidden, table, bias, label_smoothing):
    """The definition, with every target written out."""
    smoothed = (1 - label_smoothing) * jax.nn.one_hot(TARGETS, 11) + label_smoothing / 11
    return -jnp.sum(WEIGHTS[:, None] * smoothed * jax.nn.log_softmax(hidden @ table.T + bias))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("bias", [None, BIAS], ids=["plain", "bias"])
def test_it_is_its_definition_and_so_are_its_gradients(label_smoothing, bias):
    loss, nll = projected_cross_entropy(HIDDEN, TABLE, bias, TARGETS, WEIGHTS, label_smoothing)
    added = np.zeros(11, np.float32) if bias is None else bias
    assert float(loss) == pytest.approx(float(defined(HIDDEN, TABLE, added, label_smoothing)), rel=1e-5)
    assert float(nll) == pytest.approx(float(defined(HIDDEN, TABLE, added, 0.0)), rel=1e-5)

    def total(hidden, table, bias):
        return 3 * projected_cross_entropy(hidden, table, bias, TARGETS, WEIGHTS, label_smoothing)[0]

    of = (0, 1) if bias is None else (0, 1, 2)
    found = jax.grad(total, of)(HIDDEN, TABLE, bias)
    expected = jax.grad(lambda *each: 3 * defined(*each, label_smoothing), of)(HIDDEN, TABLE, added)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("chunk", [1, 3, 7, 20])
@pytest.mark.parametrize("bias", [None, BIAS], ids=["plain", "bias"])
def test_in_chunks_it_is_the_same_and_so_are_its_gradients(bias, chunk):
    def both(chunk):
        def total(hidden, table, bias):
            loss, nll = projected_cross_entropy(hidden, table, bias, TARGETS, WEIGHTS, 0.1, chunk)
            return 3 * loss, nll

        own = jax.tree.map(jnp.asarray, (HIDDEN, TABLE, bias))
        return jax.value_and_grad(total, (0, 1) if bias is None else (0, 1, 2), has_aux=True)(*own)

    for found, expected in zip(jax.tree.leaves(both(chunk)), jax.tree.leaves(both(0)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_in_bfloat16_the_loss_is_float32_and_near():
    loss, _ = projected_cross_entropy(HIDDEN.astype(jnp.bfloat16), TABLE, None, TARGETS, WEIGHTS, 0.1)
    assert loss.dtype == jnp.float32
    assert float(loss) == pytest.approx(float(defined(HIDDEN, TABLE, np.zeros(11), 0.1)), rel=0.02)
    gradient = jax.grad(lambda h: projected_cross_entropy(h, TABLE, None, TARGETS, WEIGHTS, 0.1)[0])(
        HIDDEN.astype(jnp.bfloat16)
    )
    assert gradient.dtype == jnp.bfloat16


def _logits(bias):
    return lambda hidden: hidden @ TABLE.T + (0 if bias is None else bias)


@pytest.mark.parametrize("bias", [None, BIAS], ids=["plain", "bias"])
def test_two_passes_that_agree_have_the_loss_of_one(bias):
    both = np.stack([HIDDEN, HIDDEN])
    found = consistent_cross_entropy(both, _logits(bias), TARGETS, WEIGHTS, 0.1, 5.0)
    expected = projected_cross_entropy(HIDDEN, TABLE, bias, TARGETS, WEIGHTS, 0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    one = consistent_cross_entropy(HIDDEN[None], _logits(bias), TARGETS, WEIGHTS, 0.1, 5.0)
    np.testing.assert_allclose(one, expected, rtol=1e-5)


def test_two_passes_that_differ_are_drawn_together():
    other = RANDOM.normal(0, 1, HIDDEN.shape).astype(np.float32)
    both = np.stack([HIDDEN, other])

    def expected(both):
        p, q = (jax.nn.softmax(hidden @ TABLE.T) for hidden in both)
        apart = jnp.sum(p * jnp.log(p / q), -1) + jnp.sum(q * jnp.log(q / p), -1)
        crossed = sum(defined(hidden, TABLE, 0.0, 0.1) for hidden in both) / 2
        return crossed + 5 / 2 * jnp.sum(WEIGHTS * apart) / 2

    def found(both):
        return consistent_cross_entropy(both, _logits(None), TARGETS, WEIGHTS, 0.1, 5.0)[0]

    assert float(found(both)) == pytest.approx(float(expected(both)), rel=1e-5)
    np.testing.assert_allclose(jax.grad(found)(both), jax.grad(expected)(both), atol=2e-5)
