import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mt.errors import UserError
from mt.models.bert import BertConfig
from mt.models.gpt import GptConfig
from mt.models.reformer import ReformerConfig
from mt.models.transformer import TransformerConfig
from mt.training.optimizer import OptimizerConfig, build, schedule
from tests.conftest import random_params


@pytest.mark.parametrize("name", ["inverse_sqrt", "linear", "cosine", "constant"])
def test_schedules(name):
    rate = schedule(OptimizerConfig(learning_rate=2.0, schedule=name, warmup_steps=10), steps=110)
    rates = [float(rate(step)) for step in range(110)]
    np.testing.assert_allclose(rates[:10], 0.2 * np.arange(1, 11), rtol=1e-5)
    assert max(rates) == rates[9] == 2.0
    halfway = {"inverse_sqrt": 2 * np.sqrt(10 / 60), "linear": 1 + 1 / 101, "cosine": None, "constant": 2.0}[name]
    if halfway is not None:
        assert rates[59] == pytest.approx(halfway, rel=0.02)
    else:
        assert rates[59] == pytest.approx(1.0, abs=0.05)
    if name in ("linear", "cosine"):
        assert 0 < rates[-1] < 0.03


def test_the_papers_schedule_is_inverse_sqrt():
    """Section 5.3, equation 3, for the base model."""
    rate = schedule(OptimizerConfig(learning_rate=512**-0.5 * 4000**-0.5), steps=100_000)
    for step in (1, 100, 4000, 4001, 100_000):
        assert float(rate(step - 1)) == pytest.approx(512**-0.5 * min(step**-0.5, step * 4000**-1.5), rel=1e-4)


def test_adam_by_hand_with_clipping_and_decay():
    config = OptimizerConfig(
        learning_rate=0.1, schedule="constant", warmup_steps=0, weight_decay=0.01, clip_norm=1.0, epsilon=1e-9
    )
    optimizer = build(config, 10)
    params = {"a": {"kernel": jnp.array([[2.0]]), "bias": jnp.array([3.0])}}
    state = optimizer.init(params)
    updates, _ = optimizer.update({"a": {"kernel": jnp.array([[30.0]]), "bias": jnp.array([-40.0])}}, state, params)
    # The first step of Adam is the gradient's sign; only the matrix decays.
    assert float(updates["a"]["kernel"][0, 0]) == pytest.approx(-0.1 * (1 + 0.01 * 2.0), rel=1e-5)
    assert float(updates["a"]["bias"][0]) == pytest.approx(0.1, rel=1e-5)


def test_what_is_frozen_stays_and_the_rest_is_clipped_alone():
    config = OptimizerConfig(
        learning_rate=0.1, schedule="constant", warmup_steps=0, clip_norm=1.0, frozen=("a/*", "*/bias"), kind="muon"
    )
    params = {"a": {"kernel": jnp.ones((2, 2))}, "b": {"kernel": jnp.eye(2), "bias": jnp.ones(2)}}
    optimizer, alone = build(config, 10), build(dataclasses.replace(config, frozen=()), 10)
    gradients = jax.tree.map(lambda leaf: 100 * leaf, params)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    assert not updates["a"]["kernel"].any() and not updates["b"]["bias"].any()
    only = {"b": {"kernel": params["b"]["kernel"]}}
    expected, _ = alone.update({"b": {"kernel": gradients["b"]["kernel"]}}, alone.init(only), only)
    np.testing.assert_allclose(updates["b"]["kernel"], expected["b"]["kernel"], rtol=1e-6)
    for wrong, said in ((("c*",), "like 'c\\*'; they begin with a, b"), (("*",), "every parameter")):
        with pytest.raises(UserError, match=said):
            build(dataclasses.replace(config, frozen=wrong), 10).init(params)


def test_rates_fall_with_the_distance_from_the_top():
    params = random_params(TransformerConfig(num_layers=3, model_dim=8, ff_dim=8, num_heads=2, norm="pre").build(20))
    config = OptimizerConfig(learning_rate=1.0, schedule="constant", warmup_steps=0, layer_decay=0.5)
    optimizer = build(config, 10)
    gradients = jax.tree.map(jnp.ones_like, params)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)  # of Adam, all as large as the rate
    for name, factor in {
        "encoder_layers_2": 1,
        "encoder_layers_1": 0.5,
        "decoder_layers_0": 0.25,
        "target_embedding": 0.125,
        "decoder_norm": 1,
    }.items():
        for leaf in jax.tree.leaves(updates[name]):
            np.testing.assert_allclose(leaf, -factor, rtol=1e-4)


@pytest.mark.parametrize(
    "config, factors",
    [
        (GptConfig(num_layers=2), {"layers_1": 1, "layers_0": 0.5, "embedding": 0.25, "positions": 0.25, "norm": 1}),
        (BertConfig(num_layers=2), {"layers_1": 1, "layers_0": 0.5, "embedding": 0.25, "kinds": 0.25, "pooler": 1}),
        (
            ReformerConfig(num_layers=2, decoder_layers=1),
            {
                **{"encoder/self_attentions_1": 1, "encoder/feed_forwards_0": 0.5, "decoder/cross_attentions_0": 1},
                **{"source_positions": 0.25, "decoder_norm": 1},
            },
        ),
    ],
    ids=["gpt", "bert", "reformer"],
)
def test_lower_layers_learn_more_slowly_whatever_the_model(config, factors):
    sizes = dict(model_dim=8, ff_dim=8, num_heads=2, max_positions=64)
    params = random_params(dataclasses.replace(config, **sizes).build(50))
    optimizer = build(OptimizerConfig(learning_rate=1.0, schedule="constant", warmup_steps=0, layer_decay=0.5), 10)
    updates, _ = optimizer.update(jax.tree.map(jnp.ones_like, params), optimizer.init(params), params)
    for name, factor in factors.items():
        for leaf in jax.tree.leaves(functools.reduce(lambda tree, key: tree[key], name.split("/"), updates)):
            np.testing.assert_allclose(leaf, -factor, rtol=1e-4)


def test_muon_by_singular_values():
    """Its update of a kernel is the gradient with singular values near one, at 0.2 of the root mean square."""
    model = TransformerConfig(num_layers=1, model_dim=16, ff_dim=32, num_heads=2).build(50)
    params = random_params(model)
    keys = iter(jax.random.split(jax.random.key(0), len(jax.tree.leaves(params))))
    gradients = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), params)
    rate = dict(learning_rate=0.1, schedule="constant", warmup_steps=0)
    optimizer = build(OptimizerConfig(kind="muon", **rate), 10)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    nadam = optax.nadam(0.1, 0.9, 0.98, 1e-9)
    by_adam, _ = nadam.update(gradients, nadam.init(params), params)

    def matrices(tree):
        """One projection of several, and one alone."""
        attention = tree["encoder_layers_0"]["self_attention"]
        return np.asarray(attention["query_key_value"]["kernel"])[:, 1], np.asarray(attention["output"]["kernel"])

    for gradient, update in zip(matrices(gradients), matrices(updates)):
        left, _, right = np.linalg.svd(gradient)
        stretched = left.T @ (update / (-0.1 * 0.2 * np.sqrt(16))) @ right.T  # diagonal in the gradient's own bases
        np.testing.assert_allclose(stretched - np.diag(np.diag(stretched)), 0, atol=1e-3)
        assert np.all((np.diag(stretched) > 0.5) & (np.diag(stretched) < 1.3))
    leaves = jax.tree_util.tree_leaves_with_path(updates)
    for (path, leaf), expected in zip(leaves, jax.tree.leaves(by_adam), strict=True):
        if path[-1].key != "kernel":
            np.testing.assert_allclose(leaf, expected, rtol=1e-5, err_msg=str(path))
