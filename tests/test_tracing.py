"""Programs are traced once, and again when anything that they depend on is another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt import tracing
from tests.conftest import VOCAB, tiny_config

ROWS = jax.ShapeDtypeStruct((3,), jnp.float32)


class Counted:
    """A function that knows how often it was traced."""

    def __init__(self):
        self.times = 0

    def __call__(self, rows):
        self.times += 1
        return {"doubled": 2 * rows}


@pytest.fixture
def cache(tmp_path):
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / "traced"
    jax.config.update("jax_compilation_cache_dir", before)


def test_the_second_time_it_is_read(cache):
    first, second = Counted(), Counted()
    for function in (first, second):
        found = tracing.program(function, function, "it", ROWS)(np.arange(3, dtype=np.float32))
        np.testing.assert_array_equal(found["doubled"], [0, 2, 4])
    assert (first.times, second.times) == (1, 0)


@pytest.mark.parametrize("change", ["identity", "shape", "code", "precision", "damage"])
def test_what_is_another_is_traced_anew(cache, change, monkeypatch):
    first, second = Counted(), Counted()
    tracing.program(first, first, "it", ROWS)
    rows = jax.ShapeDtypeStruct((4,), jnp.float32) if change == "shape" else ROWS
    if change == "code":
        monkeypatch.setattr(tracing, "_sources", lambda file: "edited")
    if change == "damage":
        (file,) = cache.iterdir()
        file.write_bytes(file.read_bytes()[:100])
    with jax.default_matmul_precision("highest" if change == "precision" else None):
        tracing.program(second, second, "that" if change == "identity" else "it", rows)
    assert second.times == 1


def test_nothing_is_kept_without_a_cache(cache):
    jax.config.update("jax_compilation_cache_dir", None)
    function = Counted()
    assert tracing.program(function, function, "it", ROWS) is function
    assert not cache.exists()


def test_shapes(cache):
    model = tiny_config().build(VOCAB)

    def make():
        return {"table": jnp.zeros((2, 3)), "step": jnp.zeros((), jnp.int32)}

    for _ in range(2):
        found = tracing.shapes(make, model, "it")
        assert found["table"].shape == (2, 3) and found["step"].dtype == jnp.int32 and found.keys() == make().keys()
