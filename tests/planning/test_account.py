import jax
import jax.numpy as jnp
import pytest

from mt.planning.account import account

SIZE, TURNS = 64, 7
MATRIX = jax.ShapeDtypeStruct((SIZE, SIZE), jnp.float32)


def compiled(function):
    return jax.jit(function).lower(MATRIX, MATRIX).compile()


def looped(start, matrix):
    return jax.lax.scan(lambda carry, _: (jnp.tanh(carry @ matrix), None), start, length=TURNS)[0]


def test_loops_count_as_often_as_they_run():
    found = account(compiled(looped))
    products = TURNS * 2 * SIZE**3
    assert products <= found.flops < 1.05 * products
    assert TURNS * 3 * 4 * SIZE**2 <= found.memory_bytes < 3 * TURNS * 3 * 4 * SIZE**2


def test_loops_within_loops_multiply():
    def nested(start, matrix):
        return jax.lax.scan(lambda carry, _: (looped(carry, matrix), None), start, length=3)[0]

    assert account(compiled(nested)).flops == pytest.approx(3 * account(compiled(looped)).flops, rel=0.02)


def test_loops_that_depend_on_data_run_as_often_as_is_said():
    def until(start, matrix):
        return jax.lax.while_loop(lambda carry: jnp.any(carry > 0.5), lambda carry: jnp.tanh(carry @ matrix), start)

    program = compiled(until)
    products = 2 * SIZE**3
    assert products <= account(program).flops < 1.2 * products
    assert account(program, 10).flops == pytest.approx(10 * account(program).flops, rel=0.02)


def test_collectives_are_what_each_device_gives():
    step = jax.pmap(lambda matrix: jax.lax.psum((matrix, matrix[0]), "d"), axis_name="d")
    shape = jax.ShapeDtypeStruct((jax.device_count(), SIZE, SIZE), jnp.float32)
    assert account(step.lower(shape).compile()).collective_bytes == 4 * (SIZE**2 + SIZE)
