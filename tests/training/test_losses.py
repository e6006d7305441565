import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.training.losses import cross_entropy


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_cross_entropy_is_its_definition_and_so_is_its_gradient(label_smoothing):
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (2, 5, 11)).astype(np.float32)
    targets = random.integers(0, 11, (2, 5))
    weights = np.array([[1, 1, 0, 1, 0.5], [1, 0, 0, 1, 1]], np.float32)

    def defined(logits):
        smoothed = (1 - label_smoothing) * jax.nn.one_hot(targets, 11) + label_smoothing / 11
        return -jnp.sum(weights[..., None] * smoothed * jax.nn.log_softmax(logits))

    loss, nll = cross_entropy(logits, targets, weights, label_smoothing)
    assert float(loss) == pytest.approx(float(defined(logits)), rel=1e-5)
    chosen = np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), targets[..., None], -1)[..., 0]
    assert float(nll) == pytest.approx(float(-(weights * chosen).sum()), rel=1e-5)
    found = jax.grad(lambda logits: 3 * cross_entropy(logits, targets, weights, label_smoothing)[0])(logits)
    np.testing.assert_allclose(found, jax.grad(lambda logits: 3 * defined(logits))(logits), atol=1e-5)
