"""XLNet is PyTorch's with the same weights: both streams, orders, memories, kinds, padding and backwards rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.errors import UserError
from mt.models.interface import Order, Text
from mt.models.transformer import TransformerConfig
from mt.models.xlnet import XlnetConfig
from tests.conftest import VOCAB, random_params

SIZES = {
    "small": dict(),
    "deep": dict(num_layers=3, num_heads=4, ff_dim=24),
    "clamped": dict(max_distance=3, activation="relu"),
}
ROWS, LENGTH, ASKED = 4, 7, 3


def _model(**changes):
    sizes = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, memory_length=0)
    rates = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.0)
    model = XlnetConfig(**(sizes | rates | changes)).build(VOCAB)
    params = random_params(model)
    for layer in (each for name, each in params.items() if name.startswith("layers_")):
        attention = layer["self_attention"]  # whose projections have no bias in the authors' code
        for name in ("query_key_value", "output"):
            attention[name]["bias"] = jnp.zeros_like(attention[name]["bias"])
    return model, params


def _theirs(model, params, **options):
    """Hugging Face's, with these weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    if not hasattr(transformers, "XLNetLMHeadModel"):
        pytest.skip("this version of transformers has no XLNet")
    config = model.config
    theirs = transformers.XLNetLMHeadModel(
        transformers.XLNetConfig(
            vocab_size=model.vocab,
            d_model=config.model_dim,
            n_layer=config.num_layers,
            n_head=config.num_heads,
            d_inner=config.ff_dim,
            ff_activation={"gelu_erf": "gelu"}.get(config.activation, config.activation),
            mem_len=config.memory_length or None,
            clamp_len=config.max_distance or -1,
            layer_norm_eps=config.norm_epsilon,
            dropout=0.0,
            **options,
        )
    )
    heads = config.num_heads, config.model_dim // config.num_heads
    weights = {
        "transformer.word_embedding.weight": params["embedding"]["table"],
        "transformer.mask_emb": params["query"][None, None],
        "lm_loss.weight": params["embedding"]["table"],
        "lm_loss.bias": params["output_bias"],
    }
    for number in range(config.num_layers):
        layer = params[f"layers_{number}"]
        attention, feed_forward = layer["self_attention"], layer["feed_forward"]
        kernel = attention["query_key_value"]["kernel"].reshape(config.model_dim, 3, *heads)
        own = {f"rel_attn.{name}": kernel[:, part] for part, name in enumerate("qkv")} | {
            "rel_attn.o": attention["output"]["kernel"].T.reshape(config.model_dim, *heads),
            "rel_attn.r": attention["position"]["kernel"].reshape(config.model_dim, *heads),
            "rel_attn.r_w_bias": attention["content_bias"],
            "rel_attn.r_r_bias": attention["position_bias"],
            "rel_attn.r_s_bias": attention["kind_bias"],
            "rel_attn.seg_embed": attention["kinds"],
            "rel_attn.layer_norm.weight": layer["self_attention_residual"]["norm"]["scale"],
            "rel_attn.layer_norm.bias": layer["self_attention_residual"]["norm"]["bias"],
            "ff.layer_1.weight": feed_forward["inner"]["kernel"].T,
            "ff.layer_1.bias": feed_forward["inner"]["bias"],
            "ff.layer_2.weight": feed_forward["outer"]["kernel"].T,
            "ff.layer_2.bias": feed_forward["outer"]["bias"],
            "ff.layer_norm.weight": layer["feed_forward_residual"]["norm"]["scale"],
            "ff.layer_norm.bias": layer["feed_forward_residual"]["norm"]["bias"],
        }
        weights |= {f"transformer.layer.{number}.{name}": value for name, value in own.items()}
    theirs.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return torch, theirs.eval()


def _inputs(seed, kinds=True, padded=True):
    """Tokens, an order that no ranks make, and which tokens are asked for."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(3, VOCAB, (ROWS, LENGTH)).astype(np.int32)
    segments = np.ones((ROWS, LENGTH), np.int32)
    if padded:
        segments[1, 5:] = segments[2, 4:] = 0
    positions = np.broadcast_to(np.arange(LENGTH, dtype=np.int32), tokens.shape)
    of_kind = np.sort(rng.integers(0, 2, tokens.shape), axis=1).astype(np.int32) if kinds else None
    seen = rng.random((ROWS, LENGTH, LENGTH)) < 0.6
    seen[:, :, 0] = True  # so that no query looks at nothing
    places = np.stack([rng.permutation(4)[:ASKED] for _ in range(ROWS)]).astype(np.int32)
    return Text(*map(_array, (tokens, positions, segments, of_kind))), Order(jnp.asarray(seen), jnp.asarray(places))


def _array(values):
    return None if values is None else jnp.asarray(values)


def _ask(torch, theirs, text, order, mems=None):
    mapping = np.eye(LENGTH, dtype=np.float32)[np.asarray(order.places)]
    given = {
        "input_ids": torch.from_numpy(np.array(text.tokens, np.int64)),
        "attention_mask": torch.from_numpy(np.array(text.segments > 0, np.float32)),
        "perm_mask": torch.from_numpy(1 - np.array(order.seen, np.float32)),
        "target_mapping": torch.from_numpy(mapping),
    }
    if text.kinds is not None:
        given["token_type_ids"] = torch.from_numpy(np.array(text.kinds, np.int64))
    return theirs(**given, mems=mems, output_hidden_states=True)


@pytest.mark.parametrize("size", SIZES)
def test_both_streams_are_pytorchs(size):
    model, params = _model(**SIZES[size])
    torch, theirs = _theirs(model, params)
    text, order = _inputs(0)
    found = _ask(torch, theirs, text, order)
    hidden, queries, _ = jax.jit(
        lambda params: model.apply({"params": params}, text, model.initial_carry(ROWS), order, method="read")
    )(params)
    logits = model.apply({"params": params}, queries, method="logits")
    there = np.asarray(text.segments) > 0
    content, query = (each.detach().numpy() for each in found.hidden_states[-2:])
    np.testing.assert_allclose(np.asarray(hidden)[there], content[there], atol=1e-4)
    np.testing.assert_allclose(queries, query, atol=1e-4)
    np.testing.assert_allclose(logits, found.logits.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("both_ways", [False, True])
def test_three_segments_are_pytorchs(both_ways):
    model, params = _model(memory_length=9)
    torch, theirs = _theirs(model, params, bi_data=both_ways)
    backwards = jnp.arange(ROWS) >= ROWS // 2 if both_ways else None

    @jax.jit
    def read(params, text, carry, order):
        _, queries, carry = model.apply({"params": params}, text, carry, order, backwards, method="read")
        return model.apply({"params": params}, queries, method="logits"), carry

    carry, mems = model.initial_carry(ROWS), None
    for segment in range(3):
        text, order = _inputs(segment, kinds=not both_ways, padded=False)
        found = _ask(torch, theirs, text, order, mems)
        mems = found.mems
        logits, carry = read(params, text, carry, order)
        np.testing.assert_allclose(logits, found.logits.detach().numpy(), atol=1e-4)


def test_gradients_are_pytorchs():
    model, params = _model()
    torch, theirs = _theirs(model, params)
    text, order = _inputs(0)
    right = jnp.take_along_axis(text.tokens, order.places, axis=1)

    @jax.jit
    def loss(params):
        _, queries, _ = model.apply({"params": params}, text, model.initial_carry(ROWS), order, method="read")
        log_probs = jax.nn.log_softmax(model.apply({"params": params}, queries, method="logits"))
        return -jnp.mean(jnp.take_along_axis(log_probs, right[..., None], axis=-1))

    value, gradients = jax.value_and_grad(loss)(params)
    logits = _ask(torch, theirs, text, order).logits
    labels = torch.from_numpy(np.array(right, np.int64))
    other = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCAB), labels.reshape(-1))
    other.backward()
    assert float(value) == pytest.approx(float(other), abs=1e-5)
    _, expected = _theirs(model, gradients)
    own = dict(theirs.named_parameters())
    for name, gradient in expected.named_parameters():
        if name not in ("transformer.word_embedding.weight", "lm_loss.weight"):  # one tensor, named once
            np.testing.assert_allclose(gradient.detach(), own[name].grad, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(gradients["embedding"]["table"], theirs.lm_loss.weight.grad, atol=1e-5)


def test_no_place_sees_what_comes_after_it_in_the_order():
    model, params = _model()
    text, _ = _inputs(0, padded=False)
    rank = np.random.default_rng(0).permutation(LENGTH)
    seen = jnp.asarray(np.broadcast_to(rank[None, :] < rank[:, None], (ROWS, LENGTH, LENGTH)))
    places = jnp.broadcast_to(jnp.arange(LENGTH), (ROWS, LENGTH))

    def found(table):
        replaced = params | {"embedding": {"table": table}}
        return model.apply({"params": replaced}, text, model.initial_carry(ROWS), Order(seen, places), method="read")[1]

    # Of a vocabulary in which each place has a token of its own.
    text = text._replace(tokens=jnp.arange(ROWS * LENGTH).reshape(ROWS, LENGTH))
    gradients = jax.jacrev(lambda table: jnp.sum(jnp.square(found(table)[0]), axis=-1))(params["embedding"]["table"])
    looked_at = np.any(np.asarray(gradients)[:, :LENGTH] != 0, axis=-1)
    # Of the first, which sees nothing, nothing is said: see `attention_weights`.
    np.testing.assert_array_equal(looked_at[rank > 0], (rank[None, :] < rank[:, None])[rank > 0])


def test_what_is_read_in_two_halves_is_what_is_read_whole():
    model, params = _model(memory_length=LENGTH)
    text, order = _inputs(3, kinds=False, padded=False)
    whole = jnp.broadcast_to(jnp.tril(jnp.ones((LENGTH, LENGTH), bool), -1), order.seen.shape)
    places = jnp.broadcast_to(jnp.arange(LENGTH), (ROWS, LENGTH))
    expected = model.apply({"params": params}, text, model.initial_carry(ROWS), Order(whole, places), method="read")[0]
    carry, halves = model.initial_carry(ROWS), []
    for start, stop in ((0, 4), (4, LENGTH)):
        part = Text(*(None if each is None else each[:, start:stop] for each in text))
        part = part._replace(positions=part.positions - start)
        own = Order(whole[:, start:stop, start:stop], places[:, : stop - start])
        hidden, _, carry = model.apply({"params": params}, part, carry, own, method="read")
        halves.append(hidden)
    np.testing.assert_allclose(jnp.concatenate(halves, axis=1), expected, atol=1e-5)


def test_its_encoder_is_a_transformers():
    model, params = _model()
    config = dataclasses.replace(
        TransformerConfig(model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, tie_embeddings="target"),
        **{"activation": "gelu_erf", "scale_embeddings": False, "norm_epsilon": 1e-12},
        **model.config.encoder,
    )
    transformer = config.build(VOCAB)
    begun = random_params(transformer, seed=5)
    text, _ = _inputs(0, kinds=False)
    encoded = transformer.apply(
        {"params": begun | model.as_encoder(params)}, text.tokens, text.positions, text.segments, method="encode"
    )
    hidden = model.apply({"params": params}, text, method="hidden")
    there = np.asarray(text.segments) > 0
    np.testing.assert_allclose(np.asarray(encoded)[there], np.asarray(hidden)[there], atol=1e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="model.memory_length: -1 is negative"):
        _model(memory_length=-1)
    with pytest.raises(UserError, match="one vocabulary"):
        XlnetConfig().build(8, 9)
    with pytest.raises(UserError, match="pairs are not remembered"):
        XlnetConfig(memory_length=4).check_lengths(8, 8)
