import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest

from mt.models.interface import dummy_batch
from mt.models.transformer import TransformerConfig
from tests.conftest import VOCAB, make_batch, random_params, tiny_config

PAIRS = [([5, 6, 7], [8, 9]), ([10, 11], [12, 13, 14, 15]), ([16], [17])]


def test_causality_by_zero_gradient(tiny):
    model, params = tiny
    batch = make_batch([[([5, 6], [7, 8, 9, 10])]], 3, 5)  # no token stands on both sides

    def hidden(table):
        changed = params | {"target_embedding": {"table": table}}
        return model.apply({"params": changed}, batch, method="hidden")[0]

    jacobian = jax.jacobian(hidden)(params["target_embedding"]["table"])  # [length, dim, vocab, dim]
    reach = np.abs(np.asarray(jacobian)).sum((1, 3))[:, batch["target_inputs"][0]]  # [length, input position]
    assert np.all(reach[np.triu_indices(5, 1)] == 0)
    assert np.all(reach[np.tril_indices(5)] > 0)


def test_rematerialisation_changes_no_gradient(tiny):
    model, params = tiny
    batch = make_batch([PAIRS], 10, 12)

    def gradient(model):
        def total(params):
            return jnp.sum(model.apply({"params": params}, batch, False, rngs={"dropout": jax.random.key(3)}) ** 2)

        return jax.jit(jax.grad(total))(params)

    plain = gradient(tiny_config(dropout=0.1).build(VOCAB))
    again = gradient(tiny_config(dropout=0.1, remat=True).build(VOCAB))
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_bfloat16_keeps_parameters_and_logits_in_float32():
    model = tiny_config(dtype="bfloat16", norm="pre").build(VOCAB)
    params = random_params(model)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    batch = make_batch([PAIRS], 10, 12)
    assert model.apply({"params": params}, batch, method="hidden").dtype == jnp.bfloat16
    logits = model.apply({"params": params}, batch)
    assert logits.dtype == jnp.float32
    exact = tiny_config(norm="pre").build(VOCAB).apply({"params": params}, batch)
    assert 0 < np.abs(logits - exact).max() < 0.5


@pytest.mark.parametrize(
    ("config", "millions"),
    [(TransformerConfig(), 65), (TransformerConfig(model_dim=1024, ff_dim=4096, num_heads=16), 213)],
)
def test_parameters_of_the_papers_table_3(config, millions):
    model = config.build(37_000)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), dummy_batch()))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    dim, ff, layers = config.model_dim, config.ff_dim, config.num_layers
    attention = 4 * (dim * dim + dim)
    feed_forward = 2 * dim * ff + dim + ff
    by_hand = 37_000 * dim + layers * (3 * attention + 2 * feed_forward + 5 * 2 * dim)
    assert count == by_hand
    assert abs(count / 1e6 / millions - 1) < 0.04  # the paper rounds, and leaves open what it counts


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="num_heads"):
        TransformerConfig(model_dim=10, num_heads=3)
    with pytest.raises(ValueError, match="dropout"):
        TransformerConfig(dropout=1.0)


@pytest.mark.parametrize("activation", ["relu", "swiglu"])
def test_flops_are_those_of_the_programs_products(activation):
    model = tiny_config(num_layers=3, decoder_layers=1, activation=activation).build(VOCAB)
    params = random_params(model)
    batch = make_batch([[([5] * 6, [6] * 8)], [([7] * 6, [8] * 8)]], 7, 9)
    program = jax.make_jaxpr(lambda params: model.apply({"params": params}, batch))(params)
    assert _products(program.jaxpr) == model.flops([7, 7], [9, 9])
    # Two hypotheses of a sentence are as two sentences, but for what is computed of the source.
    twice = model.flops([7, 7], [9, 9]) - model.flops([7], [9], 2)
    assert twice == model.flops([7], [0])


def _products(jaxpr) -> float:
    """Two operations for each element of each product of matrices, with the subprograms'."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += 2 * equation.outvars[0].aval.size * np.prod([shape[axis] for axis in contracted])
        total += sum(_products(sub) for sub in jax.extend.core.jaxprs_in_params(equation.params))
    return total
