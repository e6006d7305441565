"""The Reformer translates from long texts: exact beside PyTorch, beside the same stack that keeps its activations, and
step by step."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mt.errors import UserError
from mt.layers.attention_maps import cross_attention, maps_of
from mt.layers.positions import sinusoidal_positions
from mt.models.reformer import ReformerConfig
from mt.models.reformer_lm import ReformerLmConfig
from mt.training.objectives import TranslationObjective
from mt.training.train_step import initial_state, make_train_step, train_on_devices
from tests.conftest import VOCAB, make_batch, random_params
from tests.models.test_reformer_lm import load, theirs, weights_of

LONG = [([*range(3, 14)], [*range(14, 27)]), ([*range(20, 30)], [*range(4, 9)])]
SHORT = [([5, 6, 7], [8, 9]), ([10, 11], [12, 13, 14, 15])]


def _model(**changes):
    sizes = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, lsh_chunk=4, local_chunk=4, rounds=2)
    sizes |= dict(buckets=(4,), max_positions=32, axial_columns=8, dropout=0.0, output_bias=True)
    model = ReformerConfig(**(sizes | changes)).build(VOCAB)
    return model, random_params(model)


BATCH = make_batch([[LONG[0]], LONG[1:], SHORT, [LONG[1], SHORT[0]]], 24, 24)


@pytest.mark.parametrize(
    "changes",
    [
        dict(attention=("lsh",), rounds=1),
        dict(attention=("local",)),
        dict(attention=("lsh", "local"), buckets=(2, 2), lsh_after=0, local_after=2, activation="gelu_erf"),
    ],
    ids=["lsh", "local", "mixed"],
)
def test_the_encoder_is_pytorchs(changes):
    model, params = _model(circular=True, **changes)
    config = model.config
    torch, other, rotations = theirs(config, VOCAB, causal=False)
    named = weights_of(config, params["encoder"], params["target_embedding"], params["source_positions"])
    named |= {f"encoder.layer_norm.{name}": np.full(32, value) for name, value in (("weight", 1.0), ("bias", 0.0))}
    load(torch, other, named)
    tokens = np.random.default_rng(0).integers(3, VOCAB, (2, 22))
    segments = np.ones_like(tokens)
    segments[1, 15:] = 0
    found = other(torch.from_numpy(tokens), attention_mask=torch.from_numpy(segments)).last_hidden_state

    def streams(module, tokens, segments):
        embedded = module._embed("source", tokens, jnp.arange(tokens.shape[1])[None])
        return module.encoder(embedded, segments, True, rotations=rotations)

    both = jnp.concatenate(model.apply({"params": params}, tokens, segments, method=streams), axis=-1)
    normal = (both - both.mean(-1, keepdims=True)) / jnp.sqrt(both.var(-1, keepdims=True) + config.norm_epsilon)
    there = segments > 0
    np.testing.assert_allclose(np.asarray(normal)[there], found.detach().numpy()[there], atol=1e-4)


def _gradients(model, params, seed=0, **options):
    """The loss a token, as an update has it, and its gradients."""
    objective = TranslationObjective(model, 0.1, **options)

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        sums = objective.loss(params, BATCH, jax.random.key(seed))
        return sums["loss"] / sums["weight"]

    return loss(params)


def _same(found, expected, atol):
    for (path, one), other in zip(jax.tree.leaves_with_path(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=atol, err_msg=jax.tree_util.keystr(path))


DROPOUT = dict(dropout=0.2, attention_dropout=0.2, activation_dropout=0.2)


def test_reversible_gradients_are_the_plain_stacks_with_dropout():
    options = DROPOUT | dict(num_layers=3, decoder_layers=2, cross_chunk=8, feed_forward_chunk=10)
    model, params = _model(**options)
    plain, _ = _model(**options, reversible=False)
    found, expected = _gradients(model, params), _gradients(plain, params)
    _same(found, expected, atol=1e-5)
    other = _gradients(model, params, seed=1)
    assert abs(float(found[0] - other[0])) > 1e-3


def test_chunks_of_feed_forward_are_the_whole_with_dropout():
    whole, params = _model(**DROPOUT)
    chunked, _ = _model(**DROPOUT, feed_forward_chunk=7)  # which does not divide the positions
    _same(_gradients(chunked, params), _gradients(whole, params), atol=1e-5)


def test_chunks_of_the_look_at_the_source_are_the_whole():
    whole, params = _model()
    chunked, _ = _model(cross_chunk=5)
    _same(_gradients(chunked, params), _gradients(whole, params), atol=1e-5)


def test_a_chunked_loss_is_the_whole_ones():
    model, params = _model()
    _same(_gradients(model, params, loss_chunk=10), _gradients(model, params), atol=1e-5)


def test_rotations_are_others_each_step_and_always_the_same_where_nothing_is_trained():
    model, params = _model(attention=("lsh",))
    apply = jax.jit(lambda key: model.apply({"params": params}, BATCH, False, method="hidden", rngs={"dropout": key}))
    one, again, other = (apply(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other, atol=1e-3)
    still = [model.apply({"params": params}, BATCH, method="hidden") for _ in range(2)]
    np.testing.assert_array_equal(*still)
    turned, _ = _model(attention=("lsh",), hash_seed=1)
    assert not np.allclose(turned.apply({"params": params}, BATCH, method="hidden"), still[0], atol=1e-3)


def test_pairs_of_a_row_see_nothing_of_each_other_and_targets_nothing_that_comes():
    model, params = _model(num_layers=2)
    batch = make_batch([[LONG[1], SHORT[1]]], 24, 24)
    # Each place has a token of its own, by whose vectors it is known who has looked at it.
    places = dict(source_tokens=jnp.arange(24)[None], target_inputs=24 + jnp.arange(24)[None])
    wide = model.clone(vocab=48)
    params = random_params(wide)

    def read(table):
        replaced = params | {"target_embedding": {"table": table}}
        return wide.apply({"params": replaced}, batch | places, method="hidden")[0].sum(-1)

    moved = np.abs(jax.jit(jax.jacrev(read))(params["target_embedding"]["table"])).sum(-1)  # [place, token]
    source, target = (np.asarray(batch[f"{side}_segments"][0]) for side in ("source", "target"))
    there = target > 0
    may = np.concatenate(
        [target[:, None] == source[None], (target[:, None] == target[None]) & np.tri(24, dtype=bool)], axis=1
    )
    assert (moved[there][~may[there]] == 0).all()
    assert (moved[there][:, :24][may[there][:, :24]] > 0).all()  # each sees all of its source


@pytest.mark.parametrize(
    "changes",
    [
        dict(decoder_attention=("local",), num_layers=2),
        dict(decoder_attention=("local",), local_before=2, local_chunk=3, tie_embeddings="none"),
        dict(decoder_attention=("lsh",), lsh_chunk=32),
    ],
    ids=["local", "local, two before", "lsh in one chunk"],
)
def test_steps_with_a_cache_are_one_pass(changes):
    model, params = _model(**changes)
    source, target = LONG[0]
    whole = model.apply({"params": params}, make_batch([[LONG[0]]], 12, 14))
    for found, expected in zip(_steps(model, params, source, target), whole[0]):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_step_of_hashed_layers_is_one_pass_over_what_is_there():
    """What comes changes where chunks begin; so a pass is asked for each step, and the decoder has one layer: what is
    below another was found when there was less."""
    model, params = _model(decoder_layers=1, decoder_attention=("lsh",))
    source, target = LONG[0]
    read = jax.jit(lambda batch: model.apply({"params": params}, batch))
    batch = make_batch([[LONG[0]]], 12, 14)
    for position, found in enumerate(_steps(model, params, source, target)):
        so_far = batch | {"target_segments": batch["target_segments"] * (jnp.arange(14) <= position)}
        np.testing.assert_allclose(found, read(so_far)[0, position], atol=2e-5)


def _steps(model, params, source, target):
    """Logits step by step of a target, beside which another hypothesis goes astray."""
    cache = jax.jit(model.start, static_argnums=(2, 3))(params, jnp.array([[*source, 2, 0, 0]]), 2, 14)
    step = jax.jit(model.step)
    for position, token in enumerate([1, *target]):
        logits, cache = step(params, jnp.array([[token, 20 - position]]), cache)
        yield logits[0, 0]
        cache = model.reorder(cache, jnp.array([[0, 0]]))


def test_four_devices_are_one():
    model, params = _model(**DROPOUT)
    optimizer = optax.sgd(0.1)
    step = make_train_step(TranslationObjective(model, 0.1), optimizer, seed=3)

    def update(devices):
        run = train_on_devices(step, devices=jax.devices()[:devices])
        batch = {name: rows.reshape(devices, -1, *rows.shape[1:]) for name, rows in BATCH.items()}
        return run(initial_state(jax.tree.map(jnp.copy, params), optimizer), batch)

    (one, metrics), (four, others) = update(1), update(4)
    _same(four.params, one.params, atol=2e-6)
    assert float(others["loss"]) == pytest.approx(float(metrics["loss"]), rel=1e-5)


@pytest.mark.thorough
def test_memory_does_not_grow_with_depth():
    def needed(layers, **changes):
        config = dict(num_layers=layers, model_dim=32, ff_dim=64, num_heads=2, max_positions=512, rounds=1)
        model = ReformerConfig(**config, lsh_chunk=16, attention=("lsh",), **changes).build(VOCAB)
        batch = {name: jnp.ones((1, 512), jnp.int32) for name in BATCH}
        params = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]
        objective = TranslationObjective(model)
        gradient = jax.jit(jax.grad(lambda params, key: objective.loss(params, batch, key)["loss"]))
        compiled = gradient.lower(params, jax.eval_shape(lambda: jax.random.key(0))).compile()
        weights = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))
        return compiled.memory_analysis().temp_size_in_bytes - weights

    assert needed(6) < 1.5 * needed(2)
    assert needed(4, reversible=False) > 1.5 * needed(2, reversible=False)


@pytest.mark.parametrize("config", [ReformerConfig, ReformerLmConfig])
def test_embeddings_may_be_scaled_and_their_positions_sines(config):
    tiny = dict(num_layers=1, model_dim=16, ff_dim=32, num_heads=2, max_positions=32, dropout=0.0)
    model = config(**tiny, positions="sinusoidal", scale_embeddings=True).build(VOCAB)
    params = random_params(model)
    tokens, positions = jnp.array([[3, 7, 4]]), jnp.array([[0, 1, 40]])
    given = (tokens, positions) if config is ReformerLmConfig else ("target", tokens, positions)
    found = model.apply({"params": params}, *given, method="embed" if config is ReformerLmConfig else "_embed")
    expected = 4 * params["target_embedding"]["table"][tokens] + sinusoidal_positions(positions, 16)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert "target_positions" not in params


def test_where_it_looks_is_told_whatever_the_chunks():
    """Also where the source is looked at in chunks, from which translations are aligned."""
    model, params = _model()
    several, _ = _model(cross_chunk=5)
    found, cut = (maps_of(each, params, BATCH) for each in (model, several))
    assert {name: [each.shape for each in layers] for name, layers in cut.items()} == {
        f"{name}_attention": [(4, 2, 24, 24)] * 2
        for name in ("encoder/self_attentions/self", "decoder/self_attentions/self", "decoder/cross_attentions/cross")
    }
    there = BATCH["target_segments"] > 0
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(cut), strict=True):
        np.testing.assert_allclose(np.asarray(one).sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(np.swapaxes(one, 1, 2)[there], np.swapaxes(other, 1, 2)[there], atol=1e-5)
    np.testing.assert_array_equal(cross_attention(cut), jnp.mean(cut["decoder/cross_attentions/cross_attention"][0], 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(num_heads=3), "model.num_heads: 3 does not divide"),
        (dict(decoder_layers=0), "model.decoder_layers: 0 is not positive"),
        (dict(attention=()), 'model.attention: is empty; take "lsh"'),
        (dict(lsh_after=-1), "model.lsh_after: -1 is negative"),
        (dict(buckets=(4, 3)), r"model.buckets: \(4, 3\) are not all even"),
        (dict(buckets=(2**16, 2**14)), "model.buckets: 1,073,741,824 are too many for 32 positions"),
        (dict(positions="sinusoidal", model_dim=9, num_heads=3), "model.model_dim: 9 is odd"),
        (
            dict(positions="rotary", attention=("lsh",)),
            'model.attention: no layer is "local", which positions rotary are',
        ),
        (dict(positions="rotary", decoder_attention=("lsh",)), 'model.decoder_attention: no layer is "local"'),
        (dict(attention=("lsh", "full")), "model.attention: is lsh, full; take"),
        (dict(positions="rotary", model_dim=18, num_heads=2), "model.positions: rotary turns channels by two"),
        (dict(buckets=(2**10, 2**9), max_positions=256), "model.buckets: 524,288 are too many for 256 positions"),
        (dict(hash_seed=2**32), "model.hash_seed: 4294967296 is not between 0 and 4,294,967,295"),
        (dict(axial_dim=16), "model.axial_dim: 16 leaves no channel"),
        (dict(rounds=1001), "model.rounds: 1001 are more than 1,000"),
        (dict(local_after=1001), "model.local_after: 1001 are more than 1,000 chunks"),
    ],
)
def test_what_cannot_be_built_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        _model(**changes)


def test_buckets_that_are_not_said_are_as_many_as_can_be_sorted():
    found = {length: math.prod(ReformerConfig(max_positions=length).bucket_factors) for length in (2**16, 2**17, 2**20)}
    assert found == {2**16: 2048, 2**17: 2048, 2**20: 256}
    with pytest.raises(UserError, match="model.buckets: 512 are too many for 1,048,576 positions"):
        ReformerConfig(max_positions=2**20, buckets=(512,))


def test_what_does_not_fit_is_named():
    with pytest.raises(UserError, match="model.max_positions: 8 are fewer than data.batching.row_length 9"):
        ReformerConfig(max_positions=8).check_lengths(9, 9)
    for positions in ("sinusoidal", "rotary"):
        ReformerConfig(max_positions=8, positions=positions).check_lengths(700, 700)
    with pytest.raises(UserError, match="model.buckets: 65,536 are too many for 9,000 positions"):
        ReformerConfig(max_positions=8, buckets=(2**16,), positions="sinusoidal").check_lengths(9000, 9)
    with pytest.raises(UserError, match="model.tie_embeddings: 'all' needs one vocabulary"):
        ReformerConfig().build(8, 9)
