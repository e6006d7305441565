import jax
import numpy as np
import pytest

from mt.decoding.top_k import by_sorting, top_k


@pytest.mark.parametrize(("n", "k"), [(5, 3), (64, 2), (1000, 1), (1000, 4), (4001, 10), (700, 12)])
@pytest.mark.parametrize("ties", [False, True])
def test_top_k_is_lax_top_k(n, k, ties):
    random = np.random.default_rng(n * k)
    values = random.integers(0, 4, (3, n)).astype(np.float32) if ties else random.normal(size=(3, n)).astype(np.float32)
    for found, expected in zip(top_k(values, k), jax.lax.top_k(values, k), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_by_sorting_it_is_the_same():
    values = np.random.default_rng(0).integers(0, 50, (3, 2000)).astype(np.float32)  # with many equals
    with by_sorting():
        found = top_k(values, 5)
    for one, other in zip(found, jax.lax.top_k(values, 5)):
        np.testing.assert_array_equal(one, other)
